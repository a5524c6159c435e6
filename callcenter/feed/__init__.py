"""Committed events in order, to everyone who listens."""
