"""The server of built files: one directory, read-only, run as an instance like any other."""
