"""How the process asks the operating system for memory: large arrays come and go without page faults.

By default glibc maps every block above some 32 MB anew and gives it back when it is freed, so that a network's
activations, which come and go hundreds of times a case, are zeroed by the kernel each time: two thirds of the time
of a run on two cores went there. With these settings freed memory stays with the process and is used again.
"""

from __future__ import annotations

import ctypes

#: Parameters of ``mallopt``, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -2, -4, -8
#: As much as mallopt takes, bytes: freed memory at the heap's end is kept up to this.
_KEPT = 2**31 - 1
#: The heap grows by so much at a time, bytes.
_GROWTH = 64 * 2**20


def keep_freed_memory() -> bool:
    """Let the process keep what it frees; to be called when a process starts, before it computes.

    One arena serves all threads: only the main one can hold large blocks, the others would map them.

    Returns:
        whether the settings were taken; elsewhere than with glibc memory is managed as usual.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    wanted = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _KEPT), (_M_TOP_PAD, _GROWTH), (_M_ARENA_MAX, 1))
    taken = [mallopt(parameter, value) == 1 for parameter, value in wanted]
    return all(taken)
