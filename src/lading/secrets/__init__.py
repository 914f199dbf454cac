"""Secrets at rest, and those that others keep: adapters of the ports Secrets and SecretSources."""

from lading.secrets.age_file import AgeSecrets
from lading.secrets.dotenv import parse

__all__ = ["AgeSecrets", "parse"]
