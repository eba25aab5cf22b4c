"""The page of a report: its sections, laid out by a template into one file that asks for nothing from elsewhere.

The page forbids itself every request, and every script but its own, whose digest it names: should text of a run ever
get past the escaping, it could neither run nor load anything.
"""

from collections.abc import Sequence

from genotools.search.report.compare import comparison_section, subject_names
from genotools.search.report.one_shot import one_shot_section
from genotools.search.report.sampling import sampling_section
from genotools.search.report.subjects import Subject
from genotools.search.report.views import Section
from genotools.templates import source_digest, templates_of

__all__ = ["page"]


def page(subjects: Sequence[Subject]) -> str:
    """Return the HTML of a report on ``subjects``."""
    ids = [f"run-{number}" for number in range(1, len(subjects) + 1)]
    sections = [_section(subject, id) for subject, id in zip(subjects, ids, strict=True)]
    names = subject_names(subjects)
    if len(sections) > 1:
        sections = [comparison_section(subjects, ids), *sections]
        names = ["Side by side", *names]
    templates = templates_of("genotools.search.report")
    script = templates.get_template("script.js.j2").render()
    return templates.get_template("page.html.j2").render(
        title=names[0] if len(subjects) == 1 else f"{len(subjects)} searches",
        sections=sections,
        names=list(zip(names, [section.id for section in sections], strict=True)),
        script=script,
        script_digest=source_digest(script),
    )


def _section(subject: Subject, id: str) -> Section:
    return one_shot_section(subject, id=id) if subject.one_shot_runs else sampling_section(subject, id=id)
