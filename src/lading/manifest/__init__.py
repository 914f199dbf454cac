"""lading.toml → model: read with places, check everything at once, JSON Schema."""
