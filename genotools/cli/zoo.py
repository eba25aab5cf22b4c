"""``genotools zoo``: entries under names."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genotools.cli._options import Force, Json

if TYPE_CHECKING:
    from genotools.zoo.entries import Listing

__all__ = ["app"]

app = typer.Typer(
    help="Genotypes and models under names: list, show, get, add, verify, page. A zoo is a folder, "
    "https://HOST/PATH, or hf:OWNER/NAME on the Hugging Face Hub.",
    no_args_is_help=True,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the entry.")]
Zoo = Annotated[
    str | None,
    typer.Option(
        "--zoo", metavar="WHERE", help="Look in this zoo alone: a folder, https://HOST/PATH, hf:OWNER/NAME."
    ),
]
MARKS = {"given": "", "yours": "(yours) ", "shipped": "", "fetched": "(fetched) "}


@app.command("list")
def list_(zoo: Zoo = None, as_json: Json = False) -> None:
    """List all entries: of the zoo in GENOTOOLS_ZOO, your own, the shipped ones, and those fetched before.

    A name means the first of these that has it.
    """
    from genotools.errors import GenotoolsError
    from genotools.zoo.entries import listings

    found: list[Listing] = []
    faults = []
    for item in listings(zoo):
        if isinstance(item, GenotoolsError):
            faults.append(str(item))
        else:
            found.append(item)
    if as_json:
        documents = [{**item.document, "path": str(item.path) if item.path else None} for item in found]
        typer.echo(json.dumps(documents, indent=2))
    else:
        width = max((len(item.name) for item in found), default=0)
        for item in found:
            parts = "+".join(item.parts)
            typer.echo(f"{item.name:<{width}}  {parts:<8}  {MARKS[item.kind]}{item.summary}")
    if faults:
        typer.echo("\n".join(["What cannot be read:", *faults]), err=True)
        raise typer.Exit(1)


@app.command()
def show(name: Name, zoo: Zoo = None, as_json: Json = False) -> None:
    """Show an entry: its card and its genotype in words."""
    from genotools.genotype.prose import describe
    from genotools.zoo import load_entry
    from genotools.zoo.card_text import card_lines, scores

    entry = load_entry(name, zoo=zoo)
    if as_json:
        typer.echo(json.dumps({**entry.card.model_dump(), "path": str(entry.path)}, indent=2))
        return
    typer.echo(f"{entry.name}: {entry.card.summary}\n")
    typer.echo(f"has         {', '.join(entry.parts)}")
    for label, text in card_lines(entry):
        typer.echo(f"{label:<11} {text}")
    for label, (value, split) in scores(entry.card).items():
        typer.echo(f"{label:<11} {value:.4f} on the {split} split")
    typer.echo(f"folder      {entry.path}\n")
    typer.echo(describe(entry.genotype), nl=False)


@app.command()
def get(
    name: Name,
    zoo: Zoo = None,
    max_mb: Annotated[
        int, typer.Option("--max-mb", min=1, help="Largest file that is fetched, in 10^6 bytes.")
    ] = 1000,
) -> None:
    """Fetch an entry of a zoo elsewhere, or its newest state, and print its folder.

    Every file is checked against the SHA-256 in the card. The entry is used without a network from then on.
    """
    from genotools.errors import GenotoolsError
    from genotools.zoo.entries import entry_path, fetch_entry

    path = fetch_entry(name, zoo=zoo, max_file_bytes=max_mb * 1_000_000)
    typer.echo(path)
    if zoo is None:
        return
    try:
        is_hidden = entry_path(name) != path
    except GenotoolsError:  # fetched from several zoos, or another zoo cannot be reached
        is_hidden = True
    if is_hidden:
        typer.echo(
            f"{name} alone does not mean this one. Write {path}, or genotools --zoo {zoo} before a command.",
            err=True,
        )


@app.command()
def add(
    name: Name,
    source: Annotated[
        Path, typer.Argument(help="A genotype file, or a folder of a training or a search.", exists=True)
    ],
    summary: Annotated[str, typer.Option("--summary", help="One line: what it is good for.")],
    origin: Annotated[str, typer.Option("--origin", help="Who made it and how.")] = "added by hand",
    zoo: Annotated[
        str | None, typer.Option("--zoo", metavar="FOLDER", help="Folder of the zoo; your own by default.")
    ] = None,
    weights_licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Licence of the weights, such as CC-BY-4.0.")
    ] = None,
    data_licence: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Licence of the data they were trained on.")
    ] = None,
    force: Force = False,
) -> None:
    """Add an entry to your zoo (or another, with --zoo), and to its index.json.

    The folder can be put on a web server, or on the Hugging Face Hub, as it is: then it is a zoo for others.
    """
    from genotools.zoo import add_entry
    from genotools.zoo.card import Licences
    from genotools.zoo.sources import facts_of

    entry = add_entry(
        name,
        source,
        summary=summary,
        origin=origin,
        zoo=zoo,
        licences=Licences.model_construct(weights=weights_licence, data=data_licence),
        facts=facts_of(source),
        force=force,
    )
    typer.echo(entry.path)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME...]", help="All without a name.")
    ] = None,
    zoo: Zoo = None,
) -> None:
    """Check entries: sums of all files, genotypes, that model files belong to them, and what models answer."""
    from genotools.errors import GenotoolsError
    from genotools.zoo import entry_names, load_entry, verify_answers, verify_entry
    from genotools.zoo.index import check_index

    n_bad = 0
    for name in names or entry_names(zoo):
        try:
            entry = load_entry(name, zoo=zoo)
            checks = [*verify_entry(entry), verify_answers(entry)]
        except GenotoolsError as error:
            n_bad += 1
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{name}: {'; '.join(checks)}")
    if zoo is not None and not names and Path(zoo).is_dir():
        check_index(Path(zoo))
        typer.echo("index.json: as the entries are")
    if n_bad:
        raise typer.Exit(1)


@app.command()
def page(
    output: Annotated[
        Path, typer.Option("-o", "--output", help="The folder to write, a web site.", show_default=False)
    ],
    zoo: Zoo = None,
    force: Force = False,
) -> None:
    """Write a gallery of all entries: a folder for any web server, which asks nothing of other places.

    It holds the entries themselves, too, so its address is a zoo for --zoo and GENOTOOLS_ZOO.
    """
    from genotools.zoo.page import write_page

    typer.echo(write_page(output, zoo=zoo, force=force))
