"""The example of the page on exported files runs with onnxruntime and numpy alone."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genotools.data.encoding import decode
from genotools.export import OnnxPredictor, export_onnx
from genotools.genotype import GENOME_NAS, Layer, Macro, Task
from genotools.nn import build

PAGE = Path(__file__).parents[2] / "docs" / "export.md"

ALONE = """
import sys
for name in ("torch", "onnx", "genotools"):
    sys.modules[name] = None  # an import raises ImportError
"""


def example() -> str:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    return str(code)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layers = (Layer("reduce", 4), Layer("reduce", 3))
    macro = Macro(length=60, channels=2, layers=layers, head_hidden=8)
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    network = build(genotype, macro, Task(2, names=("first", "second")), seed=0)
    network.head.output.weight.data.mul_(20)
    path = tmp_path_factory.mktemp("page") / "model.onnx"
    export_onnx(network, path)
    return path


def test_the_example_prints_the_models_predictions(model: Path) -> None:
    codes = np.random.default_rng(0).integers(0, 5, size=(3, 60), dtype=np.uint8)
    windows = [decode(row) for row in codes]
    windows[1] = windows[1].lower()
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", ALONE + example(), str(model)],
        input="".join(f"{window}\n" for window in windows),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    expected = OnnxPredictor(model).predict(codes)
    lines = [f"first={first:.4f} second={second:.4f}" for first, second in expected]
    assert done.stdout.splitlines() == lines


def test_the_example_is_short() -> None:
    lines = [line for line in example().splitlines() if line.strip() and not line.startswith("import")]
    assert len(lines) <= 20
