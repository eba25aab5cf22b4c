"""Memory that a training step frees is kept for the next one.

The C library gives large blocks back to the system when they are freed and asks for new ones a moment later; the
system hands every page out zeroed, which takes longer than the gradient of a large matrix takes to compute (30 ms
against 12 ms for 80 MB, batch 8, an AMD core).
"""

import ctypes
import platform

__all__ = ["keep_freed_memory"]

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of mallopt in glibc: free memory at the end of the heap that is given back, and blocks that are mapped singly."""


def keep_freed_memory() -> bool:
    """Let this process keep the memory it frees, and return whether it will: only glibc can.

    For a process that repeats one step with the same sizes; its memory does not become less until it ends.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    library = ctypes.CDLL(None)
    options = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, 2**31 - 1))
    return all(library.mallopt(option, value) == 1 for option, value in options)
