"""What ``genotools search`` does when the engine trains a supernet."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from genotools.cli._genotypes import load_space, program
from genotools.cli._macros import load_macro
from genotools.cli._ranks import rank_setting
from genotools.cli._resume import resume_command
from genotools.cli._search_progress import SearchProgress
from genotools.data.store import SequenceStore
from genotools.search.one_shot import SearchInterrupted
from genotools.search.one_shot_engines import get_one_shot_settings
from genotools.search.one_shot_run import OneShotResult, search_one_shot
from genotools.training.interruption import stop_on_signals

if TYPE_CHECKING:
    from genotools.search.one_shot_settings import OneShotSettings
    from genotools.search.osp_settings import OspSettings

__all__ = ["run_one_shot"]


def run_one_shot(
    engine: str,
    data: Path,
    output: Path,
    *,
    preset: str,
    macro: str | None,
    space: str,
    seed: int,
    device: str,
    resume: bool,
    as_json: bool,
    checkpoint_cells: bool,
    changes: dict[str, Any],
) -> None:
    """Search with a supernet and print what was found; ``changes`` are settings other than the preset's."""
    settings: OneShotSettings | OspSettings = get_one_shot_settings(engine, preset).changed(**changes)
    with (
        SequenceStore.open(data) as store,
        rank_setting(device, output) as setting,
        stop_on_signals() as stop,
        SearchProgress(setting.console) as progress,
    ):
        try:
            result = search_one_shot(
                engine,
                load_space(space),
                store,
                setting.folder,
                macro=load_macro(macro or ("small" if preset == "quick" else "paper"), length=store.length),
                settings=replace(settings, weights=settings.weights.for_task(store.task)),
                seed=seed,
                device=str(setting.device),
                checkpoint_cells=checkpoint_cells,
                resume=resume,
                should_stop=setting.agreed(stop),
                reporter=progress,
            )
        except SearchInterrupted as interruption:
            progress.stop()
            if setting.ranks.is_first:
                typer.echo(f"{interruption}\nGo on with: {resume_command()}", err=True)
            raise typer.Exit(128 + stop.signal_number) from interruption
    if not setting.ranks.is_first:
        return
    if as_json:
        typer.echo((output / "result.json").read_text(encoding="utf-8"), nl=False)
    else:
        options = ["--preset", "quick" if preset == "quick" else "paper"]
        _print_result(result, data, [*options, *(["--macro", macro] if macro else [])])


def _print_result(result: OneShotResult, data: Path, options: list[str]) -> None:
    """Name the choice, its file, what looks wrong, and the next command to type."""
    choice = result.choice
    n_distinct = len({candidate.genotype.digest for candidate in result.candidates})
    how: str = choice.selection
    if choice.max_skips is not None:
        how += f", at most {choice.max_skips} skips in the normal cell"
    typer.echo(f"best genotype  {choice.genotype.digest[:12]}  ({how})")
    typer.echo(f"candidates     {n_distinct} genotypes in {len(result.candidates)} places, see result.json")
    for alarm in result.alarms:
        typer.echo(f"alarm          {alarm}")
    typer.echo(f"file           {result.best_path}")
    command = [
        *program(),
        "train",
        str(result.folder),
        "--data",
        str(data),
        *options,
        "-o",
        f"{result.folder}-trained",
    ]
    typer.echo(f"next           {shlex.join(command)}")
