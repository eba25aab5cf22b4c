"""The command, with the loading of models replaced: which kinds of models there are is not its business."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from genotools.cli.main import app as main_app
from genotools.cli.variants import variants
from genotools.errors import OutputExistsError
from genotools.variants import score_to_file


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, model: Any) -> Callable[..., Any]:
    fake = SimpleNamespace(load_predictor=lambda name, *, device, batch_size: model)
    monkeypatch.setitem(sys.modules, "genotools.cli._models", fake)
    app = typer.Typer()
    app.command()(variants)

    def invoke(*arguments: object, **options: Any) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments], **options)

    return invoke


@pytest.fixture
def vcf(genome_text: dict[str, str], write_vcf: Callable[..., Path]) -> Path:
    text = genome_text["chr1"]
    return write_vcf([("chr1", p, ".", text[p - 1], "A,C,G,T") for p in range(20, 60)])


def test_command_writes_what_the_library_writes(
    run: Callable[..., Any], model: Any, vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    output = tmp_path / "command.tsv"
    options = ("--scores", "diff, effect", "--strands", "forward", "--features", "0-1", "--batch-size", 9)
    result = run("zoo-name", "--vcf", vcf, "--fasta", fasta_path, "-o", output, *options)
    assert result.exit_code == 0, result.stderr
    score_to_file(
        model,
        vcf,
        fasta_path,
        tmp_path / "library.tsv",
        scores=("diff", "effect"),
        strands="forward",
        features="0-1",
    )
    assert output.read_text() == (tmp_path / "library.tsv").read_text()
    assert result.stdout == ""
    assert "same_as_ref" in result.stderr
    assert "160 ALTs of 40 records" in result.stderr


def test_json_goes_to_stdout(run: Callable[..., Any], vcf: Path, fasta_path: Path, tmp_path: Path) -> None:
    result = run(
        "m", "--vcf", vcf, "--fasta", fasta_path, "-o", tmp_path / "s.tsv.gz", "--json", "--summary-only"
    )
    summary = json.loads(result.stdout)
    assert summary["n_variants"] == 160
    assert summary["statuses"]["ok"] == 120
    assert summary["statuses"]["same_as_ref"] == 40
    assert summary["genome_build_looks_wrong"] is False


def test_variants_come_from_standard_input(
    run: Callable[..., Any], vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    run("m", "--vcf", vcf, "--fasta", fasta_path, "-o", tmp_path / "file.tsv")
    result = run(
        "m", "--vcf", "-", "--fasta", fasta_path, "-o", tmp_path / "pipe.tsv", input=vcf.read_bytes()
    )
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "pipe.tsv").read_bytes() == (tmp_path / "file.tsv").read_bytes()


def test_wrong_genome_build_is_said_loudly(
    run: Callable[..., Any],
    write_vcf: Callable[..., Path],
    genome_text: dict[str, str],
    fasta_path: Path,
    tmp_path: Path,
) -> None:
    text = genome_text["chr1"]
    shifted = write_vcf(
        [("chr1", p + 1, ".", text[p - 1], "<DEL>" if p % 3 else "A") for p in range(20, 290)]
    )
    result = run("m", "--vcf", shifted, "--fasta", fasta_path, "-o", tmp_path / "s.tsv")
    assert result.exit_code == 0
    assert "genome build looks wrong" in " ".join(result.stderr.split())


def test_existing_output_is_refused_before_the_model_is_loaded(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    (tmp_path / "s.tsv").write_text("mine")
    monkeypatch.setitem(sys.modules, "genotools.cli._models", SimpleNamespace(load_predictor=None))
    result = run("m", "--vcf", vcf, "--fasta", fasta_path, "-o", tmp_path / "s.tsv")
    assert isinstance(result.exception, OutputExistsError)


@pytest.fixture
def whole_app(monkeypatch: pytest.MonkeyPatch, model: Any) -> Callable[..., Any]:
    fake = SimpleNamespace(load_predictor=lambda name, *, device, batch_size: model)
    monkeypatch.setitem(sys.modules, "genotools.cli._models", fake)
    return lambda *words: CliRunner().invoke(main_app, ["variants", *map(str, words)])


def test_a_background_is_made_and_used(
    whole_app: Callable[..., Any], vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    given = ("--vcf", vcf, "--fasta", fasta_path)
    made = whole_app("background", "m", *given, "-o", tmp_path / "b.h5", "-n", 100)
    assert made.exit_code == 0, made.output
    (tmp_path / "chosen.txt").write_text("# two outputs\noutput0\n\n2\n")
    options = (
        "--background",
        tmp_path / "b.h5",
        "--scores",
        "evalue,zscore",
        "--features",
        f"@{tmp_path}/chosen.txt",
    )
    done = whole_app("m", *given, "-o", tmp_path / "s.tsv", *options)
    assert done.exit_code == 0, done.output
    lines = [line.split("\t") for line in (tmp_path / "s.tsv").read_text().splitlines() if line[:2] != "##"]
    assert lines[0][-4:] == ["evalue:output0", "evalue:output2", "zscore:output0", "zscore:output2"]
    evalues = [float(line[-4]) for line in lines[1:] if line[-4] != "NA"]
    assert len(evalues) == 120
    assert 0 < min(evalues) < 0.05
    assert max(evalues) > 0.9


def test_options_may_stand_before_the_model(
    whole_app: Callable[..., Any], vcf: Path, fasta_path: Path, tmp_path: Path
) -> None:
    done = whole_app("--vcf", vcf, "--fasta", fasta_path, "-o", tmp_path / "s.tsv", "m", "--top-k", 1)
    assert done.exit_code == 0, done.output
    assert "top1" in (tmp_path / "s.tsv").read_text()


def test_a_background_without_a_model_is_a_usage_error(whole_app: Callable[..., Any]) -> None:
    assert whole_app("background").exit_code == 2
    assert whole_app().exit_code == 2
