"""What the engine and the agent need of the world, as protocols.

Beside each protocol lie its in-memory adapter (``memory``) and its conformance suite (``conformance``), a class of
tests that every adapter runs, the in-memory one included. The docstrings are the promises; the suites check them.
"""
