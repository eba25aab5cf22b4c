"""What ``genotools doctor`` looks at: each part of an installation as one finding.

Heavy packages are imported inside the checks, so that one that is broken is a finding like any other.
"""

import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

__all__ = ["CHECKS", "Finding", "extras", "folders", "machine", "packages", "whole_way"]

Status = Literal["ok", "note", "fault"]

OWN_NEEDS = ("dev", "docs")
"""Extras for work on genotools itself, which nobody misses."""

MIN_FREE_BYTES = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    subject
        What was looked at.
    status
        ``ok``; ``note`` for what some commands miss; ``fault`` for what has to be mended.
    text
        What was found.
    advice
        What to do about it.
    """

    subject: str
    status: Status
    text: str
    advice: str = ""

    def to_document(self) -> dict[str, str]:
        """Return the finding as JSON values."""
        return asdict(self)


def machine() -> Iterator[Finding]:
    """Yield system, processors, memory and devices."""
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    yield Finding(subject="system", status="ok", text=system)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    settings = [
        f"{name}={os.environ[name]}" for name in ("OMP_NUM_THREADS", "GENOTOOLS_GEMM") if name in os.environ
    ]
    try:
        import torch
    except (ImportError, OSError):  # `packages` says so
        return
    threads = ", ".join([f"{torch.get_num_threads()} threads of PyTorch", *settings])
    yield Finding(subject="processors", status="ok", text=f"{allowed} to use, {threads}")
    yield _devices()


def _devices() -> Finding:
    import torch

    if not torch.cuda.is_available():
        built = "a CPU build of PyTorch" if torch.version.cuda is None else "no CUDA device is found"
        return Finding(subject="devices", status="ok", text=f"cpu; {built}")
    names = [
        f"cuda:{index} {torch.cuda.get_device_name(index)}, "
        f"{torch.cuda.get_device_properties(index).total_memory / 1e9:.0f} GB"
        for index in range(torch.cuda.device_count())
    ]
    return Finding(subject="devices", status="ok", text="; ".join(["cpu", *names]))


def packages() -> Iterator[Finding]:
    """Yield versions of what everything rests on, and what cannot be imported."""
    yield Finding(subject="genotools", status="ok", text=metadata.version("genotools"))
    found = []
    for name in ("torch", "onnxruntime", "onnx", "numpy", "networkx", "h5py"):
        try:
            __import__(name)
            found.append(f"{name} {metadata.version(name)}")
        except (ImportError, OSError) as error:
            yield Finding(
                subject=name,
                status="fault",
                text=f"cannot be imported: {error}",
                advice=f"pip install --force-reinstall {name}",
            )
    yield Finding(subject="packages", status="ok", text=", ".join(found))


def extras() -> Iterator[Finding]:
    """Yield every extra with its packages: installed, or how to get them."""
    wanted: dict[str, list[str]] = {}
    for line in metadata.requires("genotools") or []:
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)['\"]", line)
        package = re.match(r"[\w.-]+", line)
        if extra and package and extra[1] not in OWN_NEEDS:
            wanted.setdefault(extra[1], []).append(package[0])
    for name, members in sorted(wanted.items()):
        versions = {member: _version(member) for member in members}
        present = [f"{member} {version}" for member, version in versions.items() if version]
        missing = [member for member, version in versions.items() if not version]
        if missing:
            text = f"without {', '.join(missing)}"
            advice = f"pip install 'genotools[{name}]'"
            yield Finding(subject=f"extra {name}", status="note", text=text, advice=advice)
        else:
            yield Finding(subject=f"extra {name}", status="ok", text=", ".join(present))
    dot = shutil.which("dot")
    text = "dot is on the PATH" if dot else "no dot on the PATH; drawings need it or the extra draw"
    yield Finding(subject="Graphviz", status="ok" if dot or _version("pygraphviz") else "note", text=text)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def folders() -> Iterator[Finding]:
    """Yield whether one can write here, for a while, and in one's own zoo."""
    from genotools.zoo.places import user_zoo

    yield _folder("this folder", Path.cwd())
    yield _folder("temporary", Path(tempfile.gettempdir()))
    yield _folder("own zoo", user_zoo())


def _folder(subject: str, path: Path) -> Finding:
    """Return whether a file can be made in a folder, or in the first one above it that exists."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".doctor."):
            free = shutil.disk_usage(there).free
    except OSError as error:
        why = error.strerror or str(error)
        return Finding(
            subject=subject, status="fault", text=f"{path}: {why}", advice="write somewhere else with -o"
        )
    text = f"{path}, {free / 1e9:,.0f} GB free"
    if free < MIN_FREE_BYTES:
        return Finding(subject=subject, status="note", text=text, advice="free some space before a long run")
    return Finding(subject=subject, status="ok", text=text)


def whole_way() -> Iterator[Finding]:
    """Yield the result of the whole way, tiny: sample, build, train a step, export, predict with both."""
    started = time.perf_counter()
    try:
        difference = _go_the_whole_way()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the person asked for
        yield Finding(
            subject="whole way",
            status="fault",
            text=f"{type(error).__name__}: {str(error)[:300]}",
            advice="pip install --force-reinstall genotools, or report it with this output",
        )
        return
    seconds = time.perf_counter() - started
    text = f"sampled, trained, exported, predicted in {seconds:.0f} s; ONNX differs by {difference:.0e}"
    yield Finding(subject="whole way", status="ok", text=text)


def _go_the_whole_way() -> float:
    import numpy as np
    import torch

    from genotools.export import OnnxPredictor, export_onnx
    from genotools.genotype import GENOME_NAS, Layer, Macro, Task
    from genotools.nn import build
    from genotools.training import TorchPredictor

    rng = np.random.default_rng(0)
    macro = Macro(length=120, channels=4, layers=(Layer("reduce", 4), Layer("normal")), head_hidden=16)
    network = build(GENOME_NAS.sample(rng=rng), macro, Task(3), seed=0)
    codes = rng.integers(0, 4, size=(8, 120), dtype=np.uint8)
    labels = torch.from_numpy(rng.integers(0, 2, size=(8, 3)).astype(np.float32))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(network(torch.from_numpy(codes)), labels)
    torch.autograd.backward(loss)
    optimiser.step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(network, path)
        found = OnnxPredictor(path).predict(codes)
    return float(np.abs(found - TorchPredictor(network).predict(codes)).max())


CHECKS = (packages, machine, extras, folders, whole_way)
"""In the order of the report."""
