"""No room at any byte: the old file stays, nothing is left beside it, and with room it is as if nothing had been."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from genotools.cli.main import app
from genotools.errors import GenotoolsError
from genotools.testing.full_disk import room_for
from genotools.testing.inputs import write_inputs

Arguments = Callable[[Path, Path], list[str]]


def out(path: Path) -> list[str]:
    return ["-o", str(path)]


def variants(inputs: Path, path: Path) -> list[str]:
    files = ["--vcf", str(inputs / "calls.vcf"), "--fasta", str(inputs / "genome.fa")]
    return ["variants", str(inputs / "model.onnx"), *files, *out(path)]


def background(inputs: Path, path: Path) -> list[str]:
    files = ["--vcf", str(inputs / "calls.vcf"), "--fasta", str(inputs / "genome.fa")]
    return ["variants", "background", str(inputs / "model.onnx"), *files, *out(path)]


def deepsea(inputs: Path, path: Path) -> list[str]:
    return [
        "data",
        "from-deepsea",
        "--train",
        str(inputs / "train.mat"),
        "--channel-order",
        "AGCT",
        *out(path),
    ]


def export(inputs: Path, path: Path) -> list[str]:
    kind = {".h5": "h5", ".npz": "npz"}.get(path.suffix, "fasta")
    return ["data", "export", str(inputs / "store.h5"), "--to", kind, *out(path)]


def predict(inputs: Path, path: Path) -> list[str]:
    return ["predict", str(inputs / "model.onnx"), str(inputs / "windows.fa"), *out(path)]


def merge(inputs: Path, path: Path) -> list[str]:
    return ["data", "merge", str(inputs / "store.h5"), str(inputs / "other.h5"), *out(path)]


def draw(inputs: Path, path: Path) -> list[str]:
    return ["draw", str(inputs / "genotype.json"), *out(path)]


def convert(inputs: Path, path: Path) -> list[str]:
    return ["convert", str(inputs / "genotype.json"), *out(path)]


COMMANDS: list[tuple[str, Arguments, bool]] = [
    ("effects.tsv", variants, True),
    ("effects.tsv.gz", variants, True),
    ("effects.h5", variants, True),
    ("effects.vcf", variants, True),
    ("background.h5", background, False),
    ("deepsea.h5", deepsea, True),
    ("rows.h5", export, False),
    ("rows.npz", export, False),
    ("rows.fa.gz", export, False),
    ("predictions.tsv", predict, False),
    ("predictions.h5", predict, False),
    ("merged.h5", merge, False),
    ("drawing.dot", draw, False),
    ("genotype.txt", convert, False),
]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder, n_variants=120, n_mat_rows=130)
    rng = np.random.default_rng(1)
    rows = ["".join(rng.choice(list("ACGT"), 60)) for _ in range(50)]
    (folder / "windows.fa").write_text("".join(f">{number}\n{row}\n" for number, row in enumerate(rows)))
    (folder / "other.h5").write_bytes((folder / "store.h5").read_bytes())
    return folder


def run(arguments: list[str]) -> None:
    app(arguments, standalone_mode=False)


@pytest.mark.parametrize(("name", "arguments", "resumes"), COMMANDS, ids=[name for name, *_ in COMMANDS])
def test_a_full_disk_leaves_the_old_file_and_is_made_up_for(
    name: str,
    arguments: Arguments,
    resumes: bool,
    inputs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    del capsys  # what is printed would go into a file, which must not grow either
    (tmp_path / "whole").mkdir()
    whole = tmp_path / "whole" / name
    run(arguments(inputs, whole))
    size = whole.stat().st_size
    for number, n_bytes in enumerate(
        [0, size // 7, size // 2, int(0.9 * size), size - 700, size - 90, size - 1]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / name
        path.write_text("precious")
        with room_for(max(0, n_bytes)), pytest.raises((OSError, GenotoolsError)) as caught:
            run([*arguments(inputs, path), "--force"])
        causes = [caught.value, caught.value.__cause__]
        assert any(isinstance(cause, OSError) and cause.errno is not None for cause in causes)
        assert str(path) in str(caught.value)
        assert path.read_text() == "precious"
        left = sorted(entry.name for entry in folder.iterdir() if entry.name != name)
        assert all(entry.startswith(f"{name}.partial") for entry in left)
        if resumes and left:
            path.unlink()
            run([*arguments(inputs, path), "--resume"])
        else:
            assert left == []
            run([*arguments(inputs, path), "--force"])
        assert path.read_bytes() == whole.read_bytes()
        assert [entry.name for entry in folder.iterdir()] == [name]
