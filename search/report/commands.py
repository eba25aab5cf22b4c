"""The commands that a report tells: how to repeat a search, what to measure it against, and what comes next.

A run folder records settings, not the command that led to them; the preset that explains them with the fewest options
is found again here. What no option can say is named beside the command.
"""

import importlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genotools.errors import DataError
from genotools.genotype.documents import space_to_document
from genotools.genotype.genotype import GENOME_NAS_NAME
from genotools.genotype.macro import Macro
from genotools.genotype.space import get_space
from genotools.search.engine import Engine, EnginePreset
from genotools.search.one_shot_engines import ONE_SHOT_ENGINES
from genotools.search.one_shot_settings import OneShotSettings
from genotools.search.osp_settings import OspSettings
from genotools.search.presets import get_search_preset
from genotools.search.registry import ENGINES, engine_class
from genotools.search.report.data import OneShotRun, Run, SamplingRun
from genotools.search.report.subjects import Subject, flat
from genotools.search.report.text import count
from genotools.training.settings import TrainingSettings

__all__ = ["Command", "next_command", "random_commands", "search_command"]

DATA = "STORE.h5"
"""Stands for the sequence store, whose path no run records."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line, and sentences on what it does not say."""

    text: str
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Options:
    """Options that lead to the settings of a run, and names of settings that no option leads to."""

    preset: str
    words: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()

    @property
    def rank(self) -> tuple[int, int]:
        return len(self.unsaid), len(self.words)


def search_command(subject: Subject) -> Command:
    """Return the command that repeats a search, of all its seeds."""
    run = subject.runs[0]
    options = _options_of(run)
    words = ["search", run.engine, "--data", DATA, "-o", f"{subject.path}-again", "--preset", options.preset]
    words += [*options.words, *_frame_words(run, options.preset), *_seed_words(subject)]
    caveats = [*_unsaid(options), *_frame_caveats(run)]
    if isinstance(run, SamplingRun):
        words += [*_count_words(subject), *_choice_words(run)]
        caveats += _choice_caveats(run)
    if any(one.result is None for one in subject.runs):
        caveats.append(f"To go on with what is unfinished: the same with -o {subject.path} --resume.")
    return Command(_line(words), tuple(caveats))


def random_commands(subject: Subject) -> list[Command]:
    """Return the commands of random searches that spend what the subject's searches spent."""
    is_group = len(subject.runs) > 1 or subject.runs[0].path != subject.path
    commands = []
    for run in subject.runs:
        folder = subject.path / (f"random-{run.seed}" if is_group else "random")
        words = ["search", "random", "--data", DATA, "-o", str(folder)]
        commands.append(Command(_line([*words, *_as_much(run), "--seed", str(run.seed)])))
    return commands


def next_command(run: Run) -> Command:
    """Return the command that trains the genotype that a search found."""
    preset = _plain(_options_of(run).preset)
    words = ["train", str(run.path), "--data", DATA, "--preset", preset, *_macro_words(run, preset)]
    return Command(_line([*words, "-o", f"{run.path}-trained"]))


def _line(words: Sequence[str]) -> str:
    return shlex.join(["genotools", *words])


def _plain(preset: str) -> str:
    """Return the training preset that a search preset goes with."""
    return "quick" if preset == "quick" else "paper"


def _seed_words(subject: Subject) -> list[str]:
    seeds = [str(run.seed) for run in subject.runs]
    is_group = subject.runs[0].path != subject.path
    return ["--seeds", ",".join(seeds)] if is_group else ["--seed", seeds[0]]


def _unsaid(options: _Options) -> Iterator[str]:
    if options.unsaid:
        yield f"No option of the command sets {', '.join(options.unsaid)}; the configuration below has the values."


def _options_of(run: Run) -> _Options:
    """Return preset and options that lead to the settings of a run."""
    found = list(_one_shot_options(run) if isinstance(run, OneShotRun) else _training_options(run))
    return min(found, key=lambda options: options.rank, default=_Options("quick"))


def _one_shot_options(run: OneShotRun) -> Iterator[_Options]:
    settings = run.config.get("settings")
    if not isinstance(settings, dict):
        return
    module = importlib.import_module(f"genotools.search.{ONE_SHOT_ENGINES[run.engine]}")
    presets: Mapping[str, OneShotSettings | OspSettings] = module.PRESETS
    wanted = _one_shot_values(settings)
    for name, preset in presets.items():
        before = _one_shot_values(preset.to_document())
        changes = {key: value for key, value in wanted.items() if value not in (None, before.get(key))}
        try:
            reached = preset.changed(**changes).to_document()
        except (DataError, TypeError):
            continue  # values of a damaged configuration, which no option leads to
        yield _Options(name, tuple(_words(changes)), tuple(_differences(reached, settings)))


def _one_shot_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the settings that the command has options for; None where stages differ in one."""
    stages, weights = settings.get("stages"), settings.get("weights")
    names = ("order", "select", "max_skips", "alpha_data", "alpha_lr")
    values = {name: settings[name] for name in names if name in settings}
    if isinstance(weights, dict):
        values |= {name: weights.get(name) for name in ("steps_per_epoch", "batch_size")}
    if "round_epochs" in settings:
        values["epochs"] = settings["round_epochs"]
    if isinstance(stages, dict):
        for name in ("epochs", "weight_only_epochs"):
            found = [stage.get(name) for stage in stages.values() if isinstance(stage, dict)]
            values[name] = found[0] if found and all(one == found[0] for one in found) else None
    return values


def _training_options(run: SamplingRun) -> Iterator[_Options]:
    training, settings = _part(run.config, "evaluator").get("training"), _part(run.config, "settings")
    if not isinstance(training, dict):
        return
    for name, preset in _engine_presets(run.engine).items():
        base: TrainingSettings = get_search_preset(name).training.changed(**preset.training)
        names = ("epochs", "steps_per_epoch", "batch_size")
        before = base.to_document()
        changes = {key: training.get(key) for key in names if training.get(key) not in (None, before[key])}
        reached = before | changes
        set_ = {key: value for key, value in settings.items() if value != preset.settings.get(key)}
        words = [*_words(changes), *(word for item in set_.items() for word in ("--set", _setting(*item)))]
        yield _Options(name, tuple(words), tuple(_differences(reached, training)))


def _known_engine(engine: str) -> type[Engine] | None:
    """Return the class of an engine of genotools; one of somebody's own is not imported for a report."""
    try:
        return engine_class(engine) if engine in ENGINES else None
    except ImportError:
        return None  # it needs what is not installed here, which the report does not


def _engine_presets(engine: str) -> Mapping[str, EnginePreset]:
    known = _known_engine(engine)
    return known.presets if known is not None else {"quick": EnginePreset(), "paper": EnginePreset()}


def _setting(name: str, value: object) -> str:
    return f"{name}={value if isinstance(value, str) else json.dumps(value)}"


def _words(changes: Mapping[str, object]) -> Iterator[str]:
    names = {"steps_per_epoch": "steps"}
    for key, value in changes.items():
        yield f"--{names.get(key, key).replace('_', '-')}"
        yield str(value)


def _differences(reached: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    before, now = flat(dict(reached)), flat(dict(wanted))
    return [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]


def _part(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = config.get(name)
    return found if isinstance(found, dict) else {}


def _macro_of(run: Run) -> dict[str, Any]:
    return _part(run.config if isinstance(run, OneShotRun) else _part(run.config, "evaluator"), "macro")


def _macro_words(run: Run, preset: str) -> list[str]:
    name = _macro_name(_macro_of(run))
    return [] if name == get_search_preset(preset).macro else ["--macro", name or "MACRO.json"]


def _macro_name(document: Mapping[str, Any]) -> str | None:
    length = document.get("length")
    if not isinstance(length, int) or length < 1:
        return None
    for name, make in (("paper", Macro.paper), ("small", Macro.small)):
        try:
            if make(length).to_document() == document:
                return name
        except DataError:
            pass  # windows too short for this one
    return None


def _space_words(run: Run) -> list[str]:
    space = run.config.get("space")
    if isinstance(space, str):
        return [] if space == GENOME_NAS_NAME else ["--space", space]
    document: dict[str, Any] = space if isinstance(space, dict) else {}
    name = str(document.get("name"))
    if not _is_known_space(name, document):
        return ["--space", "SPACE.json"]
    return [] if name == GENOME_NAS_NAME else ["--space", name]


def _is_known_space(name: str, document: Mapping[str, Any]) -> bool:
    try:
        return space_to_document(get_space(name)) == document
    except DataError:
        return False


def _frame_words(run: Run, preset: str) -> list[str]:
    return [*_macro_words(run, preset), *_space_words(run)]


def _frame_caveats(run: Run) -> Iterator[str]:
    files = {
        "MACRO.json": "evaluator.macro" if isinstance(run, SamplingRun) else "macro",
        "SPACE.json": "space",
    }
    words = _frame_words(run, "quick")
    for name, key in files.items():
        if name in words:
            yield f"{name} is what {run.path / 'config.json'} has under {key!r}."


def _count_words(subject: Subject) -> list[str]:
    n_trials = max(len(run.trials) for run in subject.sampling_runs)
    is_whole = all(run.result is not None for run in subject.sampling_runs)
    return ["--trials", str(n_trials)] if is_whole and n_trials else []


def _choice_words(run: SamplingRun) -> list[str]:
    """Return the options on objectives, constraints and evaluation."""
    evaluator, prefers = _part(run.config, "evaluator"), _part(run.config, "prefers")
    words = _rule_words(run)
    if prefers:
        words += ["--prefer", str(prefers.get("proxy")), "--draws", str(prefers.get("draws"))]
    engine, now = _known_engine(run.engine), _part(evaluator, "shared_weights").get("keep", "own")
    if engine is not None and now != engine.evaluation:
        words += ["--evaluation", str(now)]
    return words


def _rule_words(run: SamplingRun) -> list[str]:
    """Return the options that a random search beside a run shares with it."""
    evaluator = _part(run.config, "evaluator")
    words = []
    objectives = [str(objective) for objective in run.objectives]
    knowledge = _part(evaluator, "knowledge")
    if objectives != ["reward:max" if knowledge else "valid_auprc:max"]:
        words += [word for text in objectives for word in ("--objective", text)]
    for text in run.config.get("constraints") or []:
        words += ["--constraint", str(text)]
    if isinstance(evaluator.get("n_repeats"), int):
        words += ["--repeats", str(evaluator["n_repeats"])]
    if knowledge:
        words += ["--knowledge", "MOTIFS.meme", "--knowledge-weight", str(knowledge.get("weight"))]
    return words


def _choice_caveats(run: SamplingRun) -> Iterator[str]:
    if run.config.get("warm_start"):
        n_given = count(len(run.config["warm_start"]), "given genotype")
        yield f"It started from {n_given}; name with --warm-start where they come from."
    if run.result is None:
        yield "It is unfinished, so how far it was to go is not recorded."


def _as_much(run: Run) -> list[str]:
    """Return the options of a random search that spends what a run has spent."""
    preset = _plain(_options_of(run).preset)
    frame = ["--preset", preset, *_frame_words(run, preset)]
    if isinstance(run, OneShotRun):
        return [*frame, "--budget", f"{max(1, round(run.seconds))}s"]
    training = _part(_part(run.config, "evaluator"), "training")
    base = get_search_preset(preset).training.to_document()
    budgets = {trial.number: trial.budget_epochs for trial in run.trials if trial.budget_epochs is not None}
    n_trials, epochs = len(run.trials), training.get("epochs")
    if budgets:
        taken_over = [budgets.get(trial.continues, 0) for trial in run.trials if trial.continues is not None]
        spent, epochs = sum(budgets.values()) - sum(taken_over), max(budgets.values())
        n_trials = max(1, round(spent / epochs))
    wanted = {"epochs": epochs, **{key: training.get(key) for key in ("steps_per_epoch", "batch_size")}}
    changes = {key: value for key, value in wanted.items() if value not in (None, base[key])}
    n_words = ["--trials", str(n_trials)] if n_trials else []
    return [*frame, *_words(changes), *_rule_words(run), *n_words]
