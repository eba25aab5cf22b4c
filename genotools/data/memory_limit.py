"""A bound on the memory that a library may take for what a file says of itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["bounded_memory"]

_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def bounded_memory(n_bytes: int) -> Iterator[None]:
    """Let this process take no more than ``n_bytes`` beyond what it has, inside the block.

    What asks for more is told that there is none. For short blocks: other threads are held to it, too. Where the
    system does not say what a process has (it is not Linux), nothing is bound.
    """
    try:
        import resource

        n_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):
        yield
        return
    with _ONE_AT_A_TIME:
        before = resource.getrlimit(resource.RLIMIT_AS)
        most = n_pages * resource.getpagesize() + n_bytes
        soft = most if before[0] == resource.RLIM_INFINITY else min(most, before[0])
        resource.setrlimit(resource.RLIMIT_AS, (soft, before[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_AS, before)
