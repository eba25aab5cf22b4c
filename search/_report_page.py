"""The page of a report: its sections, laid out by a template into one file that asks for nothing from elsewhere.

The page forbids itself every request, and every script but its own, whose digest it names: should text of a run ever
get past the escaping, it could neither run nor load anything.
"""

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined

from genotools.search._report_compare import comparison_section, subject_names
from genotools.search._report_one_shot import one_shot_section
from genotools.search._report_sampling import sampling_section
from genotools.search._report_subjects import Subject
from genotools.search._report_views import Section

__all__ = ["page"]


def page(subjects: Sequence[Subject]) -> str:
    """Return the HTML of a report on ``subjects``."""
    ids = [f"run-{number}" for number in range(1, len(subjects) + 1)]
    sections = [_section(subject, id) for subject, id in zip(subjects, ids, strict=True)]
    names = subject_names(subjects)
    if len(sections) > 1:
        sections = [comparison_section(subjects, ids), *sections]
        names = ["Side by side", *names]
    script = _environment().get_template("_report_script.js.j2").render()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=names[0] if len(subjects) == 1 else f"{len(subjects)} searches",
            sections=sections,
            names=list(zip(names, [section.id for section in sections], strict=True)),
            script=script,
            script_digest=base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii"),
        )
    )


def _section(subject: Subject, id: str) -> Section:
    return one_shot_section(subject, id=id) if subject.one_shot_runs else sampling_section(subject, id=id)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _template(name: str) -> str:
    return (resources.files("genotools.search") / name).read_text(encoding="utf-8")
