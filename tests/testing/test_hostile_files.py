"""Damaged files of every kind: only our errors come out."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genotools.testing.hostile import OURS, READERS, SUFFIXES, Damage, Reader, damaged, with_another_value

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


def test_the_valid_file_is_read(reader: Reader, seed: Path) -> None:
    reader.read(seed)


def test_only_our_errors_come_out(
    reader: Reader, seed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    whole, folder = seed.read_bytes(), tmp_path_factory.mktemp("damaged")
    path = folder / f"damaged{reader.suffix}"

    @examples(reader)
    @given(damages)
    def check(changes: list[Damage]) -> None:
        path.write_bytes(damaged(whole, changes))
        with suppress(*OURS):
            reader.read(path)

    check()


@pytest.mark.parametrize(
    "reader", [marked(reader) for reader in READERS if reader.suffix in SUFFIXES], indirect=True
)
def test_whole_files_with_other_values_are_survived_too(
    reader: Reader, seed: Path, tmp_path_factory: pytest.TempPathFactory
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
        with suppress(*OURS):
            reader.read(path)

    check()


def test_damages_are_done_one_after_the_other() -> None:
    assert damaged(b"abcdef", [Damage(0.5, 1, b"X"), Damage(0.0, 2, b"")]) == b"cXef"
    assert damaged(b"abc", [Damage(0.4, 10**9, b"")]) == b"a"
