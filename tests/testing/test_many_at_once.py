"""Several processes at once: on one run, on one store, on one output. Writers to one zoo are in tests/zoo."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from genotools.testing.at_once import Command, run_together
from genotools.testing.inputs import write_inputs

Line = Callable[[Path, Path], list[object]]

PROTOCOL = """
format = "genotools/study"
version = 1
title = "Tiny"
searches = 1
evaluations = 1
macro = "{macro}"

[search]
epochs = 1
steps = 2
batch_size = 8

[engines.random]
trials = 1

[training]
epochs = 1
steps = 2
batch_size = 8

[seconds]
network = 0.01
supernet = 0.05
"""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Let the processes have one thread each."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    yield
    if before is None:
        del os.environ["OMP_NUM_THREADS"]
    else:
        os.environ["OMP_NUM_THREADS"] = before


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder, n_variants=40, n_mat_rows=300)
    (folder / "tiny.toml").write_text(PROTOCOL.format(macro=folder / "macro.json"))
    return folder


def short(inputs: Path) -> list[object]:
    """Return the options that every training has."""
    data = ["--data", inputs / "store.h5", "--macro", inputs / "macro.json", "--batch-size", "8"]
    return [*data, "--device", "cpu", "--epochs", "2", "--steps", "2"]


def train(inputs: Path, folder: Path) -> list[object]:
    return ["train", inputs / "genotype.json", "-o", folder / "run", *short(inputs)]


def search_random(inputs: Path, folder: Path) -> list[object]:
    return ["search", "random", "-o", folder / "run", *short(inputs), "--trials", "2"]


def search_darts(inputs: Path, folder: Path) -> list[object]:
    return ["search", "darts", "-o", folder / "run", *short(inputs)]


def search_seeds(inputs: Path, folder: Path) -> list[object]:
    line = ["search", "random", "-o", folder / "run", *short(inputs), "--trials", "1"]
    return [*line, "--seeds", "0,1"]


def deepsea(inputs: Path, folder: Path) -> list[object]:
    line: list[object] = ["data", "from-deepsea", "--train", inputs / "train.mat"]
    return [*line, "--channel-order", "AGCT", "-o", folder / "deepsea.h5"]


def variants(inputs: Path, folder: Path) -> list[object]:
    files = ["--vcf", inputs / "calls.vcf", "--fasta", inputs / "genome.fa"]
    return ["variants", inputs / "model.onnx", *files, "-o", folder / "effects.tsv.gz", "--batch-size", "8"]


def study(inputs: Path, folder: Path) -> list[object]:
    line: list[object] = ["study", inputs / "tiny.toml", "--data", inputs / "store.h5"]
    return [*line, "-o", folder / "run", "--device", "cpu"]


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return every file below a folder: when it was changed, and what is in it."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


class Run(NamedTuple):
    """A command that goes on, the flush it waits at, a file that is there by then, who is told what, and its end."""

    line: Line
    pause_at: int
    done: str
    told: str
    end: str


SEARCH_IS_BUSY = "run: another process is running this search"

RUNS = {
    "train": Run(
        train, 8, "checkpoint/*", "run: another process is training in this folder", "run/result.json"
    ),
    "random": Run(search_random, 3, "run/config.json", SEARCH_IS_BUSY, "run/result.json"),
    "darts": Run(search_darts, 5, "alphas.jsonl", SEARCH_IS_BUSY, "run/result.json"),
    "seeds": Run(
        search_seeds,
        3,
        "seed-0/config.json",
        "run: another process is running these searches",
        "run/seeds.json",
    ),
    "deepsea": Run(
        deepsea,
        2,
        "deepsea.h5.partial",
        "deepsea.h5: another process is writing this store",
        "deepsea.h5",
    ),
    "variants": Run(
        variants,
        1,
        "effects.tsv.gz.partial",
        "effects.tsv.gz: another process is writing this table",
        "effects.tsv.gz",
    ),
    "study": Run(study, 20, "study.json", "run: another process is running this study", "run/results.json"),
}
SLOW = ("darts", "seeds", "study")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in RUNS]
)
def test_a_second_process_is_refused_and_changes_nothing_and_a_killed_one_holds_nobody_up(
    name: str, inputs: Path, tmp_path: Path
) -> None:
    line, pause_at, done, told, end = RUNS[name]
    work, printed = tmp_path / "work", tmp_path / "printed"
    work.mkdir()
    printed.mkdir()
    first = Command(line(inputs, work), printed, pause_at=pause_at)
    try:
        first.wait_until_paused()
        assert list(work.rglob(done)), contents(work).keys()
        before = contents(work)
        second = Command([*line(inputs, work), "--resume"], printed).ended()
        assert (second.status, second.output) == (1, "")
        assert f"{work}/{told}." in second.errors
        assert "Traceback" not in second.errors
        assert contents(work) == before
    finally:
        first.kill()
    assert not (work / end).exists()
    third = Command([*line(inputs, work), "--resume"], printed).ended()
    assert third.status == 0, third.errors
    assert (work / end).is_file()
    assert not list(
        work.glob("[!.]*.partial*")
    )  # a file that had no name yet when its writer was killed stays


def written_by(command: Sequence[object], folder: Path, output: Path) -> bytes:
    """Return what a command alone writes to ``output``, which is gone then."""
    ended = Command(command, folder).ended()
    assert ended.status == 0, ended.errors
    data = output.read_bytes()
    output.unlink()
    return data


def assert_one_or_the_other(first: list[object], second: list[object], folder: Path, output: Path) -> None:
    """Check that of two commands that write ``output`` at the same time one whole file is left, and nothing else."""
    printed = folder / "printed"
    printed.mkdir()
    alone = [written_by(command, printed, output) for command in (first, second)]
    assert alone[0] != alone[1]
    before = {path.name for path in output.parent.iterdir()}
    for ended in run_together(
        [first, second], printed, meet_at=1
    ):  # both have a whole file, without its name yet
        assert ended.status == 0, ended.errors
    assert output.read_bytes() in alone
    assert {path.name for path in output.parent.iterdir()} - before == {output.name}


def test_two_that_draw_one_picture_leave_one_of_the_two(inputs: Path, tmp_path: Path) -> None:
    output = tmp_path / "cells.dot"
    line = ["draw", inputs / "genotype.json", "-o", output, "--cell"]
    assert_one_or_the_other([*line, "normal"], [*line, "reduce"], tmp_path, output)


def test_two_that_make_one_store_leave_one_of_the_two(inputs: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "windows.h5"
    output.parent.mkdir()
    beds = [tmp_path / "first.bed", tmp_path / "second.bed"]
    for step, bed in enumerate(beds, start=1):
        bed.write_text("".join(f"chrI\t{at}\t{at + 90}\tpeak\n" for at in range(500, 19_000, 700 * step)))
    line = [
        "data",
        "from-bed",
        "--fasta",
        inputs / "genome.fa",
        "-o",
        output,
        "--window",
        "60",
        "--bin",
        "40",
    ]
    lines = [[*line, "--peaks", bed] for bed in beds]
    assert_one_or_the_other(lines[0], lines[1], tmp_path, output)


@pytest.mark.slow
def test_two_that_export_one_file_leave_one_of_the_two(inputs: Path, tmp_path: Path) -> None:
    output = tmp_path / "model.onnx"
    line = ["export", inputs / "model", "-o", output]
    assert_one_or_the_other(line, [*line, "--strands", "both"], tmp_path, output)


def test_of_two_that_score_into_one_table_one_wins_and_the_other_is_told(
    inputs: Path, tmp_path: Path
) -> None:
    printed, work = tmp_path / "printed", tmp_path / "work"
    printed.mkdir()
    work.mkdir()
    line = variants(inputs, work)
    alone = written_by(line, printed, work / "effects.tsv.gz")
    found = run_together([line, line], printed)
    assert sorted(ended.status for ended in found) == [0, 1]
    (loser,) = (ended.errors for ended in found if ended.status)
    assert "another process is writing this table" in loser or "exists already" in loser
    assert (work / "effects.tsv.gz").read_bytes() == alone
    assert [path.name for path in work.iterdir()] == ["effects.tsv.gz"]


def test_four_that_read_one_store_find_what_one_finds_while_a_fifth_makes_another(
    inputs: Path, tmp_path: Path
) -> None:
    printed = tmp_path / "printed"
    printed.mkdir()
    measure = ["evaluate", inputs / "model.onnx", "--data", inputs / "store.h5", "--split", "train", "--json"]
    (tmp_path / "peaks.bed").write_text(
        "".join(f"chrI\t{at}\t{at + 90}\tp\n" for at in range(500, 19_000, 700))
    )
    make = ["data", "from-bed", "--fasta", inputs / "genome.fa", "--peaks", tmp_path / "peaks.bed"]
    make += ["--window", "60", "--bin", "40", "-o"]

    def learn(name: str) -> list[object]:
        (tmp_path / name).mkdir()
        return train(inputs, tmp_path / name)

    def weights(name: str) -> bytes:
        return (tmp_path / name / "run" / "weights.safetensors").read_bytes()

    lines = [measure, learn("alone"), [*make, tmp_path / "alone.h5"]]
    alone = [Command(line, printed).ended() for line in lines]
    assert [ended.status for ended in alone] == [0, 0, 0], alone
    together = [measure, learn("one"), measure, learn("two"), [*make, tmp_path / "beside.h5"]]
    found = run_together(together, printed)
    assert [ended.status for ended in found] == [0] * 5, found
    metrics = json.loads(alone[0].output)
    assert metrics["n_windows"] == 112
    assert json.loads(found[0].output) == json.loads(found[2].output) == metrics
    assert weights("one") == weights("two") == weights("alone")
    assert (tmp_path / "beside.h5").read_bytes() == (tmp_path / "alone.h5").read_bytes()
