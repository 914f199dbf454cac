"""The agent's interface: HTTP with JSON over its Unix socket, described by OpenAPI."""
