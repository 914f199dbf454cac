"""A questionnaire becomes a plan, and the plan a workspace on disk."""

RELEASE = "v1.0.0"
