"""Talks to agents."""
