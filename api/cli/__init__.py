"""The `callcenter` command: one module per command that has something to it."""
