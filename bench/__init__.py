"""The benchmark: our call center against Asterisk's own queue, alternating in one run (bench/README.md)."""
