"""The durable journal: SQLite with numbered migrations."""
