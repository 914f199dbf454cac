"""Stores of objects that speak S3."""
