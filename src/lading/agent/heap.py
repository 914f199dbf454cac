"""Keeps the agent's memory small: an agent idles for weeks between two rollouts."""

import ctypes

# Parameters of glibc's mallopt, from malloc.h.
M_TRIM_THRESHOLD, M_ARENA_MAX = -1, -8
TRIM_THRESHOLD = 64 * 1024  # bytes free at the top of the heap that are given back

# Another C library than glibc has none of these switches, and then everything stays as it is.
_allocator = ctypes.CDLL(None)


def share() -> None:
    """Let all threads share one heap that gives back what it frees; the interpreter's lock makes them take turns."""
    if hasattr(_allocator, "mallopt"):
        _allocator.mallopt(M_ARENA_MAX, 1)
        _allocator.mallopt(M_TRIM_THRESHOLD, TRIM_THRESHOLD)


def give_back() -> None:
    """Give the system what is free between what is in use; takes about a millisecond."""
    if hasattr(_allocator, "malloc_trim"):
        _allocator.malloc_trim(0)
