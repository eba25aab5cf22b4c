"""``genotools doctor``: whether this installation works, on one screen."""

import textwrap

import typer

from genotools.cli._options import Json

__all__ = ["doctor"]

WIDTH = 100
MARKS = {"ok": "ok", "note": "--", "fault": "!!"}


def doctor(json: Json = False) -> None:
    """Look at versions, devices, threads, extras and folders, and go the whole way once with a tiny network.

    `--` marks what some commands miss, `!!` what has to be mended; exit code 1 if there is any of the latter.
    """
    from genotools.cli._doctor_checks import CHECKS
    from genotools.files import to_json

    findings = []
    for check in CHECKS:
        for finding in check():
            findings.append(finding)
            if not json:
                typer.echo(_wrapped(f"{MARKS[finding.status]}  {finding.subject:<12} ", finding.text))
                if finding.advice:
                    typer.echo(_wrapped(f"{'':<16} -> ", finding.advice))
    n_faults = sum(finding.status == "fault" for finding in findings)
    if json:
        document = {"faults": n_faults, "findings": [finding.to_document() for finding in findings]}
        typer.echo(to_json(document), nl=False)
    elif n_faults:
        typer.echo(f"{n_faults} to mend.", err=True)
    raise typer.Exit(1 if n_faults else 0)


def _wrapped(head: str, text: str) -> str:
    """Return a line of the report, broken between words where it is too long."""
    lines = textwrap.wrap(
        text, WIDTH - len(head), break_long_words=False, break_on_hyphens=False, replace_whitespace=True
    )
    return f"\n{'':<16} ".join([head + "".join(lines[:1]), *lines[1:]])
