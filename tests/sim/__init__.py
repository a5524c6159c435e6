"""The real shell on virtual time against a model Asterisk: one seed draws the load and the faults."""
