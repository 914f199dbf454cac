"""Cashback: merchants offer a share of each purchase back, wallets collect it, payouts empty them."""

RELEASE = "v1.0.0"
