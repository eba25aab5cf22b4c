"""The command lines that repeat every task of a study by hand."""

import json
import shlex
from pathlib import Path

from genotools.errors import DataError
from genotools.files import write_text
from genotools.genotype.baselines import BASELINE_NAMES
from genotools.search.study.outcomes import chosen_selection
from genotools.search.study.protocol import KMER, EnginePlan
from genotools.search.study.setup import DEFAULT_PRESET, FOR_SUPERNETS, StudyInputs, is_one_shot
from genotools.search.study.tasks import Phase, Task, plan_tasks

__all__ = ["command_of", "write_commands"]

NAMED_MACROS = ("small", "paper")
HEAD = """#!/bin/sh
# Repeats every task of this study, one after another: the same seeds, the same settings, and on the same kind of
# machine the same weights to the byte. Give the folder to write to; each line also works by itself.
set -eu
OUT=${1:?which folder to write to}
export OMP_NUM_THREADS=%d
"""


def write_commands(inputs: StudyInputs) -> None:
    """Write ``commands.sh`` into the study's folder; what a failure left open is a comment."""
    lines = [HEAD % inputs.protocol.threads]
    phase = None
    for task in plan_tasks(inputs.protocol):
        if task.phase is not phase:
            phase = task.phase
            lines += ["", f"# {phase}"]
        try:
            lines.append(command_of(inputs, task, '"$OUT"'))
        except DataError as error:
            lines.append(f"# {task.name}: {' '.join(str(error).split())}")
    path = inputs.folder / "commands.sh"
    write_text(path, "\n".join(lines) + "\n")
    path.chmod(0o755)


def command_of(inputs: StudyInputs, task: Task, output: str) -> str:
    """Return the command line of a task; ``output`` is the folder, as the shell reads it.

    Raises
    ------
    DataError
        If it is not known yet what is trained.
    """
    target = f"{output}/{task.name}"
    data = ["--data", str(inputs.store_path.resolve())]
    if task.entrant == KMER:
        code = f"from genotools.search.study.kmer import run_kmer; run_kmer({data[1]!r}, __import__('sys').argv[1])"
        return f"python -c {shlex.quote(code)} {target}"
    options = [*data, "--seed", str(task.seed), "--device", inputs.device]
    if task.phase is Phase.SEARCH:
        plan = inputs.protocol.engine_plan(task.entrant)
        words = ["genotools", "search", plan.engine or "", *options, *_space(inputs), *_search_options(plan)]
        return f"{shlex.join([*words, *_macro(inputs)])} -o {target}"
    words = _training_options(inputs, task)
    if task.entrant in BASELINE_NAMES:
        return f"{shlex.join(['genotools', 'train', task.entrant, *options, *words])} -o {target}"
    return (
        f"genotools {shlex.join(_global(inputs))}{' ' if _global(inputs) else ''}train "
        f"{_genotype(inputs, task, output)} {shlex.join([*options, *words, *_macro(inputs)])} -o {target}"
    )


def _genotype(inputs: StudyInputs, task: Task, output: str) -> str:
    if task.entrant in inputs.genotypes:
        return shlex.quote(str((inputs.folder / "genotypes" / f"{task.entrant}.json").resolve()))
    number = task.number
    if task.phase is Phase.EVALUATION:
        number = chosen_selection(inputs, task.entrant)
    return f"{output}/{Phase.SEARCH}/{task.entrant}/seed-{number}"


def _macro(inputs: StudyInputs) -> list[str]:
    text = inputs.protocol.macro
    return ["--macro", text if text in NAMED_MACROS else str((inputs.folder / "macro.json").resolve())]


def _space_path(inputs: StudyInputs) -> str:
    """Return the file of the space, where the protocol names one."""
    text = inputs.protocol.space
    is_file = text.endswith(".json") or Path(text).is_file()
    return str((inputs.folder / "space.json").resolve()) if is_file else ""


def _space(inputs: StudyInputs) -> list[str]:
    return ["--space", _space_path(inputs) or inputs.protocol.space]


def _global(inputs: StudyInputs) -> list[str]:
    path = _space_path(inputs)
    return ["--space", path] if path else []


def _search_options(plan: EnginePlan) -> list[str]:
    words = ["--preset", plan.preset or DEFAULT_PRESET]
    names = ["trials", "budget", "epochs", "steps", "batch_size", "evaluation"]
    for name in [*names, *FOR_SUPERNETS] if is_one_shot(plan) else names:
        words += _option(name, getattr(plan, name))
    for name, value in plan.set.items():
        words += ["--set", f"{name}={json.dumps(value)}"]
    for objective in plan.objectives:
        words += ["--objective", objective]
    for constraint in plan.constraints:
        words += ["--constraint", constraint]
    return words


def _training_options(inputs: StudyInputs, task: Task) -> list[str]:
    plan = inputs.protocol.training_plan(task.entrant, is_selection=task.phase is Phase.SELECTION)
    words = ["--preset", plan.preset or DEFAULT_PRESET]
    for name, value in plan.given().items():
        words += [] if name == "preset" else _option(name, value)
    return words


def _option(name: str, value: object) -> list[str]:
    return [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
