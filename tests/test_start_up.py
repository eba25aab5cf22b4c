"""Start-up: what needs no network loads none."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genotools.genotype import GENOME_NAS

FORBIDDEN = ("torch", "onnx", "onnxruntime", "matplotlib", "h5py", "scipy")

RUN = """
import json, sys
from pathlib import Path
from typer.testing import CliRunner
from genotools.cli.main import app

result = CliRunner().invoke(app, json.loads(sys.argv[1]))
print(json.dumps({
    "code": result.exit_code,
    "output": result.output,
    "error": repr(result.exception),
    "loaded": [name for name in json.loads(sys.argv[2]) if name in sys.modules],
}))
"""


@pytest.fixture
def genotype_path(tmp_path: Path) -> Path:
    """Return the path of a genotype file."""
    path = tmp_path / "g.json"
    GENOME_NAS.sample(rng=np.random.default_rng(0)).save(path)
    return path


def run_command(root: Path, *arguments: str) -> dict[str, object]:
    """Run one command in a process of its own and return how it went and what it loaded."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(arguments), json.dumps(FORBIDDEN)],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    assert result["code"] == 0, result
    return result


def test_importing_genotools_loads_nothing_but_itself(root: Path) -> None:
    code = (
        "import sys; before = set(sys.modules); import genotools\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(name for name in tops if name not in sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['genotools']"


def test_the_command_line_starts_with_nothing_but_typer(root: Path) -> None:
    code = (
        "import sys, typer; before = set(sys.modules); import genotools.cli.main\n"
        "tops = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(name for name in tops if name not in sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['genotools']"


@pytest.mark.parametrize("module", ["typer", "genotools.cli.data", "genotools.errors"])
def test_ctrl_c_while_modules_are_imported_ends_quietly(module: str, root: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "sys.argv = ['genotools', 'zoo', 'list']\n"
        "from genotools.__main__ import main\n"
        "main()\n"
    )
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n" + code
    )  # ignored in background
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


def test_the_start_itself_loads_nothing_but_genotools(root: Path) -> None:
    code = (
        "import sys; before = set(sys.modules); import genotools.__main__\n"
        "print(sorted(name for name in set(sys.modules) - before if name.startswith('genotools')))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['genotools', 'genotools.__main__']"


def test_help_loads_nothing_heavy(root: Path) -> None:
    result = run_command(root, "--help")
    assert result["loaded"] == []
    assert "sample" in str(result["output"])


@pytest.mark.parametrize(
    "command", ["sample", "draw", "hash", "search", "train", "variants", "zoo", "data", "predict", "export"]
)
def test_help_of_a_command_loads_nothing_heavy(command: str, root: Path) -> None:
    assert run_command(root, command, "--help")["loaded"] == []


def test_hashing_a_genotype_loads_nothing_heavy(root: Path, genotype_path: Path) -> None:
    result = run_command(root, "hash", str(genotype_path))
    assert result["loaded"] == []
    assert GENOME_NAS.sample(rng=np.random.default_rng(0)).digest in str(result["output"])


def test_working_with_genotypes_loads_no_network(root: Path, genotype_path: Path, tmp_path: Path) -> None:
    drawing, converted = tmp_path / "x.dot", tmp_path / "mutants"
    for arguments in (
        ("validate", str(genotype_path)),
        ("draw", str(genotype_path), "-o", str(drawing)),
        ("sample", "-n", "2", "-o", str(converted)),
        ("info", str(genotype_path)),
        ("zoo", "list"),
    ):
        assert run_command(root, *arguments)["loaded"] == [], arguments
    assert drawing.read_text(encoding="utf-8").startswith(("//", "digraph", "/*"))


def test_a_page_of_trained_networks_is_made_without_torch(root: Path, tmp_path: Path) -> None:
    page = ("zoo", "page", "-o", str(tmp_path / "site"), "--zoo", str(root / "zoo" / "entries"))
    assert run_command(root, *page)["loaded"] == ["onnx"], "it checks what ONNX files say of themselves"
