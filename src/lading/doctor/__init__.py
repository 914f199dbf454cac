"""What may be wrong with a host and how it is mended: findings, their table, and the checks of a host itself."""
