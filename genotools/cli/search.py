"""``genotools search``: an engine looks for a genotype."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from genotools.cli._genotypes import SpaceOption, load_space
from genotools.cli._options import Device, Json, Resume, Seed
from genotools.errors import DataError

if TYPE_CHECKING:
    from genotools.search import SearchResult, Trial

__all__ = ["search"]


def search(
    engine: Annotated[
        str,
        typer.Argument(help="random; or with a supernet: darts, pdarts, cwp-darts, edp-darts."),
    ],
    data: Annotated[Path, typer.Option("--data", help="A sequence store (.h5).", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="The run folder.", show_default=False)],
    preset: Annotated[
        str, typer.Option("--preset", help="quick, paper, or, with a supernet, reference.")
    ] = "quick",
    trials: Annotated[
        int | None, typer.Option("--trials", min=1, help="Trials in all; the preset's.")
    ] = None,
    epochs: Annotated[
        int | None,
        typer.Option("--epochs", min=1, help="Epochs of a trial, or of every stage; the preset's."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", min=1, help="Steps of an epoch; the preset's.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1, help="The preset's.")] = None,
    macro: Annotated[
        str | None, typer.Option("--macro", help="small, paper or a file; the preset's.")
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option("--objective", help="valid_auprc (the default), valid_auroc or valid_weighted_f1."),
    ] = None,
    order: Annotated[
        Literal["first", "second"] | None,
        typer.Option("--order", help="Of the gradient of the alphas; the preset's. [supernet]"),
    ] = None,
    select: Annotated[
        Literal["argmax", "perturbation"] | None,
        typer.Option("--select", help="What decides in the finished supernet; the preset's. [supernet]"),
    ] = None,
    max_skips: Annotated[
        int | None,
        typer.Option("--max-skips", min=0, help="Skips in the normal cell; the preset's. [supernet]"),
    ] = None,
    weight_only_epochs: Annotated[
        int | None,
        typer.Option(
            "--weight-only-epochs",
            min=0,
            help="Epochs of a stage before the alphas; the preset's. [supernet]",
        ),
    ] = None,
    alpha_data: Annotated[
        Literal["train-half", "valid"] | None,
        typer.Option("--alpha-data", help="What the alphas learn from; the preset's. [supernet]"),
    ] = None,
    alpha_lr: Annotated[
        float | None, typer.Option("--alpha-lr", min=0, help="The preset's. [supernet]")
    ] = None,
    checkpoint_cells: Annotated[
        bool, typer.Option("--checkpoint-cells", help="Less memory, more time. [supernet]")
    ] = False,
    space: SpaceOption = "genome-nas",
    seed: Seed = 0,
    device: Device = "auto",
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Search for a genotype: train and validate what an engine proposes, or train a supernet that holds them all.

    The run folder holds a journal; a run that was stopped goes on with --resume. Options marked [supernet] are for
    darts, pdarts, cwp-darts and edp-darts; --trials and --objective are for the others.
    """
    from genotools.search.one_shot_engines import ONE_SHOT_ENGINES, engine_name

    for_supernets: dict[str, Any] = {
        "order": order,
        "select": select,
        "max_skips": max_skips,
        "weight_only_epochs": weight_only_epochs,
        "alpha_data": alpha_data,
        "alpha_lr": alpha_lr,
    }
    if engine_name(engine) in ONE_SHOT_ENGINES:
        _refuse(engine, {"trials": trials, "objective": objective})
        from genotools.cli._one_shot import run_one_shot

        run_one_shot(
            engine,
            data,
            output,
            preset=preset,
            macro=macro,
            space=space,
            seed=seed,
            device=device,
            resume=resume,
            as_json=as_json,
            checkpoint_cells=checkpoint_cells,
            changes={"epochs": epochs, "steps_per_epoch": steps, "batch_size": batch_size} | for_supernets,
        )
        return
    _refuse(engine, for_supernets | {"checkpoint_cells": checkpoint_cells or None})
    objective = objective or "valid_auprc"
    from genotools.cli._macros import load_macro
    from genotools.cli._resume import resume_hint
    from genotools.cli._trial_progress import TrialProgress
    from genotools.data.store import SequenceStore
    from genotools.search import search as run_search
    from genotools.search.evaluator import TrainingEvaluator
    from genotools.search.presets import get_search_preset
    from genotools.training.device import choose_device

    chosen = get_search_preset(preset)
    settings = chosen.training.changed(epochs=epochs, steps_per_epoch=steps, batch_size=batch_size)
    n_trials = trials or chosen.n_trials
    with resume_hint(), SequenceStore.open(data) as store, TrialProgress(n_trials) as progress:
        evaluator = TrainingEvaluator(
            store,
            load_macro(macro or chosen.macro, length=store.length),
            settings,
            objective=objective,
            device=str(choose_device(device)),
            on_step=progress.on_step,
        )
        result = run_search(
            engine,
            load_space(space),
            evaluator,
            output,
            n_trials=n_trials,
            seed=seed,
            resume=resume,
            on_trial=progress.on_trial,
        )
    if as_json:
        typer.echo((output / "result.json").read_text(), nl=False)
    else:
        options = ["--preset", preset, *(["--macro", macro] if macro else [])]
        _print_result(result, objective, data, options)


def _refuse(engine: str, options: dict[str, Any]) -> None:
    """Refuse options that the engine has no use for: ignoring them would mislead."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise DataError(f"engine {engine!r} has no use for {', '.join(given)}.")


def _print_result(result: "SearchResult", objective: str, data: Path, options: Sequence[str]) -> None:
    """Name the trials, the best genotype, its file and score, and the next command to type."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "trial", "genotype", objective, "valid_loss", "params", "seconds", box=None, header_style="bold"
    )
    for trial in result.trials:
        table.add_row(*_cells(trial), style="green" if trial is result.best else None)
    Console().print(table)
    typer.echo(f"\nbest genotype  {result.best.genotype.digest[:12]}  (trial {result.best.number})")
    typer.echo(f"{objective:<14} {result.best.score:.4f}")
    typer.echo(f"file           {result.best_path}")
    command = ["genotools", "train", str(result.folder), "--data", str(data), *options]
    typer.echo(f"next           {shlex.join([*command, '-o', f'{result.folder}-trained'])}")


def _cells(trial: "Trial") -> list[str]:
    metrics = trial.metrics or {}
    score = "failed" if trial.score is None else f"{trial.score:.4f}"
    return [
        str(trial.number),
        trial.genotype.digest[:12],
        score,
        f"{metrics['valid_loss']:.4f}" if "valid_loss" in metrics else "",
        f"{metrics['params']:,.0f}" if "params" in metrics else "",
        f"{trial.seconds:.0f}" if trial.seconds is not None else "",
    ]
