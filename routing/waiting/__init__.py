"""How long the wait will be: estimates from the real state, their calibration, and the promise made to a caller."""
