"""The site builds without a warning, its links lead somewhere, and it asks nothing of other places."""

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("material") is None or importlib.util.find_spec("mkdocs") is None:
        pytest.skip("mkdocs-material is not installed: pip install 'genotools[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(ROOT / "tools/site/mkdocs.yml")]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run([*command, "-d", str(folder)], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return folder


class _Fetched(HTMLParser):
    """Collects what a browser fetches for a page; links that a person follows are not among it."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        names = ["src", "srcset", "data"]
        is_followed = values.get("rel") in ("canonical", "next", "prev")
        if tag in ("use", "image", "link") and not is_followed:
            names.append("href")
        self.addresses += [values.get(name) or "" for name in names]


def test_every_page_is_in_the_site(site: Path) -> None:
    built = {path.stem for path in site.glob("*.html")}
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} | {"benchmarks", "changelog"} <= built


def test_nothing_is_fetched_from_elsewhere(site: Path) -> None:
    found = []
    for path in sorted(site.rglob("*.html")):
        page = _Fetched()
        page.feed(path.read_text(encoding="utf-8"))
        found += [(path.name, address) for address in page.addresses if re.match(r"(https?:)?//", address)]
    for path in sorted(site.rglob("*.css")):
        text = path.read_text(encoding="utf-8")
        found += [(path.name, address) for address in re.findall(r"url\(['\"]?((?:https?:)?//[^)]*)", text)]
        found += [(path.name, "@import") for _ in re.findall(r"@import\s", text)]
    assert found == []


def test_nothing_makes_the_themes_script_fetch_from_elsewhere(site: Path) -> None:
    # It fetches Mermaid where a page has a diagram of it, and numbers of a repository that the header shows.
    for path in sorted(site.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        assert 'class="mermaid"' not in text, path.name
        assert 'data-md-component="source"' not in text, path.name


def test_the_genotype_is_drawn_in_the_colours_of_the_page(site: Path) -> None:
    page = (site / "index.html").read_text(encoding="utf-8")
    assert page.count("<svg") >= 3
    assert "var(--cell-card)" in page
    assert 'src="assets/cell-' not in page


def test_links_between_files_of_the_project_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    broken = []
    for page in pages:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if not re.match(r"[a-z]+:", target) and not (page.parent / target).exists():
                broken.append((page.name, target))
    assert broken == []
