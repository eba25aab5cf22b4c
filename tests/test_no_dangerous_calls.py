"""Nothing in the package runs what it reads, unpacks where it is told to, or asks the network unasked.

The sources are read, not run. Names are followed through their imports, so ``from os import system as s`` counts;
what a call gets at through variables does not, so whole modules are forbidden where that is possible.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

FORBIDDEN = {
    **dict.fromkeys(
        ("pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "copyreg"),
        "reading a pickle runs it",
    ),
    **dict.fromkeys(
        ("eval", "exec", "compile", "__import__", "runpy", "code", "codeop", "builtins"), "it runs text"
    ),
    "logging.config": "what it reads names functions to call",
    **dict.fromkeys(
        ("multiprocessing.connection", "multiprocessing.reduction"), "what arrives there is a pickle"
    ),
    **dict.fromkeys(
        ("os.system", "os.popen", "os.exec*", "os.spawn*", "os.posix_spawn*", "pty", "subprocess"),
        "it runs programs",
    ),
    "asyncio.create_subprocess*": "it runs programs",
    **dict.fromkeys(
        ("torch.load", "torch.jit", "torch.package", "torch.hub", "torch.export.load", "torch.serialization"),
        "PyTorch's own files are pickles or programs; safetensors are not",
    ),
    **dict.fromkeys(
        ("torch.ops.load_library", "torch.classes.load_library", "torch.utils.cpp_extension"),
        "a library that is loaded runs",
    ),
    "h5py.h5f": "HDF5 follows links to any file; genotools.data.hdf5 opens it",
    **dict.fromkeys(
        ("onnx.load_external_data_for_model", "onnx.external_data_helper"),
        "numbers in other files are not read",
    ),
    **dict.fromkeys(("yaml", "ruamel", "plistlib", "xml", "lxml"), "documents are JSON and TOML"),
    **dict.fromkeys(
        ("tarfile", "shutil.unpack_archive"), "names in archives lead out of the folder they are unpacked in"
    ),
    "tempfile.mktemp": "somebody else may make the file first; mkstemp makes it",
    **dict.fromkeys(
        (
            *("importlib.import_module", "importlib.machinery", "importlib.util.spec_from*"),
            *("importlib.util.module_from_spec", "pkgutil.resolve_name", "pydoc", "ctypes"),
        ),
        "what is imported must not come from a file",
    ),
    **dict.fromkeys(
        (
            *("urllib.request", "http.client", "http.server", "socket", "socketserver", "ssl", "xmlrpc"),
            *("ftplib", "imaplib", "poplib", "smtplib", "asyncio.open_*", "asyncio.start_*"),
            *("requests", "httpx", "urllib3", "aiohttp", "websockets", "huggingface_hub.hf_hub_download"),
        ),
        "what goes over the network goes through zoo.web, which bounds it",
    ),
}
"""Modules, and functions of modules, with the reason; what is below them counts too, ``*`` is any end of a name."""

METHODS = {
    **dict.fromkeys(
        ("extract", "extractall"), "names in archives lead out of the folder they are unpacked in"
    ),
    "register_custom_ops_library": "a library that is loaded runs",
    "read_pickle": "reading a pickle runs it",
    **dict.fromkeys(
        ("hf_hub_download", "snapshot_download"),
        "what goes over the network goes through zoo.web, which bounds it",
    ),
}
"""Methods that are called, of whatever value, with the reason."""

BUILTINS = ("eval", "exec", "compile", "__import__")

ALLOWED = {
    ("genotools", "importlib.import_module"): "names of its own table",
    ("genotools.cli._doctor_checks", "__import__"): "names of its own table",
    ("genotools.export.program", "torch.export.load"): "the program it has just written, to compare it",
    ("genotools.files", "ctypes"): "renameat2 of the C library, which Python does not offer",
    ("genotools.extras", "importlib.import_module"): "names of optional packages that the caller writes out",
    (
        "genotools.genotype._rendering",
        "subprocess",
    ): "Graphviz, by a list of arguments; the graph is its input",
    ("genotools.genotype.primitives", "importlib.import_module"): "what code has registered",
    ("genotools.genotype.svg", "xml"): "what Graphviz has just drawn",
    ("genotools.nn", "importlib.import_module"): "names of its own table",
    ("genotools.training", "importlib.import_module"): "names of its own table",
    ("genotools.training.allocator", "ctypes"): "settings of the C library's allocator",
    ("genotools.export", "importlib.import_module"): "names of its own table",
    (
        "genotools.search.process_pool",
        "multiprocessing.connection",
    ): "pipes to the workers it has started, which nobody else has",
    ("genotools.search.registry", "importlib.import_module"): "an engine that a person names, MODULE:CLASS",
    ("genotools.search.one_shot_engines", "importlib.import_module"): "names of its own table",
    ("genotools.search.report.commands", "importlib.import_module"): "names of the same table",
    ("genotools.zoo.web", "urllib.request"): "the one place that fetches",
    ("genotools.zoo.web", "http.client"): "the one place that fetches",
    ("genotools.zoo.web", "socket"): "the one place that fetches",
    ("genotools.testing.at_once", "runpy"): "the program itself, in processes of their own, for tests",
    ("genotools.testing._hostile_zoos", "socketserver"): "a hostile server, for tests",
}
"""By module and forbidden name: why it is no danger there."""

HDF5 = ("genotools.data.hdf5", "genotools.data.hdf5_writing", "genotools.testing._hostile_values")
"""Modules that may open HDF5 by h5py itself: with the checks, to write what is our own, and to damage files."""

HDF5_READERS = {
    "genotools.data._layout": "foreign_parts(",
    "genotools.data.mat": "foreign_parts(",
    "genotools.variants.background": "foreign_parts(",
    "genotools.data.inspect": "visititems(",  # which follows no links; it reads no numbers
    "genotools.data.write": "_reserve(",  # it has written the file itself
}
"""Modules that open HDF5 for reading by ``open_hdf5``, and what in them keeps it from following links elsewhere."""


def modules() -> Iterator[tuple[str, Path]]:
    """Yield name and path of every file of the package, each once."""
    for top in ("genotools", "search", "export", "zoo"):
        for path in sorted((ROOT / top).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if any((ROOT / parent).is_symlink() for parent in relative.parents):
                continue
            parts = relative.with_suffix("").parts
            parts = parts if top == "genotools" else ("genotools", *parts)
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def dangers(source: str, module: str) -> list[str]:
    """Return what is dangerous in a source, each with its line."""
    tree = ast.parse(source)
    names = _imported_names(tree)
    found: list[tuple[int, str, str]] = []
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for name in _meant(node, names):
            found += [(line, name, why) for key, why in FORBIDDEN.items() if _is_below(name, key)]
        if isinstance(node, ast.Call):
            found += [(line, ast.unparse(node), why) for why in _wrong_call(node, names, module)]
    allowed = {name for allowed_in, name in ALLOWED if allowed_in == module}
    return [
        f"{module}, line {line}: {name}: {why}"
        for line, name, why in found
        if not any(_is_below(name, key) for key in allowed)
    ]


def _is_below(name: str, key: str) -> bool:
    """Return whether a name is ``key`` or inside it; ``os.exec*`` stands for all that begin so."""
    if key.endswith("*"):
        return name.startswith(key[:-1])
    return name == key or name.startswith(f"{key}.")


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """Return what every imported name stands for; one that is given another meaning here stands for itself."""
    given = [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
    given += [
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    names = {name: f"this.{name}" for name in given if name in BUILTINS}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _meant(node: ast.AST, names: dict[str, str]) -> list[str]:
    """Return the full names that a statement of import, a name or an attribute stands for."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    if isinstance(node, ast.Name | ast.Attribute) and (name := _dotted(node)):
        first, _, rest = name.partition(".")
        if first in names:
            return [f"{names[first]}.{rest}" if rest else names[first]]
        return [name] if name in BUILTINS else []
    return []


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def _wrong_call(node: ast.Call, names: dict[str, str], module: str) -> Iterator[str]:
    """Yield what is wrong with how something is called that may be called."""
    keywords = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
    name = next(iter(_meant(node.func, names)), "")
    if name in ("numpy.load", "numpy.lib.format.read_array") and keywords.get("allow_pickle") != "False":
        yield "allow_pickle=False must be said"
    if keywords.get("allow_pickle", "False") != "False":
        yield "arrays of Python objects are pickles"
    if keywords.get("shell", "False") != "False":
        yield "a shell reads what stands in names"
    if name in ("onnx.load", "onnx.load_model") and keywords.get("load_external_data") != "False":
        yield "numbers in other files are not read"
    if name == "jinja2.Environment" and keywords.get("autoescape") != "True":
        yield "pages escape what they show"
    if name == "h5py.File" and _mode(node) != "'w'" and module not in HDF5:
        yield "HDF5 follows links to any file; genotools.data.hdf5 opens it"
    if name == "genotools.data.hdf5.open_hdf5" and _mode(node) != "'w'" and module not in HDF5_READERS:
        yield "HDF5 follows links to any file; look for foreign_parts before numbers are read"
    if isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
        yield METHODS[node.func.attr]


def _mode(node: ast.Call) -> str:
    return next((ast.unparse(argument) for argument in node.args[1:2]), "'r'")


def test_nothing_dangerous_is_called() -> None:
    sources = {module: path.read_text(encoding="utf-8") for module, path in modules()}
    assert [danger for module, source in sources.items() for danger in dangers(source, module)] == []


def test_every_exception_is_still_needed() -> None:
    sources = {module: path.read_text(encoding="utf-8") for module, path in modules()}
    unneeded = []
    for module, name in ALLOWED:
        tree = ast.parse(sources[module])
        names = _imported_names(tree)
        meant = {found for node in ast.walk(tree) for found in _meant(node, names)}
        if not any(_is_below(found, name) for found in meant):
            unneeded.append((module, name))
    assert unneeded == []
    assert [module for module in HDF5 if "h5py.File(" not in sources[module]] == []
    assert [module for module in HDF5_READERS if "open_hdf5(" not in sources[module]] == []
    assert [module for module, guard in HDF5_READERS.items() if guard not in sources[module]] == []


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import pickle", "reading a pickle runs it"),
        ("from pickle import loads as harmless", "reading a pickle runs it"),
        ("eval('1')", "it runs text"),
        ("read = eval", "it runs text"),
        ("import builtins\nbuiltins.exec('1')", "it runs text"),
        ("__import__('os')", "it runs text"),
        ("from os import system as s\ns('ls')", "it runs programs"),
        ("import os\nos.execvp('ls', [])", "it runs programs"),
        ("import subprocess\nsubprocess.run('ls', shell=True)", "a shell reads what stands in names"),
        ("import torch as t\nt.load('x', weights_only=True)", "PyTorch's own files"),
        ("from torch import jit", "PyTorch's own files"),
        ("import yaml\nyaml.safe_load('x')", "documents are JSON and TOML"),
        ("import numpy as np\nnp.load('x')", "allow_pickle=False must be said"),
        ("import numpy as np\nnp.load('x', allow_pickle=True)", "arrays of Python objects are pickles"),
        ("import numpy as np\nnp.savez('x', allow_pickle=flag)", "arrays of Python objects are pickles"),
        ("import zipfile\nzipfile.ZipFile('x').extractall()", "names in archives lead out"),
        ("import shutil\nshutil.unpack_archive('x')", "names in archives lead out"),
        ("import tarfile", "names in archives lead out"),
        ("from tempfile import mktemp", "mkstemp makes it"),
        ("import onnx\nonnx.load('x')", "numbers in other files are not read"),
        ("import h5py\nh5py.File('x')", "HDF5 follows links"),
        ("import h5py\nh5py.File('x', 'r')", "HDF5 follows links"),
        ("from genotools.data.hdf5 import open_hdf5\nopen_hdf5('x')", "look for foreign_parts"),
        ("import importlib\nimportlib.import_module(name)", "must not come from a file"),
        ("import urllib.request as r", "goes through zoo.web"),
        (
            "from importlib import util\nutil.spec_from_file_location('m', 'x.py')",
            "must not come from a file",
        ),
        ("from importlib.machinery import SourceFileLoader", "must not come from a file"),
        ("import pkgutil\npkgutil.resolve_name(name)", "must not come from a file"),
        ("from pydoc import locate", "must not come from a file"),
        ("import torch\ntorch.ops.load_library('x.so')", "a library that is loaded runs"),
        ("from torch.utils.cpp_extension import load", "a library that is loaded runs"),
        ("options.register_custom_ops_library('x.so')", "a library that is loaded runs"),
        ("import logging.config\nlogging.config.fileConfig('x')", "names functions to call"),
        ("import os\nos.posix_spawn('ls', [], {})", "it runs programs"),
        ("import asyncio\nasyncio.create_subprocess_exec('ls')", "it runs programs"),
        ("from asyncio import create_subprocess_shell", "it runs programs"),
        ("import asyncio\nasyncio.open_connection('host', 80)", "goes through zoo.web"),
        ("import imaplib", "goes through zoo.web"),
        ("import urllib3", "goes through zoo.web"),
        ("from aiohttp import ClientSession", "goes through zoo.web"),
        ("from huggingface_hub import hf_hub_download", "goes through zoo.web"),
        ("hub = require('huggingface_hub', extra='hub')\nhub.hf_hub_download('x')", "goes through zoo.web"),
        ("from multiprocessing.connection import Listener", "what arrives there is a pickle"),
        ("from multiprocessing.reduction import ForkingPickler", "what arrives there is a pickle"),
        ("import pandas as pd\npd.read_pickle('x')", "reading a pickle runs it"),
        ("import h5py\nh5py.h5f.open(b'x')", "HDF5 follows links"),
        ("import onnx\nonnx.load_external_data_for_model(m, '.')", "numbers in other files are not read"),
        ("from xml.etree import ElementTree", "documents are JSON and TOML"),
        ("import jinja2\njinja2.Environment()", "pages escape what they show"),
    ],
)
def test_what_is_dangerous_is_found(source: str, reason: str) -> None:
    assert any(reason in found for found in dangers(source, "genotools.somewhere"))


def test_what_looks_like_it_is_not_found() -> None:
    source = (
        "import re, torch, numpy as np, h5py, onnx\n"
        "re.compile('x'); torch.compile(f); network.eval(); self.exec\n"
        "np.load('x', allow_pickle=False); h5py.File('x', 'w'); onnx.load('x', load_external_data=False)\n"
    )
    assert dangers(source, "genotools.somewhere") == []
