"""Makes machines hosts of Lading, and looks after them, over ssh."""
