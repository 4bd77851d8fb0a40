"""Simulations that show what the statistics promise; each has a command that prints the figures of the docs."""
