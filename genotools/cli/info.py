"""``genotools info``, ``hash``, ``validate`` and ``diff``: what a genotype is."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genotools.cli._genotypes import ArchitectureArgument, load_architecture, load_genotype
from genotools.cli._options import Json, Seed
from genotools.errors import DataError, GenotoolsError

if TYPE_CHECKING:
    from genotools.export.runtime import OnnxPredictor
    from genotools.genotype.baselines import BaselineName
    from genotools.genotype.genotype import Genotype
    from genotools.genotype.macro import Macro
    from genotools.genotype.task import Task

__all__ = ["diff", "hash_", "info", "validate"]

MAX_CARD_TEXT = 200
"""Characters of a card's entry that are shown."""

Genotypes = Annotated[
    list[str], typer.Argument(metavar="GENOTYPE...", help="Genotype files, zoo names or run folders.")
]


def info(
    genotype: ArchitectureArgument,
    length: Annotated[
        int, typer.Option("--length", min=1, max=100_000_000, help="Input length in bp.")
    ] = 1000,
    outputs: Annotated[int, typer.Option("--outputs", min=1, max=1_000_000, help="Number of outputs.")] = 919,
    macro: Annotated[
        str | None, typer.Option("--macro", help="paper, small or a file.  [default: paper]")
    ] = None,
    proxies: Annotated[
        bool, typer.Option("--proxies", help="Zero-cost scores of the untrained network as well.")
    ] = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Describe a genotype: digest, cells in words, parameters, MACs, receptive field.

    Of a hand-designed network, its paper, parameters and MACs. Of a .onnx file, what it says of itself: the trained
    network, its task and where it comes from.
    """
    from genotools.cli._macros import load_macro_for
    from genotools.genotype.baselines import BaselineName
    from genotools.genotype.prose import describe
    from genotools.genotype.task import Task
    from genotools.nn.cost import cost

    if genotype.endswith(".onnx"):
        _print_model(genotype, as_json=as_json)
        return
    chosen, task = load_architecture(genotype), Task(outputs)
    frame = load_macro_for(chosen, macro, default="paper", length=length)
    if isinstance(chosen, BaselineName):
        _print_baseline(chosen, length, task, proxies=proxies, as_json=as_json)
        return
    assert frame is not None
    macro = macro or "paper"
    figures = cost(chosen, frame, task)
    values: dict[str, Any] = {
        "digest": chosen.digest,
        "space": chosen.space,
        "macro": macro,
        "length_bp": length,
        "outputs": outputs,
        "params": figures.params,
        "macs": figures.macs,
        "receptive_field_bp": figures.receptive_field_bp,
        "meta": dict(chosen.meta),
    }
    if proxies:
        values |= {"seed": seed, "proxies": _proxies(chosen, frame, task, seed=seed)}
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    typer.echo(describe(chosen))
    typer.echo(f"digest           {chosen.digest}")
    typer.echo(f"parameters       {figures.params:,}   ({macro} macro, {length} bp, {outputs} outputs)")
    typer.echo(f"MACs             {figures.macs:,} a sequence")
    typer.echo(f"receptive field  {figures.receptive_field_bp:,} bp of one position of the last cell")
    for key, value in chosen.meta.items():
        typer.echo(f"{key:<16} {value}")
    if proxies:
        _print_proxies(values["proxies"])


def _print_baseline(name: "BaselineName", length: int, task: "Task", *, proxies: bool, as_json: bool) -> None:
    """Print what a hand-designed network is and costs."""
    from genotools.nn.baselines import baseline_size

    if proxies:
        raise DataError(f"--proxies: zero-cost scores compare genotypes; {name} is hand-designed.")
    size = baseline_size(name, length, task)
    values = {
        "baseline": str(name),
        "digest": name.digest,
        "reference": name.reference,
        "length_bp": length,
        "outputs": task.n_outputs,
        "params": size.params,
        "macs": size.macs,
    }
    if as_json:
        typer.echo(json.dumps(values, indent=2))
        return
    typer.echo(f"{name}: a hand-designed network, without a genotype")
    typer.echo(f"reference        {name.reference}")
    typer.echo(f"digest           {name.digest}")
    typer.echo(f"parameters       {size.params:,}   ({length} bp, {task.n_outputs} outputs)")
    typer.echo(f"MACs             {size.macs:,} a sequence")


def _print_model(file: str, *, as_json: bool) -> None:
    """Print what an exported file says of itself."""
    from genotools.export.runtime import OnnxPredictor

    model = OnnxPredictor(file, threads=1)
    what, values = _architecture_of(model)
    values |= {
        "model_digest": model.digest,
        "task": model.task.to_document(),
        "precision": model.precision,
        "strands": "both" if model.averages_strands else "forward",
        "variant_index": model.variant_index,
        "channel_order": model.metadata["channel_order"],
        "max_difference": model.max_difference,
        "genotools_version": model.metadata["genotools_version"],
        "card": model.card,
    }
    if as_json:
        typer.echo(json.dumps(values, indent=2, ensure_ascii=False))
        return
    typer.echo(what)
    typer.echo(f"digest           {values['digest']}")
    typer.echo(f"model digest     {model.digest}")
    typer.echo(f"parameters       {values['params']:,}   ({model.length:,} bp, {len(model.names):,} outputs)")
    names = ", ".join(model.names[:5]) + (", ..." if len(model.names) > 5 else "")
    typer.echo(f"task             {model.task.kind}: {names}")
    strands = "both strands averaged inside" if model.averages_strands else "the strand that is given"
    typer.echo(f"numbers          {model.precision}, {strands}")
    typer.echo(f"variant index    {model.variant_index}")
    typer.echo(f"difference       {model.max_difference:.1e} to PyTorch, at export")
    for key, value in (model.card or {}).items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        typer.echo(
            f"{key:<16} {text if len(text) <= MAX_CARD_TEXT else text[:MAX_CARD_TEXT] + ' ... (--json)'}"
        )


def _architecture_of(model: "OnnxPredictor") -> tuple[str, dict[str, Any]]:
    """Return words and values about what an exported file was built from."""
    from genotools.genotype.baselines import BaselineName

    if isinstance(model.architecture, BaselineName):
        name = model.architecture
        values = {"baseline": str(name), "digest": name.digest, "reference": name.reference}
        words = f"{name}: a hand-designed network, without a genotype\nreference        {name.reference}"
        return words, {**values, "length_bp": model.length, "params": int(model.metadata["params"])}
    from genotools.genotype.prose import describe
    from genotools.nn.cost import cost

    genotype, macro = model.genotype, model.macro.to_document()
    figures = cost(genotype, model.macro, model.task)
    facts: dict[str, Any] = {"digest": genotype.digest, "space": genotype.space, "macro": macro}
    return describe(genotype), {**facts, "params": figures.params, "macs": figures.macs}


def _proxies(genotype: "Genotype", macro: "Macro", task: "Task", *, seed: int) -> dict[str, dict[str, Any]]:
    """Return each zero-cost score with its direction, what it costs and what it cannot see, as JSON values."""
    from genotools.search.proxies import PROXIES, score_all

    scores = score_all(genotype, macro, task, seed=seed)
    return {name: {"score": value, **asdict(PROXIES[name])} for name, value in scores.items()}


def _print_proxies(proxies: Mapping[str, Mapping[str, Any]]) -> None:
    typer.echo("\nzero-cost scores; a filter at best, and no better than parameters and MACs on many tasks")
    for name, proxy in proxies.items():
        figure = f"{proxy['score']:,.0f}" if name in ("params", "macs") else f"{proxy['score']:.4f}"
        source = "" if proxy["reference"] == proxy["takes"] else f"; {proxy['reference']}"
        typer.echo(
            f"{name:<16} {figure}   ({proxy['better']} is taken to be better; {proxy['takes']}{source})"
        )
        typer.echo(f"{'':<16} {proxy['measures']}; {proxy['caveat']}")


def hash_(genotypes: Genotypes, as_json: Json = False) -> None:
    """Print the digest of each genotype."""
    digests = {text: load_genotype(text).digest for text in genotypes}
    if as_json:
        typer.echo(json.dumps(digests, indent=2))
        return
    for text, digest in digests.items():
        typer.echo(f"{digest}  {text}")


def validate(genotypes: Genotypes) -> None:
    """Check genotype files; say everything that is wrong with each."""
    n_bad = 0
    for text in genotypes:
        try:
            load_genotype(text)
        except GenotoolsError as error:
            n_bad += 1
            typer.echo(str(error), err=True)
        else:
            typer.echo(f"{text}: valid")
    if n_bad:
        raise typer.Exit(1)


def diff(
    first: Annotated[str, typer.Argument(metavar="GENOTYPE", help="The old one.")],
    second: Annotated[str, typer.Argument(metavar="GENOTYPE", help="The new one.")],
) -> None:
    """Say in words what changed from one genotype to another."""
    from genotools.genotype.prose import diff as changes

    lines = changes(load_genotype(first), load_genotype(second))
    typer.echo("\n".join(lines) if lines else "The two are the same genotype.")
