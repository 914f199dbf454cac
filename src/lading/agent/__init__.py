"""The host daemon and only composition root."""
