"""Names of hand-designed networks, and the document that stands for one."""

import hashlib
import json
from pathlib import Path

import pytest

from genotools.errors import DataError, OutputExistsError
from genotools.genotype import BaselineName
from genotools.genotype.baselines import BASELINE_NAMES


def test_there_are_four() -> None:
    assert BASELINE_NAMES == ("deepsea", "danq", "ncnet-rr", "ncnet-brr")


@pytest.mark.parametrize("name", list(BaselineName))
def test_a_saved_name_is_read_again(name: BaselineName, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    name.save(path)
    assert json.loads(path.read_text()) == {"format": "genotools/baseline", "version": 1, "name": str(name)}
    assert BaselineName.load(path) is name
    text = f'{{"format":"genotools/baseline","name":"{name}","version":1}}'
    assert name.digest == hashlib.sha256(text.encode()).hexdigest()
    assert ("Nature Methods" in name.reference) is (name == "deepsea")


def test_a_file_is_replaced_only_with_force(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    BaselineName.DANQ.save(path)
    with pytest.raises(OutputExistsError, match=r"baseline\.json exists"):
        BaselineName.DEEPSEA.save(path)
    assert BaselineName.load(path) is BaselineName.DANQ
    BaselineName.DEEPSEA.save(path, force=True)
    assert BaselineName.load(path) is BaselineName.DEEPSEA


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "genotools/genotype"}, r"b\.json: format: 'genotools/baseline' is expected"),
        ({"version": 2}, r"b\.json: .*newer"),
        ({"name": "resnet"}, r"b\.json: name: .*'deepsea', 'danq', 'ncnet-rr' or 'ncnet-brr'"),
        ({"length": 1000}, r"b\.json: length"),
    ],
)
def test_another_document_is_refused_with_its_key(
    changes: dict[str, object], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "b.json"
    path.write_text(json.dumps({**BaselineName.DANQ.to_document(), **changes}))
    with pytest.raises(DataError, match=message):
        BaselineName.load(path)


def test_a_text_is_a_name_or_refused_with_those_there_are() -> None:
    assert BaselineName.named("danq", where="m.onnx") is BaselineName.DANQ
    known = "danq, deepsea, ncnet-brr, ncnet-rr"
    with pytest.raises(
        DataError, match=rf"^m\.onnx: 'x{{60}}' is no hand-designed network. Known: {known}\.$"
    ):
        BaselineName.named("x" * 61, where="m.onnx")
