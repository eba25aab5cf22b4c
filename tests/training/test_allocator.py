import platform
import subprocess
import sys

import pytest

from genotools.training.allocator import keep_freed_memory

# In a process of its own: the setting stays. Where blocks lie is chance, so that the first rounds settle.
PROGRAM = """
import resource, torch
from genotools.training.allocator import keep_freed_memory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        tensors = [torch.zeros(n * 1_000_000) for n in (9, 10, 11)]
        del tensors
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
first = faults()
assert keep_freed_memory()
faults()
faults()
print(first, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to keep memory")
def test_memory_freed_is_used_again() -> None:
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout
    before, after = map(int, output.split())
    assert after < before / 10


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_freed_memory()
