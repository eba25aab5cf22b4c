"""What ``genotools search`` does when the engine proposes genotypes that are evaluated one by one or in rounds."""

import shlex
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from genotools.cli._genotypes import load_space, program
from genotools.cli._macros import load_macro
from genotools.cli._resume import resume_hint
from genotools.cli._trial_progress import TrialProgress
from genotools.cli._warm_starts import warm_starts
from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.files import parse_json
from genotools.genotype.task import Task
from genotools.search import (
    Budget,
    Constraint,
    Evaluator,
    Objective,
    RoundEvaluator,
    SearchResult,
    SourceOptions,
    search,
)
from genotools.search.engine import Evaluation
from genotools.search.evaluator import RepeatingEvaluator, TrainingEvaluator
from genotools.search.executors import Executor, ExecutorName, make_executor
from genotools.search.objectives import cost_check
from genotools.search.presets import get_search_preset
from genotools.search.registry import engine_class, engine_preset
from genotools.training.device import choose_device

if TYPE_CHECKING:
    import torch

    from genotools.genotype.macro import Macro
    from genotools.genotype.space import SearchSpace
    from genotools.search import Trial
    from genotools.training.settings import TrainingSettings

__all__ = ["SamplingOptions", "run_sampling"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingOptions:
    """The options of the command line; None is the preset's, or the engine's own."""

    data: Path
    preset: str
    trials: int | None
    epochs: int | None
    steps: int | None
    batch_size: int | None
    macro: str | None
    objectives: Sequence[str]
    constraints: Sequence[str]
    budget: str | None
    settings: Sequence[str]
    evaluation: Evaluation | None
    repeats: int
    prefer: str | None
    prefer_draws: int
    warm_start: Sequence[str]
    knowledge: Path | None
    knowledge_weight: float
    executor: ExecutorName
    workers: int | None
    threads: int
    ray_address: str | None
    space: str
    device: str
    resume: bool


def run_sampling(engine: str, options: SamplingOptions, output: Path, *, seed: int) -> SearchResult:
    """Search with a sampling engine in ``output``; progress goes to standard error."""
    preset = engine_preset(engine, options.preset)
    chosen = get_search_preset(options.preset)
    settings = chosen.training.changed(**preset.training).changed(
        epochs=options.epochs, steps_per_epoch=options.steps, batch_size=options.batch_size
    )
    n_trials = options.trials or (None if options.budget else preset.n_trials)
    device = choose_device(options.device)
    space = load_space(options.space)
    with ExitStack() as stack:
        stack.enter_context(resume_hint())
        store = stack.enter_context(SequenceStore.open(options.data))
        settings = settings.for_task(store.task)
        macro = load_macro(options.macro or chosen.macro, length=store.length)
        progress = stack.enter_context(TrialProgress(n_trials))
        evaluator = _evaluator(engine, options, store, space, macro, settings, device, progress)
        result = search(
            engine,
            space,
            evaluator,
            output,
            seed=seed,
            objectives=_objectives(options, store.task),
            n_trials=n_trials,
            budget=Budget.parse(options.budget) if options.budget else None,
            settings={**preset.settings, **_engine_settings(options.settings)},
            options=_source_options(options, store, space, macro, output, seed=seed),
            executor=_executor(options, evaluator, device),
            resume=options.resume,
            on_trial=progress.on_trial,
        )
        from genotools.search.warm_start import write_descriptors

        write_descriptors(output / "data.json", store)
    return result


def _objectives(options: SamplingOptions, task: Task) -> list[Objective]:
    """Return what was asked for, or what counts for the task."""
    if not options.objectives:
        return [Objective("reward") if options.knowledge else Objective.of_task(task)]
    objectives = [Objective.parse(text) for text in options.objectives]
    for objective in objectives:
        objective.check_task(task)
    return objectives


def _engine_settings(texts: Sequence[str]) -> dict[str, Any]:
    """Return settings given as ``NAME=VALUE``; a value that is no number, true, false or null is text."""
    settings: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise DataError(f"--set {text!r}: NAME=VALUE was expected, e.g. --set eta=3.")
        try:
            settings[name.strip().replace("-", "_")] = parse_json(value, where="--set")
        except ValueError:  # a DataError, too: what is no number is for the engine to refuse
            settings[name.strip().replace("-", "_")] = value.strip()
    return settings


def _source_options(
    options: SamplingOptions,
    store: SequenceStore,
    space: "SearchSpace",
    macro: "Macro",
    output: Path,
    *,
    seed: int,
) -> SourceOptions:
    """Return constraints, preference and warm start."""
    task = store.task
    constraints = [Constraint.parse(text) for text in options.constraints]
    prefers: Callable[..., float] | None = None
    description: dict[str, Any] = {"constraints": [str(constraint) for constraint in constraints]}
    if options.prefer is not None:
        from genotools.search.proxies import preference

        prefers = preference(options.prefer, macro, task, seed=seed)
        description["prefers"] = {"proxy": options.prefer, "draws": options.prefer_draws}
    return SourceOptions(
        accepts=cost_check(constraints, macro, task),
        prefers=prefers,
        n_draws=options.prefer_draws,
        initial=warm_starts(options.warm_start, space, store, output=output),
        description=description,
    )


def _evaluator(
    engine: str,
    options: SamplingOptions,
    store: SequenceStore,
    space: "SearchSpace",
    macro: "Macro",
    settings: "TrainingSettings",
    device: "torch.device",
    progress: TrialProgress,
) -> Evaluator | RoundEvaluator:
    """Return what scores the trials, as the engine or the person wants it."""
    evaluation = options.evaluation or engine_class(engine).evaluation
    if evaluation != "own":
        _refuse_without_own_networks(engine, options)
        from genotools.search.shared_weights import SharedWeightsEvaluator

        keep: Literal["round", "search"] = evaluation
        return SharedWeightsEvaluator(store, space, macro, settings, keep=keep, device=str(device))
    knowledge = None
    if options.knowledge is not None:
        from genotools.search.knowledge import MotifKnowledge
        from genotools.search.motifs import read_meme

        knowledge = MotifKnowledge(read_meme(options.knowledge))
    trains = TrainingEvaluator(
        store,
        macro,
        settings,
        device=str(device),
        knowledge=knowledge,
        knowledge_weight=options.knowledge_weight,
        on_step=progress.on_step if options.executor == "local" else None,
    )
    return trains if options.repeats == 1 else RepeatingEvaluator(trains, options.repeats)


def _refuse_without_own_networks(engine: str, options: SamplingOptions) -> None:
    """Refuse options that mean something only where every trial trains a network of its own."""
    given = {
        "--repeats": options.repeats != 1,
        "--executor": options.executor != "local",
        "--knowledge": options.knowledge is not None,
    }
    names = [name for name, is_given in given.items() if is_given]
    if names:
        raise DataError(
            f"engine {engine!r} scores its trials with shared weights and has no use for {', '.join(names)}; "
            "--evaluation own trains each by itself."
        )


def _executor(
    options: SamplingOptions, evaluator: Evaluator | RoundEvaluator, device: "torch.device"
) -> Executor:
    n_gpus = 0
    if device.type == "cuda" and options.executor != "local" and not isinstance(evaluator, RoundEvaluator):
        import torch

        n_gpus = torch.cuda.device_count()
    return make_executor(
        options.executor,
        n_workers=options.workers,
        threads=options.threads,
        n_gpus=n_gpus,
        ray_address=options.ray_address,
    )


def print_result(result: SearchResult, options: SamplingOptions) -> None:
    """Name the trials, the best genotype, its file and scores, and the next command to type."""
    from rich.console import Console
    from rich.table import Table

    with SequenceStore.open(options.data) as store:
        objectives = _objectives(options, store.task)
    names = [objective.metric for objective in objectives]
    others = [name for name in ("valid_loss", "params") if name not in names]
    table = Table("trial", "genotype", *names, *others, "epochs", "seconds", box=None, header_style="bold")
    for trial in result.trials:
        table.add_row(*_cells(trial, [*names, *others]), style="green" if trial is result.best else None)
    Console().print(table)
    best = result.best
    assert best.metrics is not None
    typer.echo(f"\nbest genotype  {best.genotype.digest[:12]}  (trial {best.number})")
    for name in names:
        typer.echo(f"{name:<14} {_figure(name, best.metrics[name])}")
    typer.echo(f"file           {result.best_path}")
    command = [*program(), "train", str(result.folder), "--data", str(options.data)]
    command += ["--preset", "quick" if options.preset == "quick" else "paper"]
    command += ["--macro", options.macro] if options.macro else []
    typer.echo(f"next           {shlex.join([*command, '-o', f'{result.folder}-trained'])}")
    typer.echo(
        f"report         {shlex.join(['genotools', 'report', str(result.folder), '-o', 'report.html'])}"
    )


def _cells(trial: "Trial", names: Sequence[str]) -> list[str]:
    metrics = trial.metrics or {}
    figures = [_figure(name, metrics[name]) if name in metrics else "" for name in names]
    if trial.score is None:
        figures[0] = "failed"
    epochs = trial.budget_epochs or metrics.get("epochs")
    return [
        str(trial.number),
        trial.genotype.digest[:12],
        *figures,
        "" if epochs is None else f"{epochs:.0f}",
        f"{trial.seconds:.0f}" if trial.seconds is not None else "",
    ]


def _figure(name: str, value: float) -> str:
    return f"{value:,.0f}" if name in ("params", "macs") else f"{value:.4f}"
