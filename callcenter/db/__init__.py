"""The memory of the call center: a local journal, one ordered writer, PostgreSQL, and what is read from it."""
