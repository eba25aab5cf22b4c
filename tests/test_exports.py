"""Public names: every module says what it is and what it offers, and offers what it says."""

import ast
import importlib
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def public_modules() -> list[tuple[str, Path]]:
    """Return every module without a leading underscore, by name."""
    found = []
    for top in ("genotools", "search", "export", "zoo"):
        for path in sorted((ROOT / top).rglob("*.py")):
            relative = path.relative_to(ROOT)
            if any((ROOT / parent).is_symlink() for parent in relative.parents):
                continue
            parts = relative.with_suffix("").parts
            parts = parts if top == "genotools" else ("genotools", *parts)
            parts = parts[:-1] if parts[-1] == "__init__" else parts
            if not any(part.startswith("_") for part in parts):
                found.append((".".join(parts), path))
    return found


MODULES = public_modules()


def sort_key(name: str) -> tuple[int, list[int | str]]:
    """Return the place of a name as ruff sorts them: constants, classes, the rest, numbers as numbers."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    return kind, [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def written_exports(path: Path) -> list[str] | None:
    """Return ``__all__`` as it stands in the file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            assert node.value is not None
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None


def is_plain_package(path: Path) -> bool:
    """Return whether a file only has a docstring: a package that offers nothing itself."""
    return path.name == "__init__.py" and len(ast.parse(path.read_text(encoding="utf-8")).body) <= 1


def test_every_public_module_lists_its_names_in_order() -> None:
    faults = []
    for module, path in MODULES:
        names = written_exports(path)
        if names is None and not is_plain_package(path):
            faults.append(f"{module}: no __all__")
        elif names != sorted(set(names or []), key=sort_key) and names is not None:
            faults.append(f"{module}: __all__ is not sorted, or a name is there twice")
    assert faults == []


def test_every_listed_name_exists() -> None:
    missing = [
        f"{module}.{name}"
        for module, path in MODULES
        for name in written_exports(path) or []
        if not hasattr(importlib.import_module(module), name)
    ]
    assert missing == []


def test_every_public_module_says_what_it_is() -> None:
    for module, path in MODULES:
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        assert len(docstring) > 20, f"{module}: no docstring"
        assert docstring.splitlines()[0].endswith((".", ":")), f"{module}: {docstring.splitlines()[0]}"


def test_everything_listed_that_a_module_defines_has_a_docstring() -> None:
    silent = []
    for module, path in MODULES:
        listed = set(written_exports(path) or [])
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in listed:
                silent += [] if ast.get_docstring(node) else [f"{module}.{node.name}"]
    assert silent == []


def test_the_top_level_names_are_looked_up_where_they_live() -> None:
    import genotools

    assert genotools.GENOME_NAS.name == "genome-nas"
    assert genotools.build.__module__.startswith("genotools.nn")
    assert callable(genotools.cost)
