"""A bound on memory holds inside its block, for whatever asks, and goes with it."""

import resource
import sys
import threading

import numpy as np
import pytest

from genotools.data.memory_limit import bounded_memory

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux says what a process has")
MB = 1 << 20


def limit() -> tuple[int, int]:
    return resource.getrlimit(resource.RLIMIT_AS)


def test_what_asks_for_more_is_told_that_there_is_none() -> None:
    before = limit()
    with bounded_memory(256 * MB):
        assert np.zeros(64 * MB, np.uint8).size == 64 * MB
        with pytest.raises(MemoryError):
            np.zeros(512 * MB, np.uint8)
    assert limit() == before
    assert np.zeros(512 * MB, np.uint8).size == 512 * MB


def test_the_bound_goes_when_the_block_fails() -> None:
    before = limit()
    with pytest.raises(KeyError), bounded_memory(MB):
        raise KeyError
    assert limit() == before


def test_a_lower_limit_of_the_persons_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1000, resource.RLIM_INFINITY))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: seen.append(limits))
    with bounded_memory(MB):
        pass
    assert seen == [(1000, resource.RLIM_INFINITY)] * 2


def test_threads_take_turns_so_that_no_bound_is_left() -> None:
    before = limit()

    def work() -> None:
        for _ in range(200):
            with bounded_memory(512 * MB):
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert limit() == before
