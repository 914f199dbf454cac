"""Stacks as what the compose plugin makes of a compose file, after it was held against what a stack may have."""

from lading.runtime.docker.stacks.stacks import DockerStacks

__all__ = ["DockerStacks"]
