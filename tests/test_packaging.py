"""What setuptools is told must be what the folders hold: what is forgotten is silently absent from the wheel."""

import fnmatch
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import genotools

MAPPED = ("search", "export", "zoo")


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    """Return the tables of pyproject.toml."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))


def package_folders(root: Path) -> dict[str, Path]:
    """Return every folder with Python files by the name it is imported as."""
    found = {}
    for top in ("genotools", *MAPPED):
        prefix = "" if top == "genotools" else "genotools."
        for folder, subfolders, files in os.walk(root / top):  # links are not followed
            subfolders[:] = [name for name in subfolders if name != "__pycache__"]
            if any(name.endswith(".py") for name in files):
                parts = Path(folder).relative_to(root).parts
                found[prefix + ".".join(parts)] = Path(folder)
    return found


def versioned_files(root: Path) -> list[Path]:
    """Return the files of the checkout that git knows or would add, or skip."""
    if shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("not a git checkout: which files belong to the project is not known")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(command, cwd=root, check=True, capture_output=True).stdout.decode()
    return [path for name in sorted(set(output.split("\0"))) if name and (path := root / name).is_file()]


def test_packages_are_the_folders_with_python_files(root: Path, project: dict[str, Any]) -> None:
    listed = project["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(package_folders(root))
    assert len(listed) == len(set(listed))


def test_every_package_has_an_init_file(root: Path) -> None:
    for name, folder in package_folders(root).items():
        assert (folder / "__init__.py").is_file(), name


def test_package_folders_are_mapped_to_their_names(project: dict[str, Any]) -> None:
    expected = {"genotools": "genotools", **{f"genotools.{name}": name for name in MAPPED}}
    assert project["tool"]["setuptools"]["package-dir"] == expected
    assert project["tool"]["setuptools"]["include-package-data"] is False


def data_files(root: Path) -> Iterator[tuple[str, Path, PurePosixPath]]:
    """Yield each file below a package that is not Python: package, file, and its path inside the package."""
    folders = package_folders(root)
    for file in versioned_files(root):
        if file.suffix == ".py" or file.is_symlink():
            continue
        holders = [name for name, folder in folders.items() if folder in file.parents]
        if holders:
            package = max(holders, key=len)
            yield package, file, PurePosixPath(file.relative_to(folders[package]).as_posix())


def matches(path: PurePosixPath, pattern: str) -> bool:
    parts = pattern.split("/")
    return len(parts) == len(path.parts) and all(map(fnmatch.fnmatch, path.parts, parts))


def test_every_data_file_is_shipped(root: Path, project: dict[str, Any]) -> None:
    patterns = project["tool"]["setuptools"]["package-data"]
    forgotten = [
        f"{package}: {path}"
        for package, _, path in data_files(root)
        if not any(matches(path, pattern) for pattern in patterns.get(package, []))
    ]
    assert forgotten == []


def test_every_pattern_of_package_data_matches_something(root: Path, project: dict[str, Any]) -> None:
    files = [(package, path) for package, _, path in data_files(root)]
    for package, patterns in project["tool"]["setuptools"]["package-data"].items():
        for pattern in patterns:
            found = [path for name, path in files if name == package and matches(path, pattern)]
            assert found, f"{package}: {pattern}"


def test_licence_files_and_readme_exist(root: Path, project: dict[str, Any]) -> None:
    for name in [project["project"]["readme"], *project["project"]["license-files"]]:
        assert list(root.glob(name)), name


def test_version_is_that_of_the_project(project: dict[str, Any]) -> None:
    assert genotools.__version__ == project["project"]["version"]


@pytest.mark.parametrize("name", MAPPED)
def test_links_for_editors_point_to_the_real_folders(name: str, root: Path) -> None:
    link = root / "genotools" / name
    assert link.is_symlink()
    assert os.readlink(link) == f"../{name}"


@pytest.mark.parametrize("name", MAPPED)
def test_a_mapped_folder_refuses_to_be_imported_under_another_name(name: str, root: Path) -> None:
    spec = importlib.util.spec_from_file_location(name, root / name / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.raises(ImportError, match=rf"installed as genotools\.{name}\. Import it under that name"):
        spec.loader.exec_module(module)


@pytest.mark.parametrize("name", MAPPED)
def test_a_mapped_folder_is_one_module_and_not_two(name: str, root: Path) -> None:
    module = importlib.import_module(f"genotools.{name}")
    assert module.__file__ is not None
    assert Path(module.__file__).resolve() == root / name / "__init__.py"


def test_the_genotools_command_runs_the_command_line(project: dict[str, Any]) -> None:
    target = project["project"]["scripts"]["genotools"]
    module, _, function = target.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.slow
def test_the_wheel_holds_every_file_once_and_nothing_else(root: Path, tmp_path: Path) -> None:
    source, built = tmp_path / "source", tmp_path / "built"
    built.mkdir()
    for file in versioned_files(root):
        target = source / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        if not any(parent.is_symlink() for parent in file.parents):
            shutil.copy(file, target)
    build = "from setuptools import build_meta; build_meta.build_wheel(__import__('sys').argv[1])"
    check = subprocess.run([sys.executable, "-c", "import setuptools"], capture_output=True)
    if check.returncode:
        pytest.skip("setuptools is not installed, so no wheel can be built without a network")
    subprocess.run([sys.executable, "-c", build, str(built)], cwd=source, check=True, capture_output=True)
    (wheel,) = built.glob("*.whl")
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    expected = []
    for name, folder in package_folders(root).items():
        base = PurePosixPath(*name.split("."))
        expected += [str(base / file.name) for file in folder.glob("*.py")]
    folders = {package: PurePosixPath(*package.split(".")) for package, _, _ in data_files(root)}
    expected += [str(folders[package] / path) for package, _, path in data_files(root)]
    assert sorted(names) == sorted(expected)
