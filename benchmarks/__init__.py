"""Measures the real thing: agents, processes, the router, and load from a separate process."""
