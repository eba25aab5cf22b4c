"""PyTorch programs: what they predict when they are loaded, and what they say."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genotools.errors import DataError, GenotoolsError, OutputExistsError
from genotools.export import export_program, program
from genotools.genotype import Genotype
from genotools.nn import GenomeNet
from genotools.training import TorchPredictor


@pytest.fixture(scope="module")
def written(
    make_network: Callable[..., GenomeNet], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Any]:
    network = make_network(0)
    path = tmp_path_factory.mktemp("program") / "model.pt2"
    return network, export_program(network, path, card={"summary": "for tests"})


@pytest.mark.parametrize("size", [1, 5, 17])
def test_program_predicts_what_the_network_predicts(
    written: tuple[GenomeNet, Any], codes: NDArray[np.uint8], size: int
) -> None:
    network, report = written
    run = torch.export.load(report.path).module()
    found = run(torch.from_numpy(codes[:size])).detach().numpy()
    np.testing.assert_allclose(found, TorchPredictor(network).predict(codes[:size]), atol=1e-5, rtol=0)


def test_program_says_what_it_is_and_nothing_of_the_machine(
    written: tuple[GenomeNet, Any], root: Path
) -> None:
    network, report = written
    extra = {"genotools.json": ""}
    torch.export.load(report.path, extra_files=extra)
    metadata = json.loads(extra["genotools.json"])
    assert Genotype.from_json(metadata["genotype"]).digest == network.genotype.digest
    assert metadata["model_digest"] == report.digest == TorchPredictor(network).digest
    assert (metadata["format"], metadata["version"]) == ("genotools/program", "1")
    assert "max_difference" not in metadata
    assert json.loads(metadata["card"]) == {"summary": "for tests"}
    with zipfile.ZipFile(report.path) as archive:
        for name in archive.namelist():
            data = archive.read(name)
            for trace in (str(root), "site-packages", report.path.parent.name):
                assert trace.encode() not in data, (name, trace)
                assert trace not in name


def test_report_is_json(written: tuple[GenomeNet, Any]) -> None:
    document = json.loads(json.dumps(written[1].to_document()))
    assert document["max_difference"] <= 1e-5
    assert set(document["differences"]) == {"1", "2", "17"}


def test_wrong_suffix_and_existing_files_are_refused(written: tuple[GenomeNet, Any], tmp_path: Path) -> None:
    network, report = written
    with pytest.raises(DataError, match=r"end in \.pt2"):
        export_program(network, tmp_path / "m.pt")
    with pytest.raises(OutputExistsError, match=r"model\.pt2 exists"):
        export_program(network, report.path)


def test_program_that_differs_is_not_kept(
    written: tuple[GenomeNet, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(network: GenomeNet, codes: NDArray[np.uint8], strands: str) -> NDArray[np.float32]:
        return np.zeros((len(codes), 3), dtype=np.float32)

    monkeypatch.setattr(program, "expected_outputs", wrong)
    with pytest.raises(GenotoolsError, match="the PyTorch program does not predict what the network does"):
        export_program(written[0], tmp_path / "m.pt2")
    assert list(tmp_path.iterdir()) == []
