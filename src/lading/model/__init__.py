"""Frozen values that travel through every room: no I/O, no clock, no randomness."""
