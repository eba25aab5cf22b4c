"""Motif files in MEME format: what is read, and what is refused with its line."""

import pickle
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.search.motifs import Motif, read_meme

MINIMAL = """MEME version 4

ALPHABET= ACGT

strands: + -

Background letter frequencies
A 0.303 C 0.183 G 0.209 T 0.306

MOTIF crp alternative
letter-probability matrix: alength= 4 w= 3 nsites= 17 E= 4.1e-009
 0.000000  0.176471  0.000000  0.823529
 1 0 0 .0
 0.25\t0.25 2.5e-1 0.25
URL http://example.org/crp

MOTIF second
letter-probability matrix:
0.1 0.2 0.3 0.4

"""

HEAD = "MEME version 4\n\nALPHABET= ACGT\n\n"


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "motifs.meme"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_minimal_file_is_read(tmp_path: Path) -> None:
    crp, second = read_meme(written(tmp_path, MINIMAL))
    assert (crp.name, crp.alternative, crp.width) == ("crp", "alternative", 3)
    assert (second.name, second.alternative, second.width) == ("second", "", 1)
    assert crp.probabilities[:, 0].tolist() == pytest.approx([0, 0.176471, 0, 0.823529])  # A, C, G, T
    assert crp.probabilities[:, 1].tolist() == [1, 0, 0, 0]
    assert second.probabilities[:, 0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("newline", ["\r\n", "\n"])
def test_line_ends_and_a_byte_order_mark_do_not_matter(tmp_path: Path, newline: str) -> None:
    text = "\N{ZERO WIDTH NO-BREAK SPACE}" + MINIMAL.replace("\n", newline)
    assert [motif.name for motif in read_meme(written(tmp_path, text))] == ["crp", "second"]


def test_what_is_not_needed_is_passed_over(tmp_path: Path) -> None:
    """As in the full output of MEME: a banner, log-odds, lines of dashes."""
    text = (
        "********\nMEME - Motif discovery tool\n********\nMEME version 5.4.1 (Release date: 2021)\n"
        "ALPHABET= ACGT\nMOTIF ACG MEME-1\twidth = 2 sites = 9\n"
        "log-odds matrix: alength= 4 w= 2 n= 9 bayes= 1 E= 2\n 100 -5 -5 -5\n -5 100 -5 -5\n-----\n"
        "letter-probability matrix: alength= 4 w= 2 nsites= 9 E= 2\n 1 0 0 0\n 0 1 0 0\n-----\nTime 0.3 secs.\n"
    )
    (motif,) = read_meme(written(tmp_path, text))
    assert (motif.name, motif.alternative) == ("ACG", "MEME-1")
    assert motif.probabilities.tolist() == [[1, 0], [0, 1], [0, 0], [0, 0]]


def test_rounded_positions_are_made_to_sum_to_one(tmp_path: Path) -> None:
    (motif,) = read_meme(written(tmp_path, HEAD + "MOTIF a\nletter-probability matrix:\n0.33 0.33 0.33 0\n"))
    assert motif.probabilities[:, 0].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
    with pytest.raises(ValueError, match="read-only"):
        motif.probabilities[0, 0] = 1


MATRIX = "letter-probability matrix: alength= 4 w= 2\n1 0 0 0\n0 1 0 0\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line 'MEME version 4' before the first motif"),
        ("MOTIF a\n" + MATRIX + "MEME version 4\n", "no line 'MEME version 4' before the first motif"),
        (HEAD, "no motifs: none of its lines begins with MOTIF"),
        (
            "MEME version 4\nALPHABET= ACDEFGHIKLMNPQRSTVWY\n",
            "line 2: the alphabet is 'ACDEFGHIKLMNPQRSTVWY'",
        ),
        (
            'MEME version 4\nALPHABET "RNA" RNA-LIKE\n',
            "line 2: the alphabet is '\"RNA\" RNA-LIKE', only ACGT",
        ),
        (HEAD + "MOTIF\n" + MATRIX, "line 5: 'MOTIF'; MOTIF and a name are expected"),
        (HEAD + "MOTIF " + "x" * 201 + "\n" + MATRIX, "line 5: 'MOTIF xxx.*MOTIF and a name are expected"),
        (
            HEAD + "MOTIF a\nMOTIF b\n" + MATRIX,
            "line 5: motif 'a' has 0 letter-probability matrices, not one",
        ),
        (
            HEAD + "MOTIF a\n" + MATRIX + MATRIX,
            "line 5: motif 'a' has 2 letter-probability matrices, not one",
        ),
        (HEAD + "MOTIF a\n" + MATRIX + "MOTIF a\n" + MATRIX, "line 9: a second motif 'a'"),
        (
            HEAD + "MOTIF a\n" + MATRIX.replace("= 4", "= 20"),
            "line 6: alength is 20, with the four bases it is 4",
        ),
        (
            HEAD + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 0"),
            "line 6: w is 0, a motif has 1 to 1000 positions",
        ),
        (HEAD + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 9" + "9" * 30), "line 6: w is 9999.* has 1 to 1000"),
        (HEAD + "MOTIF a\n" + MATRIX.replace("w= 2", "w= -2"), "line 6: w is -2, a motif has 1 to 1000"),
        (HEAD + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 3"), "line 9: ''; four probabilities are expected"),
        (
            HEAD + "MOTIF a\n" + MATRIX.replace("w= 2", "w= 3").strip(),
            "line 6: motif 'a' has 2 positions, 3 are",
        ),
        (
            HEAD + "MOTIF a\nletter-probability matrix:\n\n",
            "line 6: motif 'a' has 0 positions, 1 to 1000 are",
        ),
        (HEAD + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "1 0 0"), "line 7: '1 0 0'; four probabilities are"),
        (
            HEAD + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "1 0 0 0 0"),
            "line 7: '1 0 0 0 0'; four probabilities",
        ),
        (
            HEAD + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "nan 0 0 1"),
            "line 7: 'nan 0 0 1'; four probabilities",
        ),
        (
            HEAD + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "-1 1 1 0"),
            "line 7: '-1 1 1 0'; four probabilities",
        ),
        (
            HEAD + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "1_0 0 0 0"),
            "line 7: '1_0 0 0 0'; four probabilities",
        ),
        (
            HEAD + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "1e999 0 0 0"),
            "line 7: .* that add up to 1 are expected",
        ),
        (
            HEAD + "MOTIF a\n" + MATRIX.replace("1 0 0 0", "0.5 0 0 0"),
            "line 7: .* that add up to 1 are expected",
        ),
        (
            HEAD + "MOTIF a\nletter-probability matrix:\n" + "1 0 0 0\n" * 1001,
            "line 6: motif 'a' has 1001 positions",
        ),
        (b"\xff\xfe\x00", "not text .byte 0.; a file in MEME format is"),
    ],
)
def test_faults_are_named_with_their_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_meme(written(tmp_path, text))


def test_all_faulty_motifs_are_listed(tmp_path: Path) -> None:
    text = HEAD.replace("ACGT", "ACGU") + "MOTIF a\n" + "MOTIF b\n" + MATRIX + "MOTIF c\n"
    with pytest.raises(DataError, match="3 faults") as caught:
        read_meme(written(tmp_path, text))
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "- line 3",
        "- line 5",
        "- line 10",
    ]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"missing\.meme: No such file"):
        read_meme(tmp_path / "missing.meme")
    with pytest.raises(DataError, match="Is a directory"):
        read_meme(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genotools.search.motifs.MAX_BYTES", 100)
    with pytest.raises(DataError, match="355 bytes, at most 100 are read"):
        read_meme(written(tmp_path, MINIMAL))
    monkeypatch.setattr("genotools.search.motifs.MAX_BYTES", 10_000)
    monkeypatch.setattr("genotools.search.motifs.MAX_MOTIFS", 1)
    with pytest.raises(DataError, match="2 motifs, at most 1 are read"):
        read_meme(written(tmp_path, MINIMAL))


@pytest.mark.parametrize(
    "line",
    ["1" * 2_000_000 + "x 0 0 0", "letter-probability matrix: " + "w" * 2_000_000, "0 " * 1_000_000],
)
def test_endless_lines_take_no_time(tmp_path: Path, line: str) -> None:
    started = time.monotonic()
    with pytest.raises(DataError, match=r"line [567]: "):
        read_meme(written(tmp_path, HEAD + "MOTIF a\nletter-probability matrix:\n" + line + "\n"))
    assert time.monotonic() - started < 2


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    data = (MINIMAL[:120] + text).encode("utf-8", "surrogatepass")
    try:
        motifs = read_meme(written(tmp_path_factory.mktemp("any"), data))
    except DataError:
        return
    assert motifs


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones((3, 5)) / 3, r"probabilities of shape \(3, 5\); they must be \(4, width\)"),
        (np.ones((4, 0)), r"probabilities of shape \(4, 0\)"),
        (np.ones((4, 2)), "probabilities must be in .0, 1., each column adding up to 1"),
        (np.full((4, 2), np.nan), "probabilities must be in .0, 1., each column adding up to 1"),
        (np.array([[1.5], [-0.5], [0], [0]]), "probabilities must be in .0, 1., each column adding up to 1"),
    ],
)
def test_a_motif_is_a_matrix_of_probabilities(matrix: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=f"motif 'a': {message}"):
        Motif(name="a", probabilities=matrix)


def test_a_motif_can_be_sent_to_another_process() -> None:
    motif = Motif(name="a", probabilities=np.full((4, 3), 0.25), alternative="b")
    copy = pickle.loads(pickle.dumps(motif))  # noqa: S301
    assert (copy.name, copy.alternative) == ("a", "b")
    assert np.array_equal(copy.probabilities, motif.probabilities)
