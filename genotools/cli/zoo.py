"""``genotools zoo``: entries under names."""

import json
from pathlib import Path
from typing import Annotated

import typer

from genotools.cli._options import Force, Json

__all__ = ["app"]

app = typer.Typer(help="Genotypes and models under names: list, show, add, verify.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the entry.")]


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List all entries, the shipped ones and your own."""
    from genotools.errors import GenotoolsError
    from genotools.zoo import Entry, entry_names, load_entry

    entries: list[Entry] = []
    faults = []
    for name in entry_names():
        try:
            entries.append(load_entry(name))
        except GenotoolsError as error:
            faults.append(str(error))
    if as_json:
        typer.echo(
            json.dumps([{**entry.card.model_dump(), "path": str(entry.path)} for entry in entries], indent=2)
        )
    else:
        width = max((len(entry.name) for entry in entries), default=0)
        for entry in entries:
            whose = "" if entry.is_shipped else "(yours) "
            typer.echo(f"{entry.name:<{width}}  {'+'.join(entry.parts):<8}  {whose}{entry.card.summary}")
    if faults:
        typer.echo("\n".join(["Entries that cannot be read:", *faults]), err=True)
        raise typer.Exit(1)


@app.command()
def show(name: Name, as_json: Json = False) -> None:
    """Show an entry: its card and its genotype in words."""
    from genotools.genotype.prose import describe
    from genotools.zoo import load_entry

    entry = load_entry(name)
    if as_json:
        typer.echo(json.dumps({**entry.card.model_dump(), "path": str(entry.path)}, indent=2))
        return
    typer.echo(f"{entry.name}: {entry.card.summary}\n")
    typer.echo(f"origin    {entry.card.origin}")
    typer.echo(f"has       {', '.join(entry.parts)}")
    licences = entry.card.licences.model_dump(exclude_none=True)
    typer.echo(f"licences  {', '.join(f'{part} {text}' for part, text in licences.items())}")
    for key in ("task", "data", "macro", "metrics"):
        if value := getattr(entry.card, key):
            typer.echo(f"{key:<9} {json.dumps(value)}")
    typer.echo(f"folder    {entry.path}\n")
    typer.echo(describe(entry.genotype), nl=False)


@app.command()
def add(
    name: Name,
    source: Annotated[
        Path, typer.Argument(help="A genotype file, or a folder of a training or a search.", exists=True)
    ],
    summary: Annotated[str, typer.Option("--summary", help="One line: what it is good for.")],
    origin: Annotated[str, typer.Option("--origin", help="Who made it and how.")] = "added by hand",
    zoo: Annotated[Path | None, typer.Option("--zoo", help="Folder of the zoo; your own by default.")] = None,
    force: Force = False,
) -> None:
    """Add an entry to your zoo (or another, with --zoo)."""
    from genotools.zoo import add_entry
    from genotools.zoo.sources import facts_of

    entry = add_entry(
        name, source, summary=summary, origin=origin, zoo=zoo, facts=facts_of(source), force=force
    )
    typer.echo(entry.path)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="All without a name.")
    ] = None,
) -> None:
    """Check entries: sums of all files, the genotype, and that model files belong to it."""
    from genotools.errors import GenotoolsError
    from genotools.zoo import entry_names, load_entry, verify_entry

    n_bad = 0
    for name in names or entry_names():
        try:
            checks = verify_entry(load_entry(name))
        except GenotoolsError as error:
            n_bad += 1
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{name}: {'; '.join(checks)}")
    if n_bad:
        raise typer.Exit(1)
