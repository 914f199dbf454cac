"""Secrets at rest: adapters of the Secrets port."""
