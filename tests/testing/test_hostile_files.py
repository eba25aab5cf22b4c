"""Damaged files of every kind: only our errors come out."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.testing.hostile import (
    MAX_MEMORY_BYTES,
    MAX_SECONDS,
    READERS,
    SUFFIXES,
    Damage,
    Reader,
    damaged,
    only_ours,
    peak_bytes,
    with_another_value,
)

TOKENS = [
    b"\0",
    b"\xff" * 4,
    b"-1",
    b"1e999",
    b"NaN",
    b'"',
    b"[" * 200,
    b"\n",
    b"\t",
    b"../",
    b"9" * 30,
    b"null",
]

damages = st.lists(
    st.builds(
        Damage,
        at=st.floats(0, 1, exclude_max=True),
        cut=st.integers(0, 8) | st.just(10**9),
        put=st.binary(max_size=4) | st.sampled_from(TOKENS),
    ),
    min_size=1,
    max_size=4,
)


def marked(reader: Reader) -> Any:
    return pytest.param(reader, id=reader.name, marks=[pytest.mark.slow] if reader.is_slow else [])


@pytest.fixture(scope="module", params=map(marked, READERS))
def reader(request: pytest.FixtureRequest) -> Reader:
    found: Reader = request.param
    return found


@pytest.fixture(scope="module")
def seed(reader: Reader, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("seed") / f"valid{reader.suffix}"
    reader.seed(path)
    return path


def examples(reader: Reader) -> settings:
    """Return how often a test tries; the fuzzer tries for longer."""
    return settings(
        max_examples=10 if reader.is_slow else 40,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


class Watch:
    """How long the slowest of some readings took."""

    seconds = 0.0

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Measure one; what it raises of ours is swallowed."""
        started = time.perf_counter()
        with only_ours():
            yield
        self.seconds = max(self.seconds, time.perf_counter() - started)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Yield a watch, and look at the end whether every file was read in bounded time and memory."""
    before, watch = peak_bytes(), Watch()
    yield watch
    assert watch.seconds < MAX_SECONDS
    assert peak_bytes() - before < MAX_MEMORY_BYTES


def test_the_valid_file_is_read(reader: Reader, seed: Path) -> None:
    reader.read(seed)


def test_only_our_errors_come_out(
    reader: Reader, seed: Path, watch: Watch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole, folder = seed.read_bytes(), tmp_path_factory.mktemp("damaged")
    path = folder / f"damaged{reader.suffix}"

    @examples(reader)
    @given(damages)
    def check(changes: list[Damage]) -> None:
        path.write_bytes(damaged(whole, changes))
        with watch.reading():
            reader.read(path)

    check()


@pytest.mark.parametrize(
    "reader", [marked(reader) for reader in READERS if reader.suffix in SUFFIXES], indirect=True
)
def test_whole_files_with_other_values_are_survived_too(
    reader: Reader, seed: Path, watch: Watch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole = seed.read_bytes()
    path = tmp_path_factory.mktemp("values") / f"damaged{reader.suffix}"

    @examples(reader)
    @given(st.integers(0, 2**32 - 1))
    def check(number: int) -> None:
        changed = with_another_value(whole, reader.suffix, np.random.default_rng(number))
        if changed is None:  # the format's own library does not write such a value
            return
        path.write_bytes(changed)
        with watch.reading():
            reader.read(path)

    check()


def test_damages_are_done_one_after_the_other() -> None:
    assert damaged(b"abcdef", [Damage(0.5, 1, b"X"), Damage(0.0, 2, b"")]) == b"cXef"
    assert damaged(b"abc", [Damage(0.4, 10**9, b"")]) == b"a"


def test_only_what_can_be_told_to_a_person_passes() -> None:
    for ours in (DataError("x: damaged."), FileNotFoundError(2, "No such file", "x")):
        with only_ours():
            raise ours
    with pytest.raises(OSError, match="Unable to open"), only_ours():
        raise OSError("Unable to open object")  # as h5py has it
    with pytest.raises(ValueError, match="odd"), only_ours():
        raise ValueError("odd")


def test_a_reader_that_takes_too_long_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    times = iter([0.0, 1.0, 10.0, 35.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(times))
    for _ in range(2):
        with watch.reading():
            raise DataError("x: damaged.")
    assert watch.seconds == 25
