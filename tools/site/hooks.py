"""What the site does to the pages of docs/, which are written to be read as plain files, too.

Files of the project that pages refer to become pages; drawings are put into the page and follow its colours.
"""

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from mkdocs.structure.files import File

ROOT = Path(__file__).parents[2]

OUTSIDE = {"benchmarks.md": "benchmarks/README.md", "changelog.md": "CHANGELOG.md"}
"""Pages that lie elsewhere in the project."""

SVG = "http://www.w3.org/2000/svg"

SCALE = 1.6
"""Pixels a point of a drawing, at most."""

ROLES = {
    "#1f2937": "ink",
    "#7c2d4f": "output",
    "#4b5563": "edge",
    "#aab2bd": "gathered",
    "#f4f5f7": "card",
    "#9aa3b0": "rim",
}
"""What the colours of a drawing stand for; those of ops are everywhere the same."""


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that lie elsewhere."""
    for name, path in OUTSIDE.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Let links to these files lead to their pages, and put drawings into the page."""
    del files
    if page.file.src_uri == "index.md":
        page.meta["hide"] = ["toc"]
    for name, path in OUTSIDE.items():
        markdown = markdown.replace(f"](../{path}", f"]({name}")
    docs = Path(config["docs_dir"])
    return re.sub(
        r"!\[([^\]]*)\]\((assets/cell-\w+\.svg)\)",
        lambda found: _drawing(docs / found[2], found[1]),
        markdown,
    )


def on_page_content(html: str, page: Any, config: Any, files: Any) -> str:
    """Let every cell of a table know its column, which a phone shows in front of it."""
    del page, config, files
    return re.sub(r"<table>.*?</table>", lambda found: _labelled(found[0]), html, flags=re.DOTALL)


def _labelled(table: str) -> str:
    titles = [re.sub(r"<[^>]*>", "", title) for title in re.findall(r"<th[^>]*>(.*?)</th>", table, re.DOTALL)]

    def row(found: re.Match[str]) -> str:
        columns = iter(titles)
        return re.sub("<td", lambda _: f'<td data-column="{next(columns)}"', found[0])

    return re.sub(r"<tr>.*?</tr>", row, table, flags=re.DOTALL)


def _drawing(path: Path, label: str) -> str:
    """Return a drawing whose colours are those of the page."""
    ElementTree.register_namespace("", SVG)
    root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
    root.set("aria-label", label)
    width = float(root.get("viewBox", "0 0 0 0").split()[2])
    root.set("style", f"max-width: {width * SCALE:.0f}px")  # one size of letters in all drawings
    for element in root.iter():
        is_number = element.get("font-weight") == "bold"
        for attribute in ("fill", "stroke"):
            role = ROLES.get(element.get(attribute, ""))
            if role == "ink" and element.tag == f"{{{SVG}}}text":
                role = "number" if is_number else None  # what an op is called stands on the colour of the op
            if role:
                element.set(attribute, f"var(--cell-{role})")
    text = ElementTree.tostring(root, encoding="unicode").replace("\n", "")
    return f"<figure>{text}</figure>"
