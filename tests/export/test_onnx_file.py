"""The written file: parity with the network, metadata, and what must not be written."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray

from genotools.data.encoding import encode
from genotools.errors import DataError, GenotoolsError, OutputExistsError
from genotools.export import OnnxPredictor, _reference, export_onnx, export_program, onnx_file
from genotools.genotype import Genotype, Macro, Task, TaskKind
from genotools.nn import GenomeNet, build
from genotools.training import TorchPredictor

TOLERANCE = 1e-5


@pytest.fixture
def no_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail where a refusal comes only after the slow part."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was translated before its faults were found")

    monkeypatch.setattr(onnx_file, "to_onnx", refuse)


@pytest.mark.parametrize("size", [1, 2, 17])
def test_file_predicts_what_the_network_predicts(exported: Any, codes: NDArray[np.uint8], size: int) -> None:
    expected = TorchPredictor(exported.network).predict(codes[:size])
    assert expected.std() > 0.05 or size == 1  # outputs that differ, so that agreement means something
    found = OnnxPredictor(exported.path).predict(codes[:size])
    np.testing.assert_allclose(found, expected, atol=TOLERANCE, rtol=0)


def test_small_probabilities_have_as_many_right_digits(
    make_network: Callable[..., GenomeNet], codes: NDArray[np.uint8], tmp_path: Path
) -> None:
    network = make_network(0)
    network.head.output.bias.data -= 11
    export_onnx(network, tmp_path / "model.onnx")
    expected = TorchPredictor(network).predict(codes)
    assert 0 < expected.max() < 5e-5
    found = OnnxPredictor(tmp_path / "model.onnx").predict(codes)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize(
    ("seed", "length", "kind"),
    [
        (1, 61, TaskKind.MULTICLASS),
        pytest.param(2, 60, TaskKind.REGRESSION, marks=pytest.mark.slow),  # without recurrent cell
        pytest.param(3, 1, TaskKind.COUNTS, marks=pytest.mark.slow),
        pytest.param(4, 7, TaskKind.MULTILABEL, marks=pytest.mark.slow),
    ],
)
def test_every_kind_and_length_is_exported(
    make_network: Callable[..., GenomeNet],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    seed: int,
    length: int,
    kind: TaskKind,
) -> None:
    network = make_network(seed, length=length, kind=kind)
    report = export_onnx(network, tmp_path / "m.onnx")
    assert capfd.readouterr() == ("", "")  # PyTorch's exporter is a talker
    assert set(report.differences) == {1, 3, 17}
    assert report.max_difference <= TOLERANCE
    codes = np.random.default_rng(seed).integers(0, 5, size=(5, length), dtype=np.uint8)
    expected = TorchPredictor(network).predict(codes)
    predictor = OnnxPredictor(tmp_path / "m.onnx", threads=1, batch_size=2)
    np.testing.assert_allclose(predictor.predict(codes), expected, atol=TOLERANCE, rtol=TOLERANCE)
    assert predictor.variant_index == (length - 1) // 2


@pytest.mark.slow
def test_equal_networks_make_equal_files(exported: Any, tmp_path: Path) -> None:
    """Whatever the process has translated before: PyTorch's numbering goes on from there."""
    export_program(exported.network, tmp_path / "m.pt2")
    export_onnx(exported.network, tmp_path / "again.onnx", card=dict(OnnxPredictor(exported.path).card or {}))
    assert (tmp_path / "again.onnx").read_bytes() == exported.path.read_bytes()


def test_network_is_left_as_it_was(exported: Any) -> None:
    assert exported.network.training
    assert all(parameter.requires_grad for parameter in exported.network.parameters())


def test_file_is_valid_onnx_with_free_batch_axis(exported: Any) -> None:
    onnx.checker.check_model(str(exported.path), full_check=True)
    graph = onnx.load(exported.path).graph
    (source,), (target,) = graph.input, graph.output
    shapes = [
        [dim.dim_param or dim.dim_value for dim in port.type.tensor_type.shape.dim]
        for port in (source, target)
    ]
    assert (source.name, target.name) == ("sequence", "probability")
    assert shapes == [["N", 60], ["N", 3]]
    assert source.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    kinds = [node.op_type for node in graph.node]
    assert kinds.count("Scan") == 1
    assert not {"BatchNormalization", "Dropout"} & set(kinds)


def test_genotype_of_the_file_has_the_same_digest(exported: Any) -> None:
    properties = {entry.key: entry.value for entry in onnx.load(exported.path).metadata_props}
    genotype = Genotype.from_json(properties["genotype"])
    assert genotype.digest == properties["digest"] == exported.network.genotype.digest
    assert properties["channel_order"] == "ACGT"
    assert properties["torch_version"] == torch.__version__
    assert float(properties["max_difference"]) == exported.report.max_difference
    assert Macro.from_document(json.loads(properties["macro"])) == exported.network.macro
    assert Task.from_document(json.loads(properties["task"])) == exported.network.task


def test_known_answers_are_the_networks(exported: Any) -> None:
    answers = json.loads(OnnxPredictor(exported.path).metadata["known_answers"])
    windows = np.stack([encode(window) for window in answers["windows"]])
    assert windows.shape == (3, 60)
    expected = TorchPredictor(exported.network).predict(windows)
    np.testing.assert_allclose(answers["outputs"], expected, atol=answers["tolerance"])


def test_file_says_nothing_of_the_machine_it_was_made_on(exported: Any, root: Path) -> None:
    data = exported.path.read_bytes()
    for trace in (str(root), "site-packages", "stack_trace", ".py"):
        assert trace.encode() not in data, trace


def test_report_is_json(exported: Any) -> None:
    document = json.loads(json.dumps(exported.report.to_document()))
    assert document["size_bytes"] == exported.path.stat().st_size
    assert set(document["differences"]) == {"1", "3", "17"}
    assert document["max_difference"] == exported.report.max_difference
    assert document["opset"] >= 18


def test_file_that_differs_from_its_network_is_not_kept(
    exported: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shifted(*arguments: Any) -> Any:
        return expected(*arguments) + np.float32(1e-3)

    expected = _reference.expected_outputs
    monkeypatch.setattr(onnx_file, "expected_outputs", shifted)
    monkeypatch.setattr(onnx_file, "to_onnx", lambda *_, **__: onnx.load(exported.path))
    with pytest.raises(GenotoolsError, match=r"does not predict what the network does.*0\.001 at 1") as error:
        export_onnx(exported.network, tmp_path / "wrong.onnx")
    assert "Nothing was written" in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_translation")
def test_existing_file_is_kept(exported: Any) -> None:
    with pytest.raises(OutputExistsError, match=r"model\.onnx exists"):
        export_onnx(exported.network, exported.path)


@pytest.mark.usefixtures("no_translation")
def test_other_suffix_is_refused(exported: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"end in \.onnx"):
        export_onnx(exported.network, tmp_path / "model.pt")


@pytest.mark.usefixtures("no_translation")
def test_card_that_is_no_json_is_refused(exported: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="card holds what JSON cannot"):
        export_onnx(exported.network, tmp_path / "m.onnx", card={"auroc": float("nan")})


@pytest.mark.usefixtures("no_translation")
def test_one_batch_size_is_not_enough(exported: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="two different positive numbers"):
        export_onnx(exported.network, tmp_path / "m.onnx", batch_sizes=(3, 3))


@pytest.mark.usefixtures("no_translation")
def test_broken_weights_are_refused(make_network: Callable[..., GenomeNet], tmp_path: Path) -> None:
    network = make_network(0)
    with torch.no_grad():
        network.head.output.bias[1] = torch.nan
    with pytest.raises(DataError, match="not finite"):
        export_onnx(network, tmp_path / "m.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_translation")
def test_network_per_position_is_refused(exported: Any, tmp_path: Path) -> None:
    network = build(exported.network.genotype, exported.network.macro, Task(2, per_position=True), seed=0)
    with pytest.raises(DataError, match="per position"):
        export_onnx(network, tmp_path / "m.onnx")
