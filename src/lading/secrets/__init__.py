"""Secrets at rest: adapters of the Secrets port."""

from lading.secrets.age_file import AgeSecrets
from lading.secrets.dotenv import parse

__all__ = ["AgeSecrets", "parse"]
