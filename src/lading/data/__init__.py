"""Databases: adapters of the Databases port."""
