"""The container engine, as its HTTP interface over a Unix socket gives it: calls, streams, refusals."""

from lading.docker.engine import SOCKET, Engine, EngineRefused, no_engine

__all__ = ["SOCKET", "Engine", "EngineRefused", "no_engine"]
