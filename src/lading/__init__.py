"""Lading takes a Python project from a laptop to production on one artifact and one set of checks."""

__version__ = "0.1.0"
