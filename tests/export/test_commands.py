"""The commands ``export`` and ``predict``, and what they take for a model."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
import typer
from typer.testing import CliRunner

from genotools.cli._models import load_card, load_predictor, load_trained_network
from genotools.cli.draw import draw
from genotools.cli.export import export, verify
from genotools.cli.info import hash_, info
from genotools.cli.predict import predict
from genotools.data.strands import default_strands
from genotools.errors import DataError, OutputExistsError
from genotools.export import OnnxPredictor, onnx_file, predict_bed, predict_fasta
from genotools.export.runtime import sealed
from genotools.training import TorchPredictor, save_weights
from genotools.training.weights import load_network, model_digest
from genotools.zoo import add_entry

Run = Callable[..., Any]


@pytest.fixture
def run() -> Run:
    app = typer.Typer()
    app.command()(export)
    app.command()(predict)
    app.command()(verify)
    app.command()(info)
    app.command("hash")(hash_)
    app.command()(draw)

    def invoke(*arguments: object) -> Any:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture(scope="module")
def training(exported: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder like that of a finished training."""
    folder = tmp_path_factory.mktemp("training")
    save_weights(folder / "weights.safetensors", exported.network)
    (folder / "genotype.json").write_text(exported.network.genotype.to_json())
    config = {"format": "genotools/training", "version": 1, "data": {"digest": "f" * 64}}
    (folder / "config.json").write_text(json.dumps(config))
    result = {"format": "genotools/training-result", "version": 1, "n_params": 7}
    (folder / "result.json").write_text(json.dumps({**result, "test": {"mean_auroc": 0.75, "labels": []}}))
    return folder


@pytest.fixture(autouse=True)
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty zoo of one's own."""
    folder = tmp_path / "zoo"
    monkeypatch.setenv("GENOTOOLS_ZOO", str(folder))
    return folder


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    path = tmp_path / "s.fa"
    path.write_text(">a\n" + "ACGTG" * 12 + "\n>b\n" + "TTGAC" * 20 + "\n")
    return path


def test_export_writes_a_checked_file_and_says_so(
    run: Run, training: Path, exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The slow part is tested elsewhere; the network is the same.
    monkeypatch.setattr(onnx_file, "to_onnx", lambda *_, **__: onnx.load(exported.path))
    output = tmp_path / "m.onnx"
    result = run("export", training, "-o", output)
    assert result.exit_code == 0, result.output
    predictor = OnnxPredictor(output)
    assert predictor.digest == model_digest(load_trained_network(str(training)))
    assert predictor.card == {
        "data": {"digest": "f" * 64},
        "metrics": {"params": 7, "test": {"mean_auroc": 0.75}},
    }
    for part in (predictor.digest, "opset", "MB", "at 1 window\n", "at 3 windows", "at 17 windows"):
        assert part in result.stdout
    assert "genotools predict" in result.stderr


@pytest.mark.slow
def test_export_as_json(run: Run, training: Path, tmp_path: Path) -> None:
    result = run("export", training, "-o", tmp_path / "m.onnx", "--json")
    document = json.loads(result.stdout)
    assert document["path"] == str(tmp_path / "m.onnx")
    assert document["max_difference"] < 1e-5


def test_export_keeps_an_existing_file(run: Run, training: Path, exported: Any) -> None:
    before = exported.path.read_bytes()
    result = run("export", training, "-o", exported.path)
    assert isinstance(result.exception, OutputExistsError)
    assert exported.path.read_bytes() == before


def test_export_of_an_onnx_file_is_refused(run: Run, exported: Any, tmp_path: Path) -> None:
    result = run("export", exported.path, "-o", tmp_path / "m.onnx")
    assert isinstance(result.exception, DataError)
    assert "an ONNX file already" in str(result.exception)


def test_predict_writes_what_the_library_writes(
    run: Run, exported: Any, sequences: Path, tmp_path: Path
) -> None:
    output = tmp_path / "p.tsv"
    result = run("predict", exported.path, sequences, "-o", output, "--strands", "forward", "--batch-size", 1)
    assert result.exit_code == 0, result.output
    predict_fasta(OnnxPredictor(exported.path), sequences, tmp_path / "library.tsv", strands="forward")
    assert output.read_text() == (tmp_path / "library.tsv").read_text()
    assert result.stdout == ""
    assert "2 windows" in result.stderr
    assert "1 cropped" in result.stderr


def test_predict_of_regions(run: Run, exported: Any, sequences: Path, tmp_path: Path) -> None:
    bed = tmp_path / "r.bed"
    bed.write_text("b\t10\t20\n")
    result = run(
        "predict", exported.path, "--bed", bed, "--fasta", sequences, "-o", tmp_path / "p.tsv", "--json"
    )
    assert json.loads(result.stdout) == {
        "output": str(tmp_path / "p.tsv"),
        "n_windows": 1,
        "n_cropped": 0,
        "n_padded": 1,
        "n_blank": 0,
    }
    predict_bed(OnnxPredictor(exported.path), bed, sequences, tmp_path / "library.tsv")
    assert (tmp_path / "p.tsv").read_text() == (tmp_path / "library.tsv").read_text()


@pytest.mark.parametrize(
    "options",
    [(), ("s.fa", "--bed", "r.bed", "--fasta", "g.fa"), ("--bed", "r.bed"), ("s.fa", "--fasta", "g.fa")],
)
def test_predict_wants_either_sequences_or_regions(
    run: Run, tmp_path: Path, options: tuple[str, ...]
) -> None:
    result = run("predict", "m.onnx", *options, "-o", tmp_path / "p.tsv")
    assert result.exit_code == 2
    assert "either SEQS.fa, or --bed with" in " ".join(result.stderr.replace("│", " ").split())


def test_predict_checks_its_output_before_it_loads_the_model(
    run: Run, sequences: Path, tmp_path: Path
) -> None:
    result = run("predict", "none.onnx", sequences, "-o", tmp_path / "p.csv")
    assert "written as .tsv" in str(result.exception)


def test_predict_says_when_windows_are_blank(run: Run, exported: Any, tmp_path: Path) -> None:
    (tmp_path / "n.fa").write_text(">n\nNNNN\n")
    result = run("predict", exported.path, tmp_path / "n.fa", "-o", tmp_path / "p.tsv")
    assert "1 windows hold no known base" in " ".join(result.stderr.split())


def test_training_folder_is_a_model(training: Path, exported: Any) -> None:
    predictor = load_predictor(str(training), device="cpu")
    assert isinstance(predictor, TorchPredictor)
    assert predictor.digest == exported.report.digest


def test_zoo_entry_is_a_model_by_its_name(training: Path, exported: Any, zoo: Path) -> None:
    from genotools.zoo import add_entry

    add_entry("mine", training, summary="for tests", origin="tests")
    assert load_predictor("mine", device="cpu").digest == exported.report.digest
    card = load_card("mine")
    assert card is not None
    assert card["name"] == "mine"
    (zoo / "mine" / "model.onnx").write_bytes(exported.path.read_bytes())
    assert isinstance(load_predictor("mine"), OnnxPredictor)


@pytest.mark.parametrize("load", [load_predictor, load_trained_network])
def test_zoo_entry_without_weights_says_how_to_train_it(load: Callable[[str], object]) -> None:
    with pytest.raises(
        DataError, match=r"cover-all-ops: a genotype only, without weights.*genotools train cover-all-ops"
    ):
        load("cover-all-ops")


def test_unfinished_training_says_so(tmp_path: Path) -> None:
    (tmp_path / "genotype.json").write_text("{}")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match=r"no weights\.safetensors in this folder.*--resume"):
        load_predictor(str(tmp_path))


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(DataError, match=r"no model in this folder"):
        load_predictor(str(tmp_path))
    with pytest.raises(DataError, match=r"notes\.txt: no model\. A model is a training folder"):
        load_predictor(str(tmp_path / "notes.txt"))
    with pytest.raises(DataError, match=r"nowhere: no such file or folder"):
        load_predictor(str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="Did you mean 'dense-heavy'"):
        load_predictor("dense-heavi")
    with pytest.raises(DataError, match=r"m\.onnx: No such file"):
        load_predictor(str(tmp_path / "m.onnx"))


def test_onnx_does_not_run_on_cuda(exported: Any) -> None:
    with pytest.raises(DataError, match="run on the CPU, not on 'cuda'"):
        load_predictor(str(exported.path), device="cuda")


def test_an_onnx_file_of_other_weights_is_not_run_for_them(
    training: Path, exported: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "retrained"
    shutil.copytree(training, folder)
    shutil.copyfile(exported.path, folder / "model.onnx")
    assert load_predictor(str(folder)).digest == exported.report.digest
    network = load_network(folder / "weights.safetensors")
    with torch.no_grad():
        network.get_parameter("head.output.bias").add_(1)
    save_weights(folder / "weights.safetensors", network)
    with pytest.raises(DataError, match=r"model\.onnx was exported from other weights .* Export it again"):
        load_predictor(str(folder))
    with pytest.raises(DataError, match="exported from other weights"):
        add_entry("stale", folder, summary="", origin="")


def test_the_file_alone_says_what_it_is(run: Run, exported: Any, tmp_path: Path) -> None:
    told = run("info", exported.path)
    assert told.exit_code == 0, told.output
    for text in (exported.network.genotype.digest, exported.report.digest, "start_plus", "for tests"):
        assert text in told.stdout
    document = json.loads(run("info", exported.path, "--json").stdout)
    assert document["task"] == exported.network.task.to_document()
    assert document["macro"] == exported.network.macro.to_document()
    assert document["params"] == sum(parameter.numel() for parameter in exported.network.parameters())
    assert exported.network.genotype.digest in run("hash", exported.path).stdout
    drawn = run("draw", exported.path, "-o", tmp_path / "g.md")
    assert drawn.exit_code == 0, drawn.output
    assert (tmp_path / "g.md").read_text().strip()


def test_a_file_is_verified_alone_and_beside_its_weights(run: Run, exported: Any, training: Path) -> None:
    alone = run("verify", exported.path)
    assert alone.exit_code == 0, alone.output
    assert "3 windows" in alone.stdout
    document = json.loads(run("verify", exported.path, "--weights", training, "--json").stdout)
    assert document["known_difference"] <= document["tolerance"] == 1e-5
    assert document["weights_difference"] <= 1e-5


def test_a_file_of_other_weights_is_told(run: Run, exported: Any, make_network: Any, tmp_path: Path) -> None:
    save_weights(tmp_path / "weights.safetensors", make_network(1))
    done = run("verify", exported.path, "--weights", tmp_path)
    assert isinstance(done.exception, DataError)
    assert "exported from other weights" in str(done.exception)


def test_answers_that_are_not_the_files_are_told(run: Run, exported: Any, tmp_path: Path) -> None:
    model = onnx.load(str(exported.path))
    for entry in model.metadata_props:
        if entry.key == "known_answers":
            answers = json.loads(entry.value)
            answers["outputs"][0][0] += 0.01
            entry.value = json.dumps(answers)
    changed = tmp_path / "changed.onnx"
    changed.write_bytes(sealed(model.SerializeToString()))
    done = run("verify", changed)
    assert "differs from its known answers by 0.01" in str(done.exception)


def test_a_program_is_written_for_those_who_stay_with_pytorch(
    run: Run, training: Path, exported: Any, tmp_path: Path
) -> None:
    done = run("export", training, "-o", tmp_path / "m.pt2", "--strands", "both", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["digest"] == exported.report.digest
    assert document["strands"] == "both"
    refused = run("export", training, "-o", tmp_path / "n.pt2", "--precision", "int8")
    assert "are for .onnx files" in str(refused.exception)


def test_int8_without_a_store_says_what_it_needs(run: Run, training: Path, tmp_path: Path) -> None:
    done = run("export", training, "-o", tmp_path / "m.onnx", "--precision", "int8")
    assert "int8 needs a store" in str(done.exception)
    assert not (tmp_path / "m.onnx").exists()


def test_a_file_that_averages_strands_is_predicted_with_once(
    run: Run, training: Path, sequences: Path, tmp_path: Path
) -> None:
    done = run("export", training, "-o", tmp_path / "both.onnx", "--strands", "both")
    assert done.exit_code == 0, done.output
    model = OnnxPredictor(tmp_path / "both.onnx")
    assert default_strands(model) == "forward"
    assert model.digest != model.weights_digest
    run("predict", tmp_path / "both.onnx", sequences, "-o", tmp_path / "inside.tsv")
    run("predict", training, sequences, "-o", tmp_path / "outside.tsv")
    inside, outside = (
        [line.split("\t") for line in (tmp_path / name).read_text().splitlines() if line[0] != "#"]
        for name in ("inside.tsv", "outside.tsv")
    )
    assert inside[0] == outside[0]
    first = inside[0].index("start_plus")
    for ours, theirs in zip(inside[1:], outside[1:], strict=True):
        assert [float(x) for x in ours[first:]] == pytest.approx([float(x) for x in theirs[first:]], abs=1e-5)
    assert "averaged inside the model" in (tmp_path / "inside.tsv").read_text()
