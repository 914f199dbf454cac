"""Where instances run: adapters of the Runtime port."""
