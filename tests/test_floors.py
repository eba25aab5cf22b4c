"""The house stands: imports run downwards, heavy packages load where they are used.

The contracts of import-linter (``.importlinter``) say the same about floors on the whole graph; this reads the
files themselves, so that it also holds for an import that is written but never followed.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

GROUND = {"errors", "extras", "files", "formats", "predictor", "randomness", "templates", "temporaries"}
MAY_IMPORT = {
    **dict.fromkeys(GROUND, GROUND),
    "genotype": GROUND,
    "data": GROUND | {"genotype"},
    "nn": GROUND | {"genotype"},
    "training": GROUND | {"genotype", "nn", "data"},
    "search": GROUND | {"genotype", "nn", "data", "training"},
    "zoo": GROUND | {"genotype", "nn", "data", "training"},
    "export": GROUND | {"genotype", "nn", "data", "training"},
    "variants": GROUND | {"genotype", "data"},
    "testing": GROUND | {"genotype", "nn", "data", "training", "search", "zoo", "export", "variants"},
    "__main__": {"cli"},
    "cli": GROUND | {"genotype", "nn", "data", "training", "search", "zoo", "export", "variants"},
}
LIGHT_ROOMS = (*GROUND, "genotype", "data", "variants")
HEAVY = {"torch", "onnx", "onnxscript", "onnxruntime", "matplotlib", "logomaker", "ray", "sklearn", "pandas"}
CLI_START = {"typer", "typer.core", "genotools.errors"}


def source_files() -> list[tuple[str, str, Path]]:
    """Return room, module name and path of every file of the package, each once."""
    files = []
    for top in ("genotools", "search", "export", "zoo"):
        for path in sorted((ROOT / top).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if any((ROOT / parent).is_symlink() for parent in relative.parents):
                continue
            parts = relative.with_suffix("").parts
            parts = parts if top == "genotools" else ("genotools", *parts)
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            room = parts[1] if len(parts) > 1 else ""
            files.append((room, ".".join(parts), path))
    return files


FILES = source_files()
# Files of the command line with a leading underscore are imported by commands when they run.
COMMANDS = [
    (module, path)
    for room, module, path in FILES
    if room == "cli" and (not path.name.startswith("_") or path.stem in ("__init__", "_options"))
]
LIGHT_MODULES = COMMANDS + [
    (module, path)
    for room, module, path in FILES
    if room in LIGHT_ROOMS
    or module in ("genotools", "genotools.export", "genotools.export.runtime", "genotools.zoo")
]


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def import_statements(path: Path) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node


def imported(node: ast.stmt) -> list[str]:
    """Return the modules that an import statement names; of ``from a import b`` also ``a.b``."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def statements_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported, those of ``if`` and ``try`` included."""
    for statement in body:
        yield statement
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for name in ("body", "orelse", "handlers", "finalbody"):
            if name == "body" and is_type_checking(statement):
                continue
            for inner in getattr(statement, name, []):
                yield from statements_at_import([inner])


def rooms_of(names: list[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("genotools.")}


def test_imports_run_downwards_only() -> None:
    upward = []
    for room, module, path in FILES:
        if (
            module == "genotools"
        ):  # the everyday names at the top are looked up in their rooms when they are used
            continue
        allowed = MAY_IMPORT[room] | {room, "__version__"}
        if module == "genotools.export.runtime":
            allowed = GROUND | {"genotype", "export"}
        if (
            module == "genotools.zoo.model"
        ):  # it predicts with the ONNX runtime, which rests on genotypes alone
            allowed |= {"export"}
        upward += [
            f"{module}, line {node.lineno}: {ast.unparse(node)}"
            for node in import_statements(path)
            if rooms_of(imported(node)) - allowed
        ]
    assert upward == []


def test_every_room_has_its_floor() -> None:
    assert {room for room, _, _ in FILES} - {""} == set(MAY_IMPORT)


def test_imports_are_absolute_and_name_what_they_bring() -> None:
    vague = [
        f"{module}, line {node.lineno}: {ast.unparse(node)}"
        for _, module, path in FILES
        for node in import_statements(path)
        if isinstance(node, ast.ImportFrom) and (node.level or any(alias.name == "*" for alias in node.names))
    ]
    assert vague == []


def test_light_rooms_load_nothing_heavy() -> None:
    loaded = []
    for module, path in LIGHT_MODULES:
        heavy = HEAVY - ({"onnxruntime"} if module == "genotools.export.runtime" else set())
        loaded += [
            f"{module}, line {node.lineno}: {ast.unparse(node)}"
            for node in statements_at_import(parsed(path).body)
            if {name.partition(".")[0] for name in imported(node)} & heavy
        ]
    assert loaded == []


def test_commands_import_what_they_need_when_they_run() -> None:
    early = []
    for module, path in COMMANDS:
        for node in statements_at_import(parsed(path).body):
            for name in imported(node)[:1]:
                is_light = name.partition(".")[0] in sys.stdlib_module_names or name in CLI_START
                if not (is_light or name.startswith("genotools.cli")):
                    early.append(f"{module}, line {node.lineno}: {ast.unparse(node)}")
    assert early == []


def test_randomness_is_handed_in() -> None:
    hidden = []
    for room, module, path in FILES:
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                is_hidden = "random" in imported(node)
            elif isinstance(node, ast.Attribute):
                name = ast.unparse(node)
                is_hidden = (
                    name in ("torch.manual_seed", "torch.cuda.manual_seed_all") and room != "randomness"
                )
                if re.fullmatch(r"(np|numpy)\.random\.\w+", name):
                    is_hidden = node.attr not in ("default_rng", "Generator", "SeedSequence", "PCG64")
            else:
                continue
            if is_hidden:
                hidden.append(f"{module}, line {node.lineno}: {ast.unparse(node)}")
    assert hidden == []


def test_files_stay_below_400_lines() -> None:
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for _, module, path in FILES}
    assert {module: length for module, length in lengths.items() if length >= 400} == {}


def test_every_light_module_loads_without_pytorch() -> None:
    modules = [module for module, _ in LIGHT_MODULES]
    code = (
        "import importlib, sys\n"
        f"for module in {modules!r}:\n"
        "    importlib.import_module(module)\n"
        "    loaded = {'torch', 'onnx', 'matplotlib'} & sys.modules.keys()\n"
        "    assert not loaded, (module, loaded)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_contracts_of_import_linter_are_kept() -> None:
    pytest.importorskip("importlinter")
    code = "import sys; from importlinter.cli import lint_imports_command as c; sys.argv = ['x', '--no-cache']; c()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
