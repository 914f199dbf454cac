"""Reaches other machines through the system's own ``ssh``: its configuration, keys, agent and jump hosts."""
