"""Memos are scored against a rubric: by rules, or by a language model where there is a key for one."""

RELEASE = "v1.0.0"
