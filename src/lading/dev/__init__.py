"""Runs a project's programs from its work tree, in its own virtual environment, and again whenever a file changes."""
