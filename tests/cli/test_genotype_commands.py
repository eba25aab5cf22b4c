"""The commands about genotypes: what they print, and what they say of bad input."""

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genotools.cli.main import app
from genotools.genotype import GENOME_NAS, Genotype, Macro, Task
from genotools.search.proxies import PROXIES, score_all


@pytest.fixture
def genotype() -> Genotype:
    return GENOME_NAS.sample(rng=np.random.default_rng(4))


@pytest.fixture
def path(genotype: Genotype, tmp_path: Path) -> Path:
    genotype.save(tmp_path / "g.json")
    return tmp_path / "g.json"


def out(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def program(*arguments: object, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the program itself: what a person sees, and the exit code."""
    command = [sys.executable, "-c", "from genotools.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


def test_sample_prints_a_genotype_that_reads_back() -> None:
    printed = Genotype.from_json(out("sample", "--seed", 4))
    assert printed == GENOME_NAS.sample(rng=np.random.default_rng(4))


def test_several_samples_are_one_document_a_line() -> None:
    lines = out("sample", "-n", 3, "--seed", 4).splitlines()
    assert len({Genotype.from_json(line).digest for line in lines}) == 3


def test_samples_go_into_a_folder_and_nothing_is_overwritten(tmp_path: Path) -> None:
    names = out("sample", "-n", 2, "-o", tmp_path / "many").splitlines()
    assert sorted(names) == sorted(map(str, (tmp_path / "many").iterdir()))
    again = program("sample", "-n", 2, "-o", tmp_path / "many")
    assert (again.returncode, again.stdout) == (1, "")
    assert "exists already" in again.stderr
    out("sample", "-n", 2, "-o", tmp_path / "many", "--force")


def test_mutate_changes_one_thing(path: Path, genotype: Genotype) -> None:
    child = Genotype.from_json(out("mutate", path))
    assert child in GENOME_NAS.neighbors(genotype)


def test_hash_is_the_digest(path: Path, genotype: Genotype) -> None:
    assert out("hash", path) == f"{genotype.digest}  {path}\n"
    assert json.loads(out("hash", path, "--json")) == {str(path): genotype.digest}


def test_a_folder_stands_for_its_best_genotype(tmp_path: Path, genotype: Genotype) -> None:
    genotype.save(tmp_path / "best.genotype.json")
    assert out("hash", tmp_path).startswith(genotype.digest)


def test_a_zoo_name_is_a_genotype() -> None:
    assert out("hash", "cover-all-ops").split()[1] == "cover-all-ops"


def test_info_counts_the_published_network() -> None:
    found = json.loads(out("info", "random-baseline", "--json"))
    assert found["params"] == 27_627_111
    assert found["macro"] == "paper"
    assert "27,627,111" in out("info", "random-baseline")


def test_info_gives_zero_cost_scores_with_what_they_are(path: Path, genotype: Genotype) -> None:
    options = ("--macro", "small", "--length", 60, "--outputs", 2)
    found = json.loads(out("info", path, *options, "--proxies", "--seed", 3, "--json"))
    scores = score_all(genotype, Macro.small(60), Task(2), seed=3)
    assert {name: proxy["score"] for name, proxy in found["proxies"].items()} == scores
    assert found["proxies"]["params"]["score"] == found["params"]
    assert found["proxies"]["naswot"]["better"] == "higher"
    assert found["seed"] == 3
    assert "proxies" not in json.loads(out("info", path, *options, "--json"))
    other = json.loads(out("info", path, *options, "--proxies", "--seed", 4, "--json"))["proxies"]
    assert other["jacov"]["score"] != scores["jacov"]
    assert other["macs"]["score"] == scores["macs"]


def test_info_prints_parameters_and_macs_beside_the_scores_as_the_line_to_beat(path: Path) -> None:
    lines = out("info", path, "--macro", "small", "--length", 60, "--outputs", 2, "--proxies").splitlines()
    described = {line.split()[0]: (line, below) for line, below in pairwise(lines) if line.strip()}
    for name, proxy in PROXIES.items():
        line, below = described[name]
        assert f"({proxy.better} is taken to be better; {proxy.takes}" in line
        assert below.endswith(proxy.caveat)
    assert all("the line to beat" in described[name][1] for name in ("params", "macs"))


def test_info_without_scores_imports_no_torch(path: Path) -> None:
    code = "import sys; from genotools.cli.main import app; app(sys.argv[1:], standalone_mode=False); "
    code += "print('torch' in sys.modules)"
    for options, is_loaded in (([], "False"), (["--proxies", "--macro", "small", "--length", "60"], "True")):
        command = [sys.executable, "-c", code, "info", str(path), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == is_loaded


def test_diff_says_what_changed(path: Path, tmp_path: Path, genotype: Genotype) -> None:
    GENOME_NAS.mutate(genotype, rng=np.random.default_rng(0)).save(tmp_path / "child.json")
    assert len(out("diff", path, tmp_path / "child.json").splitlines()) == 1
    assert out("diff", path, path) == "The two are the same genotype.\n"


def test_convert_goes_there_and_back(path: Path, tmp_path: Path, genotype: Genotype) -> None:
    text = out("convert", path)
    assert text.startswith("Genotype(normal=[('")
    (tmp_path / "g.txt").write_text(text)
    assert Genotype.from_json(out("convert", tmp_path / "g.txt")) == genotype
    assert program("convert", "-", stdin=genotype.to_json()).stdout == text
    assert Genotype.from_json(program("convert", "-", stdin=text).stdout) == genotype


def test_validate_checks_every_file_and_fails_if_one_is_bad(path: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(path.read_text().replace('"version": 1', '"version": 7'))
    done = program("validate", path, bad)
    assert done.returncode == 1
    assert done.stdout == f"{path}: valid\n"
    assert done.stderr.startswith(f"{bad}: version: 7 is newer than this genotools reads: ")
    assert done.stderr.endswith(" reads genotools/genotype up to version 1. Update genotools.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["hash", "missing.json"], "missing.json: no such file."),
        (["hash", "pooling-onyl"], "Did you mean 'pooling-only'?"),
        (["sample", "--space", "nowhere"], "unknown search space 'nowhere'. Known: genome-nas."),
        (["info", "pooling-only", "--macro", "huge"], "unknown macro 'huge'. Known: paper, small"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(arguments: list[str], message: str) -> None:
    done = program(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback() -> None:
    assert "Traceback" in program("--debug", "hash", "missing.json").stderr


def test_wrong_usage_is_exit_code_2() -> None:
    assert program("hash").returncode == 2
    assert program("sample", "-n", "none").returncode == 2


def test_one_sample_goes_into_the_file_that_is_named(tmp_path: Path) -> None:
    out("sample", "-o", tmp_path / "g.json")
    assert Genotype.load(tmp_path / "g.json").space == "genome-nas"


def test_a_text_that_is_no_genotype_is_named_for_what_it_is_not(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n")
    done = program("convert", tmp_path / "notes.md")
    assert done.returncode == 1
    assert "not DARTS-style text" in done.stderr


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "genotools", "hash", "pooling-only"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.endswith("  pooling-only\n")
