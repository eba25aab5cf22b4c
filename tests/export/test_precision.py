"""Files of fewer bits: what they predict, what they cost, and when they are refused."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, helper, numpy_helper

from genotools.data.store import SequenceStore
from genotools.data.strands import predict_strands
from genotools.data.write import write_store
from genotools.errors import DataError, GenotoolsError
from genotools.export import OnnxPredictor, export_onnx, onnx_file, verify_onnx
from genotools.export.comparison import Comparison, spread_rows
from genotools.export.precision import input_ranges, to_half, to_int8
from genotools.genotype import GENOME_NAS, Layer, Macro, Task
from genotools.nn import GenomeNet, build
from genotools.training import TorchPredictor

NAMES = ("start_plus", "start_minus", "ARS")


@pytest.fixture(scope="module")
def network() -> GenomeNet:
    """Return a network whose large matrices have more than 1024 numbers."""
    layers = (Layer("reduce", 4), Layer("reduce", 3))
    macro = Macro(length=60, channels=4, layers=layers, head_hidden=32)
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(4))
    network = build(genotype, macro, Task(3, names=NAMES), seed=1)
    assert network.recurrent is not None
    for weight in network.recurrent.weights:
        weight.data.mul_(8)
    network.head.hidden.weight.data.mul_(60)
    network.head.output.weight.data.mul_(4)
    return network


@pytest.fixture(scope="module")
def store(network: GenomeNet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SequenceStore]:
    """Open a store whose labels are what the network itself predicts, high or low; nothing is in between."""
    path = tmp_path_factory.mktemp("store") / "own.h5"
    codes = np.random.default_rng(0).integers(0, 4, size=(1200, 60), dtype=np.uint8)
    probs = predict_strands(TorchPredictor(network), codes).mean(axis=0)
    ranks = probs.argsort(axis=0).argsort(axis=0) / len(probs)
    clear = np.flatnonzero((np.abs(ranks - 0.5) > 0.1).all(axis=1))[:600]
    codes, labels = codes[clear], (ranks[clear] > 0.5).astype(np.uint8)
    splits = np.repeat([0, 1, 2], [200, 100, 300])
    write_store(path, codes=codes, labels=labels, names=NAMES, splits=splits, provenance={})
    with SequenceStore.open(path) as opened:
        yield opened


@pytest.fixture(scope="module")
def files(
    network: GenomeNet, store: SequenceStore, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Return a path and report for every precision."""
    folder = tmp_path_factory.mktemp("files")
    return {
        precision: (
            folder / f"{precision}.onnx",
            export_onnx(network, folder / f"{precision}.onnx", precision=precision, store=store),
        )
        for precision in ("fp32", "fp16", "int8")
    }


def count(model: ModelProto, kind: str) -> int:
    """Count nodes of a kind, those in bodies included."""
    found, graphs = 0, [model.graph]
    while graphs:
        graph = graphs.pop()
        for node in graph.node:
            found += node.op_type == kind
            graphs += [a.g for a in node.attribute if a.type == onnx.AttributeProto.GRAPH]
    return found


@pytest.mark.parametrize(("precision", "tolerance"), [("fp16", 2e-3), ("int8", 0.05)])
def test_predictions_are_close_to_the_networks(
    files: Any, network: GenomeNet, codes: NDArray[np.uint8], precision: str, tolerance: float
) -> None:
    expected = TorchPredictor(network).predict(codes)
    found = OnnxPredictor(files[precision][0]).predict(codes)
    difference = float(np.abs(found - expected).max())
    assert 1e-6 < difference < tolerance  # fewer bits were used, and not too few
    assert expected.std() > 0.05


def test_a_window_does_not_depend_on_the_windows_beside_it(files: Any, codes: NDArray[np.uint8]) -> None:
    predictor = OnnxPredictor(files["int8"][0], threads=1)
    together = predictor.predict(codes)
    alone = np.concatenate([predictor.predict(row[None]) for row in codes])
    np.testing.assert_allclose(together, alone, atol=2e-3, rtol=0)


def test_products_of_the_loop_multiply_bytes(files: Any) -> None:
    model = onnx.load(files["int8"][0])
    (scan,) = [node for node in model.graph.node if node.op_type == "Scan"]
    body = next(a.g for a in scan.attribute if a.type == onnx.AttributeProto.GRAPH)
    assert [node.op_type for node in body.node].count("QuantizeLinear") >= 2
    assert count(model, "QuantizeLinear") == count(model, "DequantizeLinear") / 2


def test_files_are_smaller(files: Any) -> None:
    sizes = {precision: report.size_bytes for precision, (_, report) in files.items()}
    assert sizes["fp16"] < sizes["fp32"]
    assert sizes["int8"] < sizes["fp32"]


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_report_says_what_fewer_bits_cost(files: Any, precision: str) -> None:
    report = files[precision][1]
    found = report.comparison
    assert (found.split, found.n_windows, found.headline) == ("test", 300, "auprc")
    assert found.before["auroc"] == pytest.approx(1)
    assert found.before["auprc"] >= found.after["auprc"] - 1e-12
    assert 0 < found.mean_difference < found.max_difference
    assert found.loss <= 0.01
    document = json.loads(json.dumps(report.to_document()))
    assert document["comparison"]["after"]["auprc"] == found.after["auprc"]
    assert files["fp32"][1].comparison is None


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_file_of_fewer_bits_is_a_model_of_its_own_that_verifies(
    files: Any, network: GenomeNet, precision: str
) -> None:
    model = OnnxPredictor(files[precision][0])
    weights = TorchPredictor(network)
    assert model.precision == precision
    assert model.weights_digest == weights.digest != model.digest
    found = verify_onnx(files[precision][0], weights)
    assert found.known_difference <= found.tolerance < 0.1
    assert found.weights_difference is not None
    assert found.weights_difference > 0


def test_equal_networks_make_equal_int8_files(
    files: Any, network: GenomeNet, store: SequenceStore, tmp_path: Path
) -> None:
    export_onnx(network, tmp_path / "again.onnx", precision="int8", store=store)
    assert (tmp_path / "again.onnx").read_bytes() == files["int8"][0].read_bytes()


def test_a_file_that_loses_too_much_is_refused_without_force(
    network: GenomeNet, store: SequenceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two levels for every weight are too few."""
    monkeypatch.setattr("genotools.export.precision.MAX_LEVEL", 1)
    with pytest.raises(
        GenotoolsError, match=r"int8 loses too much: auprc of the test windows falls"
    ) as error:
        export_onnx(network, tmp_path / "m.onnx", precision="int8", store=store)
    assert "--force keeps" in str(error.value)
    assert list(tmp_path.iterdir()) == []
    report = export_onnx(network, tmp_path / "m.onnx", precision="int8", store=store, force=True)
    assert report.comparison is not None
    assert report.comparison.loss > 0.01


def test_loss_is_a_share_of_what_was_there() -> None:
    values = {"split": "test", "n_windows": 1, "headline": "auprc", "speed": 1.0}
    values |= {"max_difference": 0.0, "mean_difference": 0.0}
    lost = Comparison(before={"auprc": 0.2}, after={"auprc": 0.19}, **values)  # type: ignore[arg-type]
    assert lost.loss == pytest.approx(0.05)
    nothing = Comparison(before={"auprc": 0.0}, after={"auprc": 0.0}, **values)  # type: ignore[arg-type]
    assert nothing.loss == 0


def test_int8_wants_a_store_of_the_networks_task(
    network: GenomeNet, store: SequenceStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(onnx_file, "to_onnx")  # refused before anything is translated
    with pytest.raises(DataError, match="int8 needs a store"):
        export_onnx(network, tmp_path / "m.onnx", precision="int8")
    other = build(network.genotype, network.macro, Task(3, names=("a", "b", "c")), seed=0)
    with pytest.raises(DataError, match=r"own\.h5.*its labels are not the network's outputs"):
        export_onnx(other, tmp_path / "m.onnx", precision="int8", store=store)


def test_rows_of_a_large_split_are_spread_over_it(store: SequenceStore) -> None:
    rows = spread_rows(store, "test", 4)
    assert rows.tolist() == [300, 399, 499, 599]
    assert len(spread_rows(store, "test", 1000)) == 300


def small_model() -> ModelProto:
    """Return the product of ``x`` ``(N, 64)`` with a matrix, plus a bias."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(64, 32)).astype(np.float32)
    matrix[:, 3] = 0
    nodes = [
        helper.make_node("MatMul", ["x", "p.weight"], ["y"]),
        helper.make_node("Add", ["y", "p.bias"], ["z"]),
    ]
    constants = [
        numpy_helper.from_array(matrix, "p.weight"),
        numpy_helper.from_array(rng.normal(size=32).astype(np.float32), "p.bias"),
    ]
    ports = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])
        for name, width in (("x", 64), ("z", 32))
    ]
    graph = helper.make_graph(nodes, "g", ports[:1], ports[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def test_levels_give_back_the_matrix_to_half_a_step() -> None:
    model = small_model()
    matrix = numpy_helper.to_array(model.graph.initializer[0])
    to_int8(model, {"p.weight": (-1.0, 3.0)})
    onnx.checker.check_model(model, full_check=True)
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    levels, scale = constants["p.weight.levels"], constants["p.weight.scale"]
    assert levels.dtype == np.int8
    assert np.abs(levels).max(axis=0).tolist() == [63 if column != 3 else 0 for column in range(32)]
    assert (np.abs(levels * scale - matrix) <= scale / 2 + 1e-7).all()
    assert constants["p.weight.x_scale"] == pytest.approx(4 / 255)
    assert constants["p.weight.x_zero"] == 64  # -1 of -1 to 3 in 256 levels
    assert "p.weight" not in constants


def test_a_matrix_without_its_product_is_an_error() -> None:
    with pytest.raises(GenotoolsError, match=r"no product with q\.weight"):
        to_int8(small_model(), {"p.weight": (0.0, 1.0), "q.weight": (0.0, 1.0)})


def test_half_keeps_small_tensors_and_names_what_does_not_fit() -> None:
    model = small_model()
    large = copy.deepcopy(model)
    to_half(model)
    onnx.checker.check_model(model, full_check=True)
    kinds = {tensor.name: tensor.data_type for tensor in model.graph.initializer}
    assert kinds == {"p.weight.half": TensorProto.FLOAT16, "p.bias": TensorProto.FLOAT}
    matrix = numpy_helper.to_array(large.graph.initializer[0]).copy()
    matrix[0, 0] = 1e6
    large.graph.initializer[0].CopyFrom(numpy_helper.from_array(matrix, "p.weight"))
    with pytest.raises(GenotoolsError, match=r"p\.weight has a weight of 1e\+06"):
        to_half(large)


def test_ranges_are_those_of_all_windows_and_hold_zero(network: GenomeNet) -> None:
    from genotools.export.deployed import deploy

    deployed = deploy(network.copy_on_cpu())
    codes = np.random.default_rng(3).integers(0, 4, size=(10, 60), dtype=np.uint8)
    together = input_ranges(deployed, codes)
    parts = [input_ranges(deployed, codes[:4]), input_ranges(deployed, codes[4:])]
    assert {"hidden.weight", "recurrent.from_input.weight"} <= set(together)
    for name, (low, high) in together.items():
        assert low <= 0 <= high
        assert low == pytest.approx(min(part[name][0] for part in parts), abs=1e-5)
        assert high == pytest.approx(max(part[name][1] for part in parts), abs=1e-5)


def test_a_weight_beyond_float16_names_its_tensor_and_leaves_no_file(
    network: GenomeNet, tmp_path: Path
) -> None:
    large = copy.deepcopy(network)
    large.head.hidden.weight.data[0, 0] = -70_000
    with pytest.raises(
        GenotoolsError, match=r"hidden\.weight has a weight of 70000, float16 ends at 65504.*fp32"
    ):
        export_onnx(large, tmp_path / "m.onnx", precision="fp16")
    large.head.hidden.weight.data[0, 0] = 65_504  # the last one
    export_onnx(large, tmp_path / "m.onnx", precision="fp16")
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


def test_a_file_that_predicts_no_numbers_names_the_largest_weight(
    network: GenomeNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def overflows(model: ModelProto) -> None:
        to_half(model)
        for tensor in model.graph.initializer:
            if tensor.name == "hidden.weight.half":
                values = numpy_helper.to_array(tensor).copy()
                values[:] = np.inf
                tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))

    monkeypatch.setattr(onnx_file, "to_half", overflows)
    largest = max(float(weight.abs().max()) for weight in network.state_dict().values())
    with pytest.raises(
        GenotoolsError,
        match=rf"fp16 file predicts values that are not finite.*largest weight is {largest:.6g}, in .*fp32",
    ):
        export_onnx(network, tmp_path / "m.onnx", precision="fp16")
    assert list(tmp_path.iterdir()) == []


def test_calibration_on_activations_that_are_not_finite_names_the_matrix(network: GenomeNet) -> None:
    from genotools.export.deployed import deploy

    broken = network.copy_on_cpu()
    broken.get_parameter("stem.conv.weight").data[0, 0, 0] = torch.inf
    codes = np.random.default_rng(3).integers(0, 4, size=(10, 60), dtype=np.uint8)
    with pytest.raises(
        GenotoolsError, match=r"the inputs of .* go from nan to nan on the calibration windows.*fp32"
    ):
        input_ranges(deploy(broken), codes)
