"""The demo: simulated callers and agents on the real system, a live table, and a summary that is recounted."""
