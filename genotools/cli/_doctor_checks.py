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
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Literal

__all__ = ["CHECKS", "Finding", "extras", "folders", "libraries", "machine", "packages", "whole_way"]

Status = Literal["ok", "note", "fault"]

OWN_NEEDS = ("dev", "docs")
"""Extras for work on genotools itself, which nobody misses."""

MIN_FREE_BYTES = 1_000_000_000

MAX_DIFFERENCE = 1e-3
"""Of predictions by two ways; a tenth of it is much already."""


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
        fault = _import_fault(name)
        if fault:
            yield fault
        elif name != "h5py":  # `libraries` names it
            found.append(f"{name} {metadata.version(name)}")
    yield Finding(subject="packages", status="ok", text=", ".join(found))


def libraries() -> Iterator[Finding]:
    """Yield versions of the native libraries that read files from strangers; onnxruntime is a package."""
    import zlib

    found = [f"zlib {zlib.ZLIB_RUNTIME_VERSION}"]
    if not _import_fault("h5py"):
        import h5py

        found.append(f"HDF5 {h5py.version.hdf5_version} (h5py {h5py.__version__})")
    if _version("pysam") and not _import_fault("pysam"):
        from pysam.version import __htslib_version__

        found.append(f"htslib {__htslib_version__} (pysam)")
    yield Finding(subject="libraries", status="ok", text=", ".join(found))


def _import_fault(package: str) -> Finding | None:
    """Return what is wrong with a package that is installed; None if it can be imported."""
    try:
        __import__(_module_of(package))
    except Exception as error:  # noqa: BLE001 - a broken one raises anything
        return Finding(
            subject=package,
            status="fault",
            text=f"cannot be imported: {str(error)[:300]}",
            advice=f"pip install --force-reinstall {package}",
        )
    return None


def _module_of(package: str) -> str:
    """Return the module that a package is imported by: its own name, but for letters and dashes."""
    try:
        listed = (metadata.distribution(package).read_text("top_level.txt") or "").split()
    except metadata.PackageNotFoundError:
        listed = []
    name = package.replace("-", "_")
    return next((module for module in listed if module.lower() == name.lower()), name)


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
        faults = [
            fault for member, version in versions.items() if version and (fault := _import_fault(member))
        ]
        yield from faults
        broken = [fault.subject for fault in faults]
        present = [
            f"{member} {version}" for member, version in versions.items() if version and member not in broken
        ]
        missing = [member for member, version in versions.items() if not version]
        if missing:
            text = f"without {', '.join(missing)}"
            advice = f"pip install 'genotools[{name}]'"
            yield Finding(subject=f"extra {name}", status="note", text=text, advice=advice)
        elif present:
            yield Finding(subject=f"extra {name}", status="ok", text=", ".join(present))
    yield _graphviz()


def _graphviz() -> Finding:
    from genotools.genotype.drawing import dot_version

    version = dot_version()
    if version:
        return Finding(subject="Graphviz", status="ok", text=f"dot {version} is on the PATH")
    status: Status = "ok" if _version("pygraphviz") else "note"
    text = "no dot on the PATH; drawings need it or the extra draw"
    return Finding(subject="Graphviz", status=status, text=text)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def folders() -> Iterator[Finding]:
    """Yield whether one can write here, for a while, in one's own zoo, and where fetched entries go."""
    from genotools.zoo.places import user_zoo
    from genotools.zoo.remote import cache_folder

    yield _folder("this folder", Path.cwd(), "write somewhere else with -o")
    yield _folder("temporary", Path(tempfile.gettempdir()), "set TMPDIR to another folder")
    yield _folder("own zoo", user_zoo(), "set GENOTOOLS_ZOO to another folder")
    yield _folder("cache", cache_folder(), "make it writable: `zoo get` keeps entries there")
    if named := os.environ.get("GENOTOOLS_ZOO"):
        yield _named_zoo(named)


def _named_zoo(named: str) -> Finding:
    """Return whether there is a zoo where the variable says; one that is only read is as good."""
    from genotools.errors import GenotoolsError
    from genotools.zoo.places import FolderZoo, open_zoo

    subject = "given zoo"
    try:
        zoo = open_zoo(named)
    except GenotoolsError as error:
        return Finding(
            subject=subject, status="fault", text=str(error), advice="set GENOTOOLS_ZOO to a zoo, or unset it"
        )
    if not isinstance(zoo, FolderZoo):
        return Finding(
            subject=subject, status="ok", text=f"{zoo.location}, fetched from when it is asked for"
        )
    if not zoo.folder.is_dir():
        advice = "`genotools zoo add` makes it, if the name is right"
        return Finding(subject=subject, status="note", text=f"{zoo.folder}: no such folder", advice=advice)
    found = _folder(subject, zoo.folder, "entries can be read, and added to another zoo with --zoo")
    return (
        replace(found, status="note") if found.status == "fault" else found
    )  # a shared one may be read only


def _folder(subject: str, path: Path, advice: str) -> Finding:
    """Return whether a file can be made in a folder, or in the first one above it that exists."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    try:
        with tempfile.NamedTemporaryFile(dir=there, prefix=".doctor."):
            free = shutil.disk_usage(there).free
    except OSError as error:
        why = error.strerror or str(error)
        return Finding(subject=subject, status="fault", text=f"{path}: {why}", advice=advice)
    text = f"{path}, {free / 1e9:,.0f} GB free"
    if free < MIN_FREE_BYTES:
        return Finding(subject=subject, status="note", text=text, advice="free some space before a long run")
    return Finding(subject=subject, status="ok", text=text)


def whole_way() -> Iterator[Finding]:
    """Yield the result of the whole way, tiny: sample, build, train a step, export, predict with both.

    On the CPU, and on a CUDA device where there is one.
    """
    yield _whole_way("cpu")
    try:
        from genotools.training.device import choose_device

        device = str(choose_device("auto"))
    except Exception:  # noqa: BLE001 - then the way on the CPU has told it
        return
    if device != "cpu":
        yield _whole_way(device)


def _whole_way(device: str) -> Finding:
    subject = "whole way" if device == "cpu" else f"on {device}"
    started = time.perf_counter()
    try:
        difference = _go_the_whole_way(device)
        if not difference <= MAX_DIFFERENCE:
            raise ArithmeticError(f"predictions differ by {difference:.0e} from those of the ONNX file")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what the person asked for
        again = "pip install --force-reinstall genotools, or report it with this output"
        return Finding(
            subject=subject,
            status="fault",
            text=f"{type(error).__name__}: {str(error)[:300]}",
            advice=again
            if device == "cpu"
            else "use --device cpu; look after the driver, and PyTorch's build",
        )
    seconds = time.perf_counter() - started
    text = f"sampled, trained, exported, predicted in {seconds:.0f} s; ONNX differs by {difference:.0e}"
    return Finding(subject=subject, status="ok", text=text)


def _go_the_whole_way(device: str) -> float:
    import numpy as np
    import torch

    from genotools.export import OnnxPredictor, export_onnx
    from genotools.genotype import GENOME_NAS, Layer, Macro, Task
    from genotools.nn import build
    from genotools.training import TorchPredictor

    rng = np.random.default_rng(0)
    macro = Macro(length=120, channels=4, layers=(Layer("reduce", 4), Layer("normal")), head_hidden=16)
    network = build(GENOME_NAS.sample(rng=rng), macro, Task(3), seed=0).to(device)
    codes = rng.integers(0, 4, size=(8, 120), dtype=np.uint8)
    labels = torch.from_numpy(rng.integers(0, 2, size=(8, 3)).astype(np.float32)).to(device)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(
        network(torch.from_numpy(codes).to(device)), labels
    )
    torch.autograd.backward(loss)
    optimiser.step()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export_onnx(network, path)
        found = OnnxPredictor(path).predict(codes)
    return float(np.abs(found - TorchPredictor(network, device=device).predict(codes)).max())


CHECKS = (packages, libraries, machine, extras, folders, whole_way)
"""In the order of the report."""
