"""Our reader of 2bit beside UCSC's format as another library reads it, and files that library does not survive."""

import struct
from pathlib import Path

import numpy as np
import py2bit
import pytest

from genotools.data.encoding import decode
from genotools.data.twobit import TwoBit
from genotools.errors import DataError
from genotools.testing._hostile_genomes import two_bit


@pytest.mark.parametrize("seed", range(20))
def test_any_stretch_is_what_the_other_library_reads(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    texts = {
        f"c{index}": "".join(rng.choice(list("ACGTN"), size=int(rng.integers(1, 70))))
        for index in range(int(rng.integers(1, 4)))
    }
    path = tmp_path / "g.2bit"
    path.write_bytes(two_bit(texts))
    other = py2bit.open(str(path))
    with TwoBit(path) as genome:
        assert dict(genome.contigs) == other.chroms() == {name: len(text) for name, text in texts.items()}
        for name, text in texts.items():
            for _ in range(20):
                start = int(rng.integers(len(text)))
                end = int(rng.integers(start, len(text))) + 1
                assert decode(genome.codes(name, start, end)) == other.sequence(name, start, end)


def test_the_other_byte_order_and_wide_offsets(tmp_path: Path) -> None:
    record = struct.pack(">9I", 6, 1, 2, 2, 1, 0, 6, 0, 0)[:-4] + bytes([0b00011011, 0b10000000])
    for version, kind in ((0, "I"), (1, "Q")):
        index = b"\x01x" + struct.pack(f">{kind}", 18 + struct.calcsize(kind))
        path = tmp_path / f"{version}.2bit"
        path.write_bytes(struct.pack(">4I", 0x1A412743, version, 1, 0) + index + record)
        with TwoBit(path) as genome:
            assert decode(genome.codes("x", 0, 6)) == "TCNNAT"


def changed(offset: int, *words: int) -> bytes:
    data = bytearray(two_bit({"one": "ACGTNACGT", "two": "ACGT"}))
    data[offset : offset + 4 * len(words)] = struct.pack(f"<{len(words)}I", *words)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (changed(8, 3), "byte .* is needed"),
        (changed(4, 2), "version 2, 0 and 1 are read"),
        (changed(20, 2**32 - 1), "byte 4,294,967,299 of 76 is needed"),
        (changed(32, 2**32 - 1), "it would hold more bases than fit into it"),
        (changed(36, 2**31), "byte 17,179,869,224 of 76 is needed"),
        (changed(40, 9), "the unknown bases of 'one' overlap or leave it"),
        (two_bit({"a": "ACGT"})[:18], "byte 22 of 18 is needed"),
        (b"\x43\x27\x41\x1a", "byte 16 of 4 is needed"),
    ],
)
def test_damage_is_told_and_never_more_is_made_than_fits_in_the_file(
    data: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "g.2bit"
    path.write_bytes(data)
    wanted = rf"g\.2bit: the 2bit file is damaged or cut off \({message}\)"
    with pytest.raises(DataError, match=wanted), TwoBit(path) as genome:
        genome.genome()


def test_contigs_that_share_their_bases_are_counted_each(tmp_path: Path) -> None:
    """A thousand names of one record would be a thousand times its bases in memory."""
    record = two_bit({"x": "ACGT" * 100})[22:]
    n = 1000
    index = b"".join(b"\x03%03d" % number + struct.pack("<I", 16 + 8 * n) for number in range(n))
    path = tmp_path / "g.2bit"
    path.write_bytes(struct.pack("<4I", 0x1A412743, 0, n, 0) + index + record)
    with pytest.raises(DataError, match="it would hold more bases than fit into it"):
        TwoBit(path)


def test_a_name_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "g.2bit"
    path.write_bytes(two_bit({"a": "ACGT", "b": "ACGT"}).replace(b"\x01b", b"\x01a"))
    with pytest.raises(DataError, match="contig 'a' appears twice"):
        TwoBit(path)
