"""Scripted conversations by telephone: the scripts of `flow test`, dialed on a real Asterisk beside the service's."""
