"""Examine a repository: a deterministic scan, optionally a model's opinion, a summary, a report and a history."""

VERSION = "1.0.0"
