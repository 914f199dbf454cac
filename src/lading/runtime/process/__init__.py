"""The runtime that needs nothing but the machine: instances are detached processes."""

from lading.runtime.process.runtime import ProcessRuntime

__all__ = ["ProcessRuntime"]
