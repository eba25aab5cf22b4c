"""What ``genotools study`` does: read what the protocol names, say what it will cost, run it, print the table."""

from pathlib import Path

import typer

from genotools.cli._genotypes import load_genotype, load_space
from genotools.cli._macros import load_macro
from genotools.cli._resume import resume_hint
from genotools.cli._study_progress import StudyProgress
from genotools.data.store import SequenceStore
from genotools.errors import DataError, GenotoolsError
from genotools.files import to_json
from genotools.search.study.cost import StepTimes, TaskCost, batch_sizes, task_costs
from genotools.search.study.probe import step_times
from genotools.search.study.protocol import genotype_name, load_protocol
from genotools.search.study.results import StudyResults
from genotools.search.study.runner import check_free, run_study
from genotools.search.study.setup import StudyInputs, check_inputs
from genotools.search.study.table import duration, markdown
from genotools.training.device import choose_device

__all__ = ["run"]


def run(
    protocol: str,
    data: Path,
    output: Path | None,
    *,
    n_workers: int,
    dry_run: bool,
    device: str,
    resume: bool,
    as_json: bool,
) -> None:
    """Run a study, or say what it would be."""
    if output is None and not dry_run:
        raise DataError("-o DIR: a folder for the study is needed; only --dry-run goes without.")
    inputs = _inputs(protocol, data, output or Path("study"), device)
    with SequenceStore.open(data) as store:
        check_inputs(inputs, store)
    if not dry_run:
        check_free(inputs.folder, resume=resume)
    costs = task_costs(inputs)
    is_open = [dry_run or not cost.task.is_done(inputs.folder) for cost in costs]
    left = [cost for cost, one in zip(costs, is_open, strict=True) if one]
    times = step_times(inputs, batch_sizes(left))
    if dry_run:
        _print_costs(costs, times, n_workers=n_workers, as_json=as_json)
        return
    expected = dict.fromkeys((cost.task.name for cost in costs), 0.0)
    expected |= {cost.task.name: cost.seconds(times) for cost in left}
    seconds = sum(expected.values()) / n_workers
    typer.echo(f"{len(left)} tasks, about {duration(seconds)} with {n_workers} at once.", err=True)
    n_gpus = 0
    if choose_device(device).type == "cuda":
        import torch

        n_gpus = torch.cuda.device_count()
    with resume_hint(), StudyProgress(expected, n_workers) as bar:
        results = run_study(
            inputs,
            resume=resume,
            n_workers=n_workers,
            n_gpus=n_gpus,
            on_end=bar.on_end,
            on_start=bar.on_start,
        )
    if as_json:
        typer.echo(to_json(results.to_document()), nl=False)
    else:
        typer.echo(markdown(results), nl=False)
    _report(results, inputs.folder)


def _inputs(text: str, data: Path, output: Path, device: str) -> StudyInputs:
    """Return the protocol and what it names."""
    protocol = load_protocol(text)
    with SequenceStore.open(data) as store:
        length = store.length
    return StudyInputs(
        protocol=protocol,
        folder=output,
        store_path=data,
        macro=load_macro(protocol.macro, length=length),
        space=load_space(protocol.space),
        genotypes={genotype_name(name): load_genotype(name) for name in protocol.genotypes},
        device=device,
    )


def _print_costs(costs: list[TaskCost], times: StepTimes, *, n_workers: int, as_json: bool) -> None:
    """Print every task with its cost, and the total."""
    total = sum(cost.seconds(times) for cost in costs)
    if as_json:
        tasks = [
            {"task": cost.task.name, "kind": cost.kind, "steps": cost.steps, "seconds": cost.seconds(times)}
            for cost in costs
        ]
        steps = [
            {"kind": kind, "batch_size": size, **value._asdict()} for (kind, size), value in times.items()
        ]
        typer.echo(to_json({"tasks": tasks, "step_seconds": steps, "seconds": total}), nl=False)
        return
    typer.echo(f"{'seconds of a batch':<32} {'trained':>8} {'predicted':>10}")
    for (kind, size), value in times.items():
        typer.echo(f"  {kind:<12} of {size:<14} {value.step:>8.3f} {value.forward:>10.3f}")
    typer.echo(f"\n{'task':<44} {'batches of':<10} {'trained':>10} {'predicted':>10} {'time':>9}")
    for cost in costs:
        time = duration(cost.seconds(times))
        typer.echo(
            f"{cost.task.name:<44} {cost.kind:<10} {cost.steps:>10,.0f} {cost.forward:>10,.0f} {time:>9}"
        )
    typer.echo(f"\n{len(costs)} tasks, {duration(total)} one after another", nl=False)
    typer.echo(f", {duration(total / n_workers)} with {n_workers} at once" if n_workers > 1 else "")


def _report(results: StudyResults, folder: Path) -> None:
    """Say where everything lies, and what is missing."""
    names = "table.tsv, table.md, results.json, selection and evaluation (.svg, .png), commands.sh"
    typer.echo(f"In {folder}: {names}", err=True)
    if results.failures:
        raise GenotoolsError(
            f"{len(results.failures)} tasks of {folder} failed; the table is of what is there. "
            f"Tracebacks are in {folder / 'journal.jsonl'}; --resume tries them again."
        )
