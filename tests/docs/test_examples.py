"""Every example in Python on a page runs, one page after the other in one go, and every JSON document is valid."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import jsonschema
import pytest

from genotools.genotype import Genotype, Macro
from genotools.genotype.documents import genotype_schema, space_from_document

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


WITH_PYTHON = [page for page in PAGES if blocks(page, "python")]
SLOW = {"docs/own-sequences.md"}  # searches and trains
DOCUMENTS = [(page, json.loads(text)) for page in PAGES for text in blocks(page, "json")]


@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=[pytest.mark.slow] * (page in SLOW)) for page in WITH_PYTHON]
)
def test_the_examples_of_a_page_run(page: str, run_python: Callable[[str], CompletedProcess[str]]) -> None:
    done = run_python("\n".join(blocks(page, "python")))
    assert done.returncode == 0, done.stderr
    assert "Exception ignored" not in done.stderr


def test_pages_with_examples_are_found() -> None:
    expected = {"README.md", "docs/index.md", "docs/ops.md", "docs/spaces.md", "docs/engines.md"}
    assert expected <= {*WITH_PYTHON}


@pytest.mark.parametrize(("page", "document"), DOCUMENTS, ids=[page for page, _ in DOCUMENTS])
def test_a_json_document_on_a_page_is_valid(page: str, document: Any) -> None:
    match document["format"]:
        case "genotools/genotype":
            jsonschema.validate(document, genotype_schema())
            assert Genotype.from_json(json.dumps(document)).digest == document["digest"]
        case "genotools/space":
            assert space_from_document(document).name == document["name"]
        case "genotools/macro":
            assert Macro.from_document(document).length == document["length"]
        case other:
            pytest.fail(f"{page}: a document of format {other!r} is not checked by any test")


def test_the_genotype_of_the_front_page_is_the_one_of_the_format_page() -> None:
    (document,) = [document for page, document in DOCUMENTS if page == "docs/genotype-format.md"]
    example = Genotype.load(ROOT / "docs" / "assets" / "example.genotype.json")
    assert document["digest"] == example.digest
    assert example.digest[:12] in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
