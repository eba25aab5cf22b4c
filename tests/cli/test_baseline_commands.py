"""The names of hand-designed networks on the command line: what they stand for, and where they cannot."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.data.write import write_store
from genotools.errors import GenotoolsError
from genotools.genotype import GENOME_NAS, BaselineName

LENGTH_BP = 40
SHORT = ["--epochs", "1", "--steps", "2", "--batch-size", "8", "--device", "cpu"]


def out(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("store") / "random.h5"
    codes = rng.integers(0, 4, size=(48, LENGTH_BP)).astype(np.uint8)
    labels = rng.integers(0, 2, size=(48, 2)).astype(np.uint8)
    splits = np.repeat([0, 1, 2], 16)
    write_store(path, codes=codes, labels=labels, names=("a", "b"), splits=splits, provenance={})
    return path


@pytest.fixture(scope="module")
def trained(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    result = CliRunner().invoke(
        app, ["train", "danq", "--data", str(store_path), "-o", str(folder), *SHORT], catch_exceptions=False
    )
    assert "network         danq" in result.stdout
    assert "with name, length and labels" in result.stderr
    assert f"or: genotools evaluate {folder}" in result.stderr
    assert f"Next: genotools export {folder}" in result.stderr
    return folder


@pytest.fixture
def fasta(tmp_path: Path) -> Path:
    bases = np.array(list("ACGT"))[np.random.default_rng(1).integers(0, 4, 200)]
    (tmp_path / "genome.fa").write_text(f">chr1\n{''.join(bases)}\n")
    return tmp_path / "genome.fa"


def test_evaluate_and_resume_take_the_folder(trained: Path, store_path: Path) -> None:
    found = json.loads(out("evaluate", trained, "--data", store_path, "--device", "cpu", "--json"))
    result = json.loads((trained / "result.json").read_text())
    assert found["model_digest"] == result["model_digest"]
    assert found["mean_auroc"] == pytest.approx(result["test"]["mean_auroc"])
    again = out("train", "danq", "--data", store_path, "-o", trained, *SHORT, "--resume", "--json")
    assert json.loads(again) == result


def test_a_folder_trains_its_network_again(trained: Path, store_path: Path, tmp_path: Path) -> None:
    out("train", trained, "--data", store_path, "-o", tmp_path / "again", *SHORT)
    assert BaselineName.load(tmp_path / "again" / "baseline.json") == "danq"


def test_predict_variants_and_maps_take_the_folder(trained: Path, fasta: Path, tmp_path: Path) -> None:
    (tmp_path / "windows.bed").write_text("chr1\t50\t90\n")
    out("predict", trained, "--bed", tmp_path / "windows.bed", "--fasta", fasta, "-o", tmp_path / "p.tsv")
    assert "a\tb" in (tmp_path / "p.tsv").read_text()
    ref = fasta.read_text().splitlines()[1][99]
    alt = "A" if ref != "A" else "C"
    head = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (tmp_path / "v.vcf").write_text(f"{head}chr1\t100\t.\t{ref}\t{alt}\t.\t.\t.\n")
    out("variants", trained, "--vcf", tmp_path / "v.vcf", "--fasta", fasta, "-o", tmp_path / "v.tsv")
    assert (tmp_path / "v.tsv").stat().st_size > 0
    region = ("--region", "chr1:100-110", "--fasta", fasta)
    out("ism", trained, *region, "-o", tmp_path / "ism.tsv")
    out("attribute", trained, *region, "-o", tmp_path / "attribution.tsv")
    rows = (tmp_path / "attribution.tsv").read_text().splitlines()
    assert sum(row.startswith("chr1\t") for row in rows) == 11


def test_info_counts_the_published_network() -> None:
    found = json.loads(out("info", "deepsea", "--json"))
    assert found == {
        "baseline": "deepsea",
        "digest": BaselineName.DEEPSEA.digest,
        "reference": BaselineName.DEEPSEA.reference,
        "length_bp": 1000,
        "outputs": 919,
        "params": 52_843_119,
        "macs": 549_602_395,
    }
    text = out("info", "ncnet-brr", "--length", 200, "--outputs", 3)
    assert "200 bp, 3 outputs" in text
    assert "Zhang et al., NCNet" in text


@pytest.mark.parametrize("command", ["hash", "draw", "mutate", "convert", "diff"])
def test_what_needs_a_genotype_says_that_there_is_none(command: str, tmp_path: Path) -> None:
    more = {"draw": ["-o", str(tmp_path / "x.dot")], "diff": ["danq"]}.get(command, [])
    message = "deepsea: the hand-designed network deepsea has no genotype"
    with pytest.raises(GenotoolsError, match=message):
        out(command, "deepsea", *more)


def test_a_folder_of_a_reserved_name_is_meant_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(4))
    (tmp_path / "danq").mkdir()
    genotype.save(tmp_path / "danq" / "genotype.json")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(GenotoolsError, match=r"The folder is \./danq\."):
        out("hash", "danq")
    assert out("hash", "./danq").split()[0] == genotype.digest


def test_a_training_folder_without_genotype_says_so(trained: Path) -> None:
    with pytest.raises(GenotoolsError, match="the hand-designed network danq has no genotype"):
        out("hash", trained)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["info", "deepsea", "--macro", "small"], "--macro small: deepsea is hand-designed"),
        (["info", "deepsea", "--proxies"], "--proxies: zero-cost scores compare genotypes; deepsea is hand"),
        (["info", "deepsea", "--length", "100"], "DeepSEA has nothing left of windows of 100 bp"),
        (
            ["ism", "deepsea", "--region", "c:1-2", "-o", "x.tsv"],
            "deepsea: a hand-designed network, without w",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(GenotoolsError, match=message):
        out(*arguments)


def test_training_refuses_a_macro_before_anything_is_written(store_path: Path, tmp_path: Path) -> None:
    arguments = ["train", "danq", "--data", store_path, "-o", tmp_path / "run", "--macro", "paper"]
    with pytest.raises(
        GenotoolsError, match="--macro paper: danq is hand-designed; a macro frames the cells"
    ):
        out(*arguments)
    assert not (tmp_path / "run").exists()


def test_the_zoo_keeps_the_names_free(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GENOTOOLS_ZOO", str(tmp_path / "zoo"))
    GENOME_NAS.sample(rng=np.random.default_rng(4)).save(tmp_path / "g.json")
    about = ["--summary", "a test", "--origin", "a test"]
    for name in BaselineName:
        with pytest.raises(GenotoolsError, match=f"'{name}' is the name of a hand-designed network"):
            out("zoo", "add", name, tmp_path / "g.json", *about, "--force")
    with pytest.raises(GenotoolsError, match=r"no genotype\.json in it"):
        out("zoo", "add", "mine", trained, *about)


def test_refusing_a_name_loads_no_network() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from genotools.cli.main import app\n"
        "done = CliRunner().invoke(app, ['hash', 'deepsea'])\n"
        "print(done.exit_code, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "False"]
