"""The predictor without PyTorch: what it says of a file, and what it says of a bad one."""

import subprocess
import sys
import textwrap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from genotools.errors import DataError
from genotools.export.runtime import OnnxPredictor, sealed
from genotools.predictor import Predictor
from genotools.training import TorchPredictor

TWO_OUTPUTS = '{"kind": "multilabel", "n_outputs": 2, "names": ["a", "b"], "per_position": false}'


@pytest.fixture(scope="module")
def predictor(exported: Any) -> OnnxPredictor:
    return OnnxPredictor(exported.path, threads=1, batch_size=4)


def resealed(path: Path, target: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    """Write a changed copy whose SHA-256 is right."""
    model = onnx.load(path)
    properties = [entry for entry in model.metadata_props if entry.key != "sha256"]
    del model.metadata_props[:]
    model.metadata_props.extend(properties)
    change(model)
    target.write_bytes(sealed(model.SerializeToString()))
    return target


def set_property(key: str, value: str | None) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        for index, entry in enumerate(model.metadata_props):
            if entry.key == key:
                if value is None:
                    del model.metadata_props[index]
                else:
                    entry.value = value
                return

    return change


def test_predictor_knows_what_the_network_knew(predictor: OnnxPredictor, exported: Any) -> None:
    network, torch_predictor = exported.network, TorchPredictor(exported.network)
    assert isinstance(predictor, Predictor)
    assert predictor.digest == torch_predictor.digest == exported.report.digest
    assert predictor.names == torch_predictor.names == ("start_plus", "start_minus", "ARS")
    assert (predictor.genotype, predictor.task, predictor.macro) == (
        network.genotype,
        network.task,
        network.macro,
    )
    assert (predictor.length, predictor.variant_index) == (60, 29)
    assert predictor.card == {"summary": "for tests", "metrics": {"auroc": 0.75}}
    assert predictor.max_difference == exported.report.max_difference < 1e-5


def test_numbering_of_the_genotype_is_kept(predictor: OnnxPredictor, exported: Any) -> None:
    assert predictor.genotype.to_json() == exported.network.genotype.to_json()


def test_rows_do_not_depend_on_their_batch(predictor: OnnxPredictor, codes: NDArray[np.uint8]) -> None:
    together = predictor.predict(codes)
    alone = np.concatenate([predictor.predict(row[None]) for row in codes])
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_no_windows_give_no_rows(predictor: OnnxPredictor) -> None:
    found = predictor.predict(np.empty((0, 60), dtype=np.uint8))
    assert found.shape == (0, 3)
    assert found.dtype == np.float32


@pytest.mark.parametrize(
    "codes",
    [
        np.zeros((2, 61), dtype=np.uint8),
        np.zeros((2, 60), dtype=np.int64),
        np.zeros(60, dtype=np.uint8),
        np.zeros((2, 4, 60), dtype=np.uint8),
    ],
)
def test_other_shapes_and_types_are_refused(predictor: OnnxPredictor, codes: NDArray[Any]) -> None:
    with pytest.raises(ValueError, match=r"uint8 codes of shape \(N, 60\)"):
        predictor.predict(codes)


def test_threads_share_a_predictor(predictor: OnnxPredictor, codes: NDArray[np.uint8]) -> None:
    expected = predictor.predict(codes)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(predictor.predict, [codes] * 16):
            np.testing.assert_array_equal(found, expected)


def test_predicts_where_torch_and_onnx_cannot_be_imported(
    exported: Any, codes: NDArray[np.uint8], tmp_path: Path
) -> None:
    np.save(tmp_path / "codes.npy", codes)
    program = """
        import sys

        class Forbidden:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in ("torch", "onnx", "onnxscript", "safetensors"):
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Forbidden())
        import numpy as np
        from genotools.cli._models import load_predictor
        from genotools.export import predict_fasta

        model, folder = sys.argv[1:]
        predictor = load_predictor(model)
        np.save(f"{folder}/probs.npy", predictor.predict(np.load(f"{folder}/codes.npy")))
        with open(f"{folder}/s.fa", "w") as file:
            file.write(">one\\n" + "ACGT" * 15 + "\\n")
        print(predict_fasta(predictor, f"{folder}/s.fa", f"{folder}/s.tsv").n_windows)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(exported.path), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert (result.stdout, result.stderr) == ("1\n", "")
    expected = TorchPredictor(exported.network).predict(codes)
    np.testing.assert_allclose(np.load(tmp_path / "probs.npy"), expected, atol=1e-5)


def test_file_saved_again_by_onnx_is_still_whole(exported: Any, tmp_path: Path) -> None:
    onnx.save(onnx.load(exported.path), tmp_path / "again.onnx")
    assert OnnxPredictor(tmp_path / "again.onnx").digest == exported.report.digest


def test_flipped_byte_is_found_wherever_it_is(exported: Any, tmp_path: Path) -> None:
    data, path = exported.path.read_bytes(), tmp_path / "flipped.onnx"
    for place in [0, *np.linspace(1, len(data) - 2, 12, dtype=int).tolist(), len(data) - 80, len(data) - 1]:
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(DataError, match=r"flipped\.onnx: .*(damaged|not one of genotools)"):
            OnnxPredictor(path)


@pytest.mark.parametrize("share", [0, 0.3, 0.999])
def test_cut_file_is_refused(exported: Any, tmp_path: Path, share: float) -> None:
    data, path = exported.path.read_bytes(), tmp_path / "cut.onnx"
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(DataError, match=r"cut\.onnx: .*damaged"):
        OnnxPredictor(path)


def test_foreign_onnx_is_named_as_such(tmp_path: Path) -> None:
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ports[:1], ports[1:])
    onnx.save(
        helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)]),
        tmp_path / "foreign.onnx",
    )
    with pytest.raises(DataError, match=r"foreign\.onnx: an ONNX file, but not one of genotools"):
        OnnxPredictor(tmp_path / "foreign.onnx")


def test_other_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text(">chr1\nACGT\n")
    with pytest.raises(DataError, match=r"text\.onnx: no ONNX file"):
        OnnxPredictor(tmp_path / "text.onnx")


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.onnx: No such file"):
        OnnxPredictor(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("format", "other", "format: 'genotools/onnx' is expected, found 'other'"),
        ("version", "2", "version: 2 is newer than this genotools reads"),
        ("model_digest", None, "model_digest is missing"),
        ("variant_index", "-1", "variant_index is '-1'"),
        ("max_difference", "small", "max_difference is 'small'"),
        ("genotype", "{", "genotype: not valid JSON"),
        ("digest", "0" * 64, "digest: what is described has"),
        ("precision", "fp8", "precision is 'fp8', it must be fp32 or fp16 or int8"),
        ("strands", "none", "strands is 'none', it must be forward or both"),
        ("macro", "[]", "macro"),
        ("task", TWO_OUTPUTS, "the graph has"),
    ],
)
def test_metadata_that_do_not_fit_are_refused(
    exported: Any, tmp_path: Path, key: str, value: str | None, message: str
) -> None:
    path = resealed(exported.path, tmp_path / "m.onnx", set_property(key, value))
    with pytest.raises(DataError, match=message) as error:
        OnnxPredictor(path)
    assert str(error.value).startswith(str(path))


def test_file_that_onnxruntime_cannot_run_says_so(exported: Any, tmp_path: Path) -> None:
    def from_the_future(model: onnx.ModelProto) -> None:
        model.opset_import[0].version = 900

    path = resealed(exported.path, tmp_path / "m.onnx", from_the_future)
    with pytest.raises(DataError, match="Update onnxruntime"):
        OnnxPredictor(path)


def test_fixed_batch_axis_is_refused(exported: Any, tmp_path: Path) -> None:
    def fix(model: onnx.ModelProto) -> None:
        for port in (model.graph.input[0], model.graph.output[0]):
            port.type.tensor_type.shape.dim[0].dim_value = 1

    path = resealed(exported.path, tmp_path / "m.onnx", fix)
    with pytest.raises(DataError, match="behind a free N"):
        OnnxPredictor(path)


def test_metadata_that_are_not_text_are_told(exported: Any, tmp_path: Path) -> None:
    data = exported.path.read_bytes()
    at = data.index(b"genotools_version") + 3
    (tmp_path / "m.onnx").write_bytes(data[:at] + b"\xe4" + data[at + 1 :])
    with pytest.raises(DataError, match=r"m\.onnx: its metadata is not text"):
        OnnxPredictor(tmp_path / "m.onnx")
