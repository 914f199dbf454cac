"""The lading command: one module a noun; main alone turns errors into text, JSON and exit status."""
