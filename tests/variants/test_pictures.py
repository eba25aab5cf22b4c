"""Pictures of regions, and the attributions that they may show."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.data.encoding import encode, reverse_complement
from genotools.errors import DataError, OutputExistsError
from genotools.genotype import GENOME_NAS, Macro, Task
from genotools.nn import GenomeNet, build
from genotools.training.attribution import attribute
from genotools.training.weights import save_weights
from genotools.variants.saturation_picture import draw_importance, importance_of


def test_importance_is_minus_the_mean_change() -> None:
    codes = encode("ANT")
    diffs = np.array([[0, -3, -6, 0], [np.nan] * 4, [1, 1, 1, 0]], dtype=np.float32)
    np.testing.assert_allclose(importance_of(codes, diffs), [3, 0, -1])


@pytest.mark.parametrize(("suffix", "head"), [(".png", b"\x89PNG"), (".svg", b"<?xml"), (".pdf", b"%PDF")])
@pytest.mark.parametrize("with_diffs", [True, False])
def test_pictures_are_written_in_three_formats(
    tmp_path: Path, suffix: str, head: bytes, with_diffs: bool
) -> None:
    rng = np.random.default_rng(0)
    codes = encode("ACGTN" * 8)
    diffs = rng.normal(size=(40, 4)).astype(np.float32)
    diffs[codes == 4] = np.nan
    path = tmp_path / f"map{suffix}"
    options: dict[str, Any] = {"diffs": diffs} if with_diffs else {}
    draw_importance(path, codes, importance_of(codes, diffs), title="a < b & c", first=1001, **options)
    assert path.read_bytes().startswith(head)
    with pytest.raises(OutputExistsError):
        draw_importance(path, codes, importance_of(codes, diffs), title="t", first=1, **options)


def test_flat_and_long_regions(tmp_path: Path) -> None:
    draw_importance(tmp_path / "flat.png", encode("ACGT"), np.zeros(4), title="flat", first=1)
    with pytest.raises(DataError, match="at most 400 bases, the region has 401"):
        draw_importance(tmp_path / "long.png", encode("A" * 401), np.zeros(401), title="t", first=1)
    with pytest.raises(DataError, match=r"written as \.png, \.svg, \.pdf"):
        draw_importance(tmp_path / "map.gif", encode("A"), np.zeros(1), title="t", first=1)


@pytest.fixture(scope="module")
def network() -> GenomeNet:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(1))
    return build(genotype, Macro.small(200), Task(3, names=("x_plus", "x_minus", "y")), seed=0).double()


def test_attributions_are_the_slope_of_the_logit(network: GenomeNet) -> None:
    """Compared with finite differences along the direction from the mean base to the base that is there."""
    import torch

    rng = np.random.default_rng(2)
    window = rng.integers(0, 4, size=200).astype(np.uint8)
    window[50] = 4
    found = attribute(network, window, [2], strands="forward")
    assert found[50] == 0
    network.eval()
    one_hot = network.one_hot(torch.from_numpy(window[None])).detach()
    for place in (0, 77, 199):
        direction = torch.full((4,), -0.25, dtype=torch.float64)
        direction[window[place]] += 1
        ends = []
        for step in (1e-6, -1e-6):
            moved = one_hot.clone()
            moved[0, :, place] += step * direction
            ends.append(network.forward_one_hot(moved)[0, 2].item())
        assert found[place] == pytest.approx((ends[0] - ends[1]) / 2e-6, abs=1e-6)


def test_both_strands_are_averaged_and_pairs_exchanged(network: GenomeNet) -> None:
    window = np.random.default_rng(3).integers(0, 4, size=200).astype(np.uint8)
    other = reverse_complement(window[None])[0]
    both = attribute(network, window, [0])
    parts = (
        attribute(network, window, [0], strands="forward"),
        attribute(network, other, [1], strands="forward"),
    )
    np.testing.assert_allclose(both, (parts[0] + parts[1][::-1]) / 2)


@pytest.fixture
def with_model(monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    fake = SimpleNamespace(load_predictor=lambda name, *, device, batch_size: model)
    monkeypatch.setitem(sys.modules, "genotools.cli._models", fake)


@pytest.mark.usefixtures("with_model")
def test_ism_writes_tables_and_pictures_at_once(fasta_path: Path, tmp_path: Path) -> None:
    outputs = [tmp_path / "map.tsv", tmp_path / "map.png"]
    words = ["ism", "m", "--region", "chr1:101-115", "--fasta", str(fasta_path), "--features", "output1"]
    for path in outputs:
        words += ["-o", str(path)]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    lines = [line for line in outputs[0].read_text().splitlines() if not line.startswith("##")]
    assert len(lines) == 1 + 3 * 15
    assert lines[1].startswith("chr1\t101\t")
    assert outputs[1].read_bytes().startswith(b"\x89PNG")


@pytest.mark.usefixtures("with_model")
def test_ism_takes_records_of_fasta(tmp_path: Path) -> None:
    (tmp_path / "seqs.fa").write_text(">one\nACGTACGT\n>two/2\nGGGTTT\n")
    words = [
        "ism",
        "m",
        "--sequences",
        str(tmp_path / "seqs.fa"),
        "-o",
        str(tmp_path / "m.tsv"),
        "-o",
        str(tmp_path / "m.png"),
    ]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    lines = [line for line in (tmp_path / "m.tsv").read_text().splitlines() if not line.startswith("##")]
    assert len(lines) == 1 + 3 * 14
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["m-1-one.png", "m-2-two_2.png"]


@pytest.mark.usefixtures("with_model")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--region", "chr1:5"], "chr:start-end was expected"),
        (["--region", "chr1:0-5"], "chr:start-end was expected"),
        (["--region", "chr1:1-40"], "is 40 bp, the model's window is 21 bp"),
        (["--region", "chr9:1-4"], "no contig 'chr9'"),
        ([], "give either a --region of a --fasta, or --sequences"),
    ],
)
def test_regions_that_cannot_be_are_refused(
    fasta_path: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    arguments = ["ism", "m", "--fasta", str(fasta_path), "-o", str(tmp_path / "m.tsv"), *words]
    done = CliRunner().invoke(app, arguments)
    assert message in str(done.exception)
    assert not list(tmp_path.glob("m.*"))


def test_attribute_writes_what_the_library_computes(
    network: GenomeNet,
    make_genome: Callable[..., Any],
    tmp_path: Path,
    genome_text: dict[str, str],
    fasta_path: Path,
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    save_weights(
        folder / "weights.safetensors", build(network.genotype, network.macro, network.task, seed=0), notes={}
    )
    words = [
        "attribute",
        str(folder),
        "--region",
        "chr1:120-139",
        "--fasta",
        str(fasta_path),
        "--features",
        "y",
    ]
    done = CliRunner().invoke(
        app, [*words, "-o", str(tmp_path / "a.tsv"), "-o", str(tmp_path / "a.svg")], catch_exceptions=False
    )
    assert done.exit_code == 0
    rows = [line.split("\t") for line in (tmp_path / "a.tsv").read_text().splitlines() if line[:2] != "##"][
        1:
    ]
    assert "".join(row[2] for row in rows) == genome_text["chr1"][119:139]
    left = 99 - 19 // 2
    window = encode(genome_text["chr1"])[119 - left : 119 - left + 200]
    expected = attribute(network, window, [2])[left : left + 20]
    np.testing.assert_allclose([float(row[3]) for row in rows], expected, atol=2e-6)


def test_a_gradient_that_is_no_number_is_no_attribution() -> None:
    import torch

    genotype = GENOME_NAS.sample(rng=np.random.default_rng(1))
    broken = build(genotype, Macro.small(200), Task(2), seed=0)
    with torch.no_grad():
        broken.head.output.weight[1] = torch.nan
    window = np.random.default_rng(3).integers(0, 4, size=200).astype(np.uint8)
    with pytest.raises(DataError, match=r"gradient of the logit is not finite .* at base 1 of the window"):
        attribute(broken, window, [1])
