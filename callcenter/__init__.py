"""The application: contacts, the floor, the journal, and what connects them to Asterisk and PostgreSQL."""
