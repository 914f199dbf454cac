"""Signed statements: signing, trust, verification, policy."""
