"""Carries a plan forward or back over the journal; knows ports, never adapters."""
