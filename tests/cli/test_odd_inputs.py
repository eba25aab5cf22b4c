"""Numbers without end, pipes, devices and links in circles: one message each, and nothing that waits for ever."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.errors import GenotoolsError
from genotools.testing.inputs import write_inputs

NINES = "9" * 5000
"""Python itself reads no whole number of more than 4300 digits."""
DATA = ["--data", "store.h5", "--macro", "macro.json"]
STEP = ["--epochs", "1", "--steps", "1"]
GENOME = ["--fasta", "genome.fa"]
REGION = [*GENOME, "-o", "out.tsv", "--region"]
SCORE = ["variants", "score", "model.onnx", "--vcf", "calls.vcf", *GENOME, "-o", "out.tsv"]
BED = ["data", "from-bed", *GENOME, "--peaks", "peaks.bed", "-o", "out.h5"]
NOT_A_FILE = "is a pipe or a device, and this is read from a file only"
IN_CIRCLES = "a symbolic link in it leads back to itself"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of small inputs, with a pipe and a link that leads to itself."""
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder, n_variants=5, n_mat_rows=100)
    (folder / "peaks.bed").write_text("chrI\t100\t900\tone\nchrI\t2000\t2500\ttwo\n")
    for name in ("pipe", "pipe.onnx"):
        os.mkfifo(folder / name)
    for name in ("loop", "loop.svg", "loop.onnx"):
        (folder / name).symlink_to(name)
    return folder


@pytest.fixture(autouse=True)
def _here(inputs: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(inputs)
    before = sorted(inputs.iterdir())
    yield
    assert sorted(inputs.iterdir()) == before, "what is refused writes nothing"


def told(*arguments: str) -> str:
    """Return the error of a command that must fail, with one of ours or the command line's own."""
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code != 0, done.output
    if isinstance(done.exception, SystemExit):
        return str(done.stderr)
    assert isinstance(done.exception, GenotoolsError), repr(done.exception)
    return str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ism", "model.onnx", *REGION, f"chrI:1-{NINES}"], "chr:start-end was expected"),
        (["ism", "model.onnx", *REGION, f"chrI:{NINES}-1"], "chr:start-end was expected"),
        (["attribute", "model", *REGION, f"chrI:1-{NINES}"], "chr:start-end was expected"),
        ([*SCORE, "--features", NINES], "matches no output"),
        (["search", "random", *DATA, "-o", "out", "--seeds", NINES], "a seed is 9223372036854775807 at most"),
        (["search", "random", *DATA, "-o", "out", "--seeds", f"1,{2**63}"], "a seed is"),
        (["search", "random", *DATA, "-o", "out", "--seed", str(2**63)], "9223372036854775807"),
        (["search", "evolution", *DATA, "-o", "out", "--set", f"population={NINES}"], "population is"),
        (["search", "evolution", *DATA, "-o", "out", "--set", f"population={'9' * 400}"], "population is"),
        (["search", "evolution", *DATA, "-o", "out", "--set", f"population={'[' * 50_000}"], "population is"),
        (["search", "random", *DATA, "-o", "out", "--knowledge-weight", "inf"], "--knowledge-weight"),
        (["search", "random", *DATA, "-o", "out", "--budget", "1e999steps"], "budget"),
        (["train", "genotype.json", *DATA, *STEP, "-o", "out", "--shift", "9" * 25], "100000000"),
        (["train", "genotype.json", *DATA, *STEP, "-o", "out", "--lr", "inf"], "lr is inf"),
        (["train", "genotype.json", *DATA, *STEP, "-o", "out", "--patience", "9" * 400], "patience is"),
        ([*BED, "--window", "9" * 400, "--bin", "9" * 400], "100000000"),
        ([*BED, "--min-overlap", NINES], "neither a fraction"),
        ([*BED, "--min-overlap", "1e999"], "min_overlap"),
        ([*BED, "--min-signal", "nan"], "min_signal is not a number"),
        (["data", "next-base", *GENOME, "-o", "out.h5", "--stride", "9" * 25], "100000000"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else " ".join(value)[:60],
)
def test_numbers_without_end_are_refused(arguments: list[str], message: str) -> None:
    assert message in told(*arguments)


@pytest.mark.parametrize("engine", ["../x:y", ".x:y", "x..z:y", "x-y:z", ":y", "x:"])
def test_an_engine_is_a_module_as_it_is_imported(engine: str) -> None:
    assert "MODULE:CLASS was expected" in told("search", engine, *DATA, "-o", "out")


@pytest.mark.parametrize(
    "arguments",
    [
        ["convert", "genotype.json", "-o", "loop"],
        ["convert", "genotype.json", "-o", "loop", "--force"],
        ["convert", "genotype.json", "-o", "loop/out"],
        ["draw", "genotype.json", "-o", "loop.svg"],
        ["sample", "-n", "2", "-o", "loop"],
        ["data", "from-bed", *GENOME, "--peaks", "peaks.bed", "-o", "loop"],
        ["data", "stats", "loop"],
        ["export", "model", "-o", "loop.onnx"],
        ["report", "loop", "-o", "out.html"],
        ["search", "random", *DATA, "-o", "loop"],
        ["search", "random", *DATA, "-o", "loop", "--seeds", "1,2"],
        ["search", "darts", *DATA, "-o", "loop", *STEP],
        ["train", "genotype.json", *DATA, *STEP, "-o", "loop"],
    ],
    ids=" ".join,
)
def test_links_in_a_circle_are_told(arguments: list[str]) -> None:
    message = told(*arguments)
    assert message.startswith("loop")
    assert IN_CIRCLES in message


@pytest.mark.parametrize(
    "arguments",
    [
        ["data", "inspect", "/dev/zero"],
        ["data", "inspect", "pipe"],
        ["data", "stats", "pipe"],
        ["data", "export", "pipe", "--to", "fasta", "-o", "out.fa"],
        ["data", "merge", "store.h5", "pipe", "-o", "out.h5"],
        ["data", "split", "pipe", "-o", "out.h5"],
        ["data", "from-deepsea", "--train", "pipe", "-o", "out.h5"],
        ["train", "genotype.json", "--data", "pipe", "--macro", "macro.json", *STEP, "-o", "out"],
        ["search", "random", "--data", "pipe", "--macro", "macro.json", "-o", "out"],
        ["search", "darts", "--data", "pipe", "--macro", "macro.json", "-o", "out"],
        ["study", "demo", "--data", "pipe", "-o", "out"],
        ["evaluate", "model", "--data", "pipe"],
        ["export", "model", "--data", "pipe", "-o", "out.onnx"],
        ["export", "verify", "pipe"],
        ["export", "verify", "/dev/zero"],
        ["info", "pipe.onnx"],
        ["predict", "pipe.onnx", "genome.fa", "-o", "out.tsv"],
        [*SCORE, "--background", "pipe"],
    ],
    ids=" ".join,
)
def test_what_is_read_by_place_is_no_pipe_or_device(arguments: list[str]) -> None:
    assert NOT_A_FILE in told(*arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        [*SCORE, "--features", "@/dev/zero"],
        ["data", "from-deepsea", "--train", "train.mat", "--labels", "/dev/zero", "-o", "out.h5"],
    ],
    ids=" ".join,
)
def test_lists_of_names_have_an_end(arguments: list[str]) -> None:
    assert "at most 16,777,216 are read" in told(*arguments)


def test_standard_input_has_an_end() -> None:
    done = CliRunner().invoke(app, ["convert", "-"], input="Genotype(" * 200_000)
    assert isinstance(done.exception, GenotoolsError)
    assert "standard input: more than 1,000,000 characters" in str(done.exception)


def test_torchrun_says_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for text in ("many", NINES, "-1"):
        monkeypatch.setenv("WORLD_SIZE", text)
        assert "WORLD_SIZE is" in told("search", "random", *DATA, "-o", "out")
