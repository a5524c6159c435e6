"""The contact: its state, what it hears (signals), asks (commands) and remembers (events). Pure."""
