"""Companions: the programs that this process starts beside itself, and stops again: Asterisk and PostgreSQL."""
