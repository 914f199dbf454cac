"""Carries a plan forward or back over the journal."""
