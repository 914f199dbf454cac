"""Instances as containers of an engine on this host."""

from lading.runtime.docker.runtime import DockerRuntime

__all__ = ["DockerRuntime"]
