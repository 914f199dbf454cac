"""Give up root for good: whose the server is once it serves."""

import ctypes
import os

_NO_NEW_PRIVS = 38  # PR_SET_NO_NEW_PRIVS of the kernel


def become(number: int) -> None:
    """Become a user and group of a number, of no further groups, and never gain rights again; raise ``OSError``."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel does not let it give up gaining rights")
    os.setgroups([])
    # All three of each: what is only put aside could be taken up again.
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)
