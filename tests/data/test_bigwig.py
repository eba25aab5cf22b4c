"""Our reader of bigWig beside the C library, and files the library does not survive."""

import struct
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from genotools.data.bigwig import BigWig, is_bigwig
from genotools.errors import DataError
from genotools.testing._hostile_genomes import bigwig

CONTIGS = {"chrI": 5000, "chrII": 200_000, "x": 100}


def written(path: Path, kind: str, rng: np.random.Generator) -> Path:
    """Write thousands of numbers of a kind: intervals, of one width, or of one width at one distance."""
    file = pyBigWig.open(str(path), "w")
    file.addHeader(list(CONTIGS.items()), maxZooms=int(rng.integers(2)) * 5)
    for name, length in CONTIGS.items():
        steps = rng.integers(4, 40, size=length // 40)
        starts = np.cumsum(steps) - steps
        values = rng.normal(0, 5, size=len(starts))
        if kind == "intervals":
            ends = starts + rng.integers(1, steps + 1)
            file.addEntries([name] * len(starts), starts.tolist(), ends=ends.tolist(), values=values.tolist())
        elif kind == "of one width":
            file.addEntries(name, starts.tolist(), values=values.tolist(), span=4)
        else:
            file.addEntries(name, 3, values=values.tolist(), span=5, step=7)
    file.close()
    return path


@pytest.mark.parametrize("kind", ["intervals", "of one width", "at one distance"])
@pytest.mark.parametrize("seed", range(3))
def test_any_stretch_is_what_the_library_reads(kind: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    path = written(tmp_path / "s.bw", kind, rng)
    library = pyBigWig.open(str(path))
    with BigWig(path) as ours:
        assert dict(ours.contigs) == library.chroms() == CONTIGS
        assert ours.n_covered == library.header()["nBasesCovered"] > 0
        for name, length in CONTIGS.items():
            for _ in range(10):
                start = int(rng.integers(length))
                end = int(rng.integers(start, length)) + 1
                np.testing.assert_array_equal(
                    ours.values(name, start, end), library.values(name, start, end, numpy=True)
                )


def small() -> bytes:
    return bigwig({"chrI": 20, "chrII": 16}, {"chrI": [(0, 5, 1.5), (5, 9, -2.0)], "chrII": [(3, 12, 3.0)]})


def test_the_library_reads_what_tests_write(tmp_path: Path) -> None:
    path = tmp_path / "s.bw"
    path.write_bytes(small())
    library = pyBigWig.open(str(path))
    assert library.chroms() == {"chrI": 20, "chrII": 16}
    assert library.values("chrI", 4, 10)[:-1] == [1.5, -2.0, -2.0, -2.0, -2.0]
    with BigWig(path) as ours:
        np.testing.assert_array_equal(ours.values("chrII", 2, 5), np.array([np.nan, 3, 3]))
        assert ours.n_covered == 18


INDEX = struct.unpack_from("<Q", small(), 24)[0]
NODE = INDEX + 48


def changed(offset: int, kind: str, *values: int) -> bytes:
    data = bytearray(small())
    struct.pack_into(f"<{kind}", data, offset, *values)
    return bytes(data)


def in_circles() -> bytes:
    """Return a file whose index is a node that leads to itself."""
    return changed(NODE, "BBHIIIIQ", 0, 0, 1, 0, 0, 1, 20, NODE)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (small()[:60], "byte 64 of 60 is needed"),
        (changed(8, "Q", 10**18), "byte 1,000,000,000,000,000,032 of .* is needed"),
        (changed(104, "I", 1), "there are no contigs where they should be"),
        (changed(112, "I", 2**32 - 1), "there are no contigs where they should be"),
        (changed(138, "H", 65535), "byte .* is needed"),
        (changed(INDEX, "I", 1), "there is no index where it should be"),
        (changed(24, "Q", 0), "there is no index where it should be"),
        (changed(NODE + 28, "Q", 10**12), "byte 1,000,.* is needed"),
        (changed(NODE + 20, "Q", 0), "a block cannot be unpacked: .*"),
        (changed(52, "I", 0), "a block is of an unknown kind, or cut off"),
        (in_circles(), "its index goes round in circles"),
    ],
)
def test_damage_is_told(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "s.bw"
    path.write_bytes(data)
    assert is_bigwig(path)
    wanted = rf"s\.bw: the bigWig file is damaged or cut off \({message}\)"
    with pytest.raises(DataError, match=wanted), BigWig(path) as file:
        file.values("chrI", 0, 20)


def test_of_sliding_windows_the_last_one_counts(tmp_path: Path) -> None:
    path = tmp_path / "s.bw"
    file = pyBigWig.open(str(path), "w")
    file.addHeader([("chrI", 10_000)])
    file.addEntries("chrI", 0, values=[float(n) for n in range(900)], span=20, step=10)
    file.close()
    library = pyBigWig.open(str(path))
    with BigWig(path) as ours:
        found = ours.values("chrI", 0, 9_100)
    np.testing.assert_array_equal(found, library.values("chrI", 0, 9_100, numpy=True))
    assert found[15] == 1


def test_a_file_without_numbers_has_contigs(tmp_path: Path) -> None:
    path = tmp_path / "s.bw"
    file = pyBigWig.open(str(path), "w")
    file.addHeader([("chrI", 1000)])
    file.close()
    with BigWig(path) as ours:
        assert dict(ours.contigs) == {"chrI": 1000}
        assert np.isnan(ours.values("chrI", 0, 1000)).all()


def test_no_more_numbers_are_filled_in_than_a_stretch_can_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index that names one block any number of times would take any time."""
    monkeypatch.setattr("genotools.data.bigwig.MAX_OVERLAP", 1)
    data = bytearray(small())
    data[NODE + 36 : NODE + 68] = data[NODE + 4 : NODE + 36]
    path = tmp_path / "s.bw"
    path.write_bytes(data)
    with pytest.raises(DataError, match="numbers lie over each other in chrI:0-9"), BigWig(path) as file:
        file.values("chrI", 0, 9)


def test_bigbed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.bb"
    path.write_bytes(b"\xeb\xf2\x89\x87" + small()[4:])
    assert not is_bigwig(path)
    with pytest.raises(DataError, match="a bigBed file, a bigWig was expected"):
        BigWig(path)
