"""``genotools search``: an engine looks for a genotype."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from genotools.cli._genotypes import SpaceOption
from genotools.cli._options import Device, Json, Resume, Seed
from genotools.errors import DataError

__all__ = ["search"]

ENGINES = (
    "random, successive-halving, hyperband, evolution, pareto, local-search, rl; with shared weights: bonas, enas, "
    "and darts, pdarts, cwp-darts, edp-darts, osp-nas, which train one supernet"
)
EVALUATIONS = (
    "Whose weights score a trial: its own, or of a supernet of its round or of the whole search. [trials]"
)


def search(
    engine: Annotated[str, typer.Argument(help=f"{ENGINES}; or MODULE:CLASS of your own.")],
    data: Annotated[Path, typer.Option("--data", help="A sequence store (.h5).", show_default=False)],
    output: Annotated[Path, typer.Option("-o", "--output", help="The run folder.", show_default=False)],
    preset: Annotated[
        str,
        typer.Option("--preset", help="quick, paper, or what the engine has besides: reference, released."),
    ] = "quick",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of the engine, e.g. eta=3. [trials]"),
    ] = None,
    trials: Annotated[int | None, typer.Option("--trials", min=1, help="Trials in all. [trials]")] = None,
    budget: Annotated[
        str | None, typer.Option("--budget", help="e.g. 200epochs, 5e4steps or 2h, in all. [trials]")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Epochs of a trial, or of every stage.")
    ] = None,
    steps: Annotated[int | None, typer.Option("--steps", min=1, help="Steps of an epoch.")] = None,
    batch_size: Annotated[int | None, typer.Option("--batch-size", min=1)] = None,
    macro: Annotated[str | None, typer.Option("--macro", help="small, paper or a file.")] = None,
    objective: Annotated[
        list[str] | None,
        typer.Option(
            "--objective",
            metavar="METRIC[:max|min]",
            help="valid_auprc (the default for labels), valid_auroc, valid_accuracy (for classes), valid_pearson "
            "(for values), valid_loss, params, macs, ... Several for pareto; others follow the first. [trials]",
        ),
    ] = None,
    constraint: Annotated[
        list[str] | None,
        typer.Option("--constraint", help="e.g. 'params<=3e6', checked before any training. [trials]"),
    ] = None,
    prefer: Annotated[
        str | None,
        typer.Option("--prefer", help="A zero-cost score: each draw is the best of --draws by it. [trials]"),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=2, help="For --prefer. [trials]")] = 10,
    warm_start: Annotated[
        list[str] | None,
        typer.Option(
            "--warm-start",
            help="A run, genotype or zoo name to start from, or similar:FOLDER, the run in it on the most similar "
            "data. [trials]",
        ),
    ] = None,
    repeats: Annotated[
        int, typer.Option("--repeats", min=1, help="Trainings of each genotype; scores are means. [trials]")
    ] = 1,
    knowledge: Annotated[
        Path | None,
        typer.Option(
            "--knowledge", help="Motifs (MEME) that first filters should match; see the docs. [trials]"
        ),
    ] = None,
    knowledge_weight: Annotated[
        float, typer.Option("--knowledge-weight", min=0, max=1e6, help="Of it in the reward. [trials]")
    ] = 0.1,
    evaluation: Annotated[
        Literal["own", "round", "search"] | None, typer.Option("--evaluation", help=EVALUATIONS)
    ] = None,
    executor: Annotated[
        Literal["local", "processes", "ray"],
        typer.Option("--executor", help="Where trials run. [trials]"),
    ] = "local",
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, max=4096, help="Trials at once; one a GPU or core. [trials]"),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", min=1, max=4096, help="Of each worker. [trials]")] = 1,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", help="A running cluster, instead of a local one. [trials]")
    ] = None,
    order: Annotated[
        Literal["first", "second"] | None,
        typer.Option("--order", help="Of the gradient of the alphas. [supernet]"),
    ] = None,
    select: Annotated[
        Literal["argmax", "perturbation"] | None,
        typer.Option("--select", help="What decides in the finished supernet. [supernet]"),
    ] = None,
    max_skips: Annotated[
        int | None, typer.Option("--max-skips", min=0, help="Skips in the normal cell. [supernet]")
    ] = None,
    weight_only_epochs: Annotated[
        int | None,
        typer.Option("--weight-only-epochs", min=0, help="Epochs of a stage before the alphas. [supernet]"),
    ] = None,
    alpha_data: Annotated[
        Literal["train-half", "valid"] | None,
        typer.Option("--alpha-data", help="What the alphas learn from. [supernet]"),
    ] = None,
    alpha_lr: Annotated[float | None, typer.Option("--alpha-lr", min=0, help="[supernet]")] = None,
    checkpoint_cells: Annotated[
        bool, typer.Option("--checkpoint-cells", help="Less memory, more time. [supernet]")
    ] = False,
    space: SpaceOption = "genome-nas",
    seed: Seed = 0,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds", help="e.g. 0,1,2: a search each, below the run folder, with random search beside it."
        ),
    ] = None,
    beside: Annotated[
        bool, typer.Option("--random/--no-random", help="Random search beside --seeds. [trials]")
    ] = True,
    device: Device = "auto",
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Search for a genotype: train and validate what an engine proposes, or train a supernet that holds them all.

    The run folder holds a journal; a run that was stopped goes on with --resume. What is left out is the preset's.
    Options marked [supernet] are for engines that train one supernet, those marked [trials] for the others.
    """
    from genotools.search.one_shot_engines import ONE_SHOT_ENGINES, engine_name

    for_trials: dict[str, Any] = {
        "set": settings,
        "trials": trials,
        "budget": budget,
        "objective": objective,
        "constraint": constraint,
        "prefer": prefer,
        "warm_start": warm_start,
        "repeats": repeats if repeats > 1 else None,
        "knowledge": knowledge,
        "evaluation": evaluation,
        "executor": executor if executor != "local" else None,
    }
    for_supernets: dict[str, Any] = {
        "order": order,
        "select": select,
        "max_skips": max_skips,
        "weight_only_epochs": weight_only_epochs,
        "alpha_data": alpha_data,
        "alpha_lr": alpha_lr,
        "checkpoint_cells": checkpoint_cells or None,
    }
    if engine_name(engine) in ONE_SHOT_ENGINES:
        _refuse(engine, for_trials)
        from genotools.cli._one_shot import run_one_shot
        from genotools.cli._seeds import one_shot_seeds, seeds_of

        def run_once(seed: int, folder: Path, as_json: bool) -> None:
            run_one_shot(
                engine,
                data,
                folder,
                preset=preset,
                macro=macro,
                space=space,
                seed=seed,
                device=device,
                resume=resume and folder.exists(),
                as_json=as_json,
                checkpoint_cells=checkpoint_cells,
                changes={"epochs": epochs, "steps_per_epoch": steps, "batch_size": batch_size}
                | {name: value for name, value in for_supernets.items() if name != "checkpoint_cells"},
            )

        if seeds is None:
            run_once(seed, output, as_json)
        else:
            one_shot_seeds(run_once, output, seeds_of(seeds), resume=resume, as_json=as_json)
        return
    _refuse(engine, for_supernets)
    from genotools.training.ranks import n_launched

    if n_launched() > 1:
        raise DataError(
            f"{engine} tries one genotype after another: instead of torchrun, use --executor processes or ray."
        )
    from genotools.cli._sampling import SamplingOptions, print_result, run_sampling

    options = SamplingOptions(
        data=data,
        preset=preset,
        trials=trials,
        epochs=epochs,
        steps=steps,
        batch_size=batch_size,
        macro=macro,
        objectives=objective or (),
        constraints=constraint or (),
        budget=budget,
        settings=settings or (),
        evaluation=evaluation,
        repeats=repeats,
        prefer=prefer,
        prefer_draws=draws,
        warm_start=warm_start or (),
        knowledge=knowledge,
        knowledge_weight=knowledge_weight,
        executor=executor,
        workers=workers,
        threads=threads,
        ray_address=ray_address,
        space=space,
        device=device,
        resume=resume,
    )
    if seeds is not None:
        from genotools.cli._seeds import sampling_seeds, seeds_of

        sampling_seeds(engine, options, output, seeds_of(seeds), beside_random=beside, as_json=as_json)
        return
    result = run_sampling(engine, options, output, seed=seed)
    if as_json:
        typer.echo((output / "result.json").read_text(encoding="utf-8"), nl=False)
    else:
        print_result(result, options)


def _refuse(engine: str, options: dict[str, Any]) -> None:
    """Refuse options that the engine has no use for: ignoring them would mislead."""
    given = [f"--{name.replace('_', '-')}" for name, value in options.items() if value is not None]
    if given:
        raise DataError(f"engine {engine!r} has no use for {', '.join(given)}.")
