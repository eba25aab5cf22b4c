import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from genotools.cli.data import app
from genotools.data.encoding import decode
from genotools.errors import DataError, OutputExistsError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    genome = {name: decode(rng.integers(0, 4, 5000, dtype=np.uint8)) for name in ("chr1", "chr2", "chr3")}
    (tmp_path / "genome.fa").write_text("".join(f">{name}\n{text}\n" for name, text in genome.items()))
    peaks = [
        f"{name}\t{start}\t{start + 1}\tF{start // 200 % 3}[b]"
        for name in genome
        for start in range(600, 4000, 150)
    ]
    (tmp_path / "peaks.bed").write_text("\n".join(peaks))
    return tmp_path


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=True)


def from_bed(folder: Path, *options: str) -> Result:
    return invoke(
        "from-bed", "--fasta", folder / "genome.fa", "--peaks", folder / "peaks.bed", "-o", folder / "s.h5",
        "--min-overlap", "1", "--overlap-op", "ge", "--test-chroms", "chr2, chr3", *options,
    )  # fmt: skip


def test_from_bed_prints_counts_and_stats_and_inspect_agree(folder: Path) -> None:
    built = from_bed(folder)
    assert built.exit_code == 0, built.output
    assert "F0[b]" in built.stdout  # a name is text, not markup
    document = json.loads(invoke("stats", folder / "s.h5", "--json").stdout)
    assert document["splits"]["test"]["rows"] == 2 * document["splits"]["train"]["rows"] > 0
    report = json.loads(invoke("inspect", folder / "s.h5", "--json").stdout)
    assert report["facts"]["test rows"] == document["splits"]["test"]["rows"]
    assert invoke("stats", folder / "s.h5").exit_code == invoke("inspect", folder / "s.h5").exit_code == 0


def test_from_bed_json_holds_what_was_left_out(folder: Path) -> None:
    document = json.loads(from_bed(folder, "--json", "--exclude", "chr1").stdout)
    assert document["dropped_bins"]["unknown bases or contig end"] == 8
    assert document["splits"]["train"]["rows"] == 0
    assert document["n_labels"] == 3


def test_existing_output_needs_force(folder: Path) -> None:
    assert from_bed(folder).exit_code == 0
    assert isinstance(from_bed(folder).exception, OutputExistsError)
    assert from_bed(folder, "--force").exit_code == 0


def test_overlapping_splits_are_refused(folder: Path) -> None:
    error = from_bed(folder, "--valid-chroms", "chr3").exception
    assert isinstance(error, DataError)
    assert "splits overlap: chr3 in both test and valid" in str(error)
    assert not (folder / "s.h5").exists()


def test_overlap_that_is_no_number_is_refused(folder: Path) -> None:
    error = from_bed(folder, "--min-overlap", "half").exception
    assert isinstance(error, DataError)
    assert "--min-overlap 'half' is neither a fraction" in str(error)


def test_commands_are_listed_without_loading_numpy_or_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from genotools.cli.data import app; "
        "print(CliRunner().invoke(app, ['--help']).output); "
        "sys.exit(bool({'numpy', 'torch', 'h5py'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("inspect", "stats", "from-bed", "demo"):
        assert command in done.stdout


def test_the_data_room_never_loads_torch() -> None:
    code = "import sys, genotools.data, genotools.data.inspect; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
