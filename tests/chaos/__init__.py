"""Faults on real parts: one seed draws which part dies when, under callers and agents; a checker judges afterwards."""
