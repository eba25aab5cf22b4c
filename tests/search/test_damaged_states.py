"""The newest state of a stopped search is damaged: resumed, the search ends as an undisturbed one."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, Macro, SearchSpace
from genotools.search import search
from genotools.search.engine_state import EngineState, read_engine_state, write_engine_state
from genotools.search.one_shot import OneShotEngine, SearchInterrupted
from genotools.search.one_shot_run import search_one_shot
from genotools.search.one_shot_settings import OneShotSettings
from genotools.search.osp_settings import OspSettings
from genotools.search.shared_weights import SharedWeightsEvaluator
from genotools.testing.landscape import Landscape, LandscapeEvaluator
from genotools.training.settings import TrainingSettings
from genotools.training.state_files import previous_of

ENGINES = ["random", "hyperband", "evolution", "pareto", "local-search", "enas", "rl"]


def flip(path: Path, share: float = 0.5) -> None:
    data = bytearray(path.read_bytes())
    data[int(share * (len(data) - 1))] ^= 1
    path.write_bytes(data)


def events(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    for event in found:
        for values in (event, event.get("losses", {})):
            values.pop("seconds", None)
            values.pop("elapsed", None)
    return found


def outcome(folder: Path) -> Any:
    return events(folder), (folder / "best.genotype.json").read_bytes()


Sample = Callable[..., None]


@pytest.fixture
def sample(small_engines: dict[str, dict[str, Any]]) -> Sample:
    def run(folder: Path, engine: str, *, n_trials: int, resume: bool = False) -> None:
        evaluator = LandscapeEvaluator(Landscape(GENOME_NAS, seed=0))
        settings = small_engines[engine]
        search(
            engine, GENOME_NAS, evaluator, folder, seed=0, n_trials=n_trials, settings=settings, resume=resume
        )

    return run


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_whose_state_is_damaged_goes_on_from_the_one_before(
    engine: str, sample: Sample, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sample(tmp_path / "whole", engine, n_trials=16)
    sample(tmp_path / "cut", engine, n_trials=13)
    state = tmp_path / "cut" / "checkpoint" / "engine.json"
    told = json.loads(state.read_text())["n_told"]
    assert json.loads(previous_of(state).read_text())["n_told"] < told
    flip(state)
    sample(tmp_path / "cut", engine, n_trials=16, resume=True)
    assert "It goes on from the state before" in caplog.text
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
    assert state.read_bytes() == (tmp_path / "whole" / "checkpoint" / "engine.json").read_bytes()


def test_without_a_good_state_the_error_says_what_to_do_and_that_helps(
    sample: Sample, tmp_path: Path
) -> None:
    sample(tmp_path / "whole", "evolution", n_trials=14)
    sample(tmp_path / "cut", "evolution", n_trials=10)
    state = tmp_path / "cut" / "checkpoint" / "engine.json"
    for path in (state, previous_of(state)):
        flip(path)
    with pytest.raises(DataError, match=r"checkpoint/engine\.json: .* Remove it, and engine\.json\.before"):
        sample(tmp_path / "cut", "evolution", n_trials=14, resume=True)
    for path in (state, previous_of(state)):
        path.unlink()
    sample(tmp_path / "cut", "evolution", n_trials=14, resume=True)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


def test_no_byte_of_an_engine_state_changes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    states = [EngineState(number, 1, {"rng": 10**30, "scores": [0.1, None, "ü"]}) for number in (1, 2)]
    for state in states:
        write_engine_state(path, state)
    assert read_engine_state(path, lambda _, found: found) == states[1]
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole)
        flip(path, at / (len(whole) - 1))
        assert read_engine_state(path, lambda _, found: found) == states[0], at
    write_engine_state(path, states[1])  # what is damaged does not take the place of what is good
    assert read_engine_state(previous_of(path), lambda _, found: found) == states[0]


def test_a_state_that_no_engine_can_load_gives_way_too(sample: Sample, tmp_path: Path) -> None:
    sample(tmp_path / "whole", "evolution", n_trials=14)
    sample(tmp_path / "cut", "evolution", n_trials=10)
    path = tmp_path / "cut" / "checkpoint" / "engine.json"
    path.write_text('{"n_told": 10, "n_rounds": 3, "engine": {}}')  # without a sum, as before there were any
    sample(tmp_path / "cut", "evolution", n_trials=14, resume=True)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


class StopAt:
    """Asks to stop before a step."""

    def __init__(self, step: int) -> None:
        self._left = step

    def __call__(self) -> bool:
        self._left -= 1
        return self._left < 0


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the picture, which takes longer than the search."""
    monkeypatch.setattr("genotools.search.one_shot_run.draw_alphas", lambda *_, **__: None)


OSP = OspSettings(
    weights=TrainingSettings(steps_per_epoch=2, batch_size=8, lr=0.1, recurrent_lr=1.0),
    n_initial=14,
    n_proposed=4,
    pretrain_epochs=2,
    pretrain_schedule=3,
    round_epochs=1,
    loss_batches=2,
)


@pytest.mark.parametrize("share", [0.05, 0.9])
@pytest.mark.parametrize(("engine", "step"), [("pdarts", 5), ("pdarts", 8), ("osp-nas", 5)])
def test_a_search_with_a_supernet_goes_on_from_the_state_before(
    engine: str,
    step: int,
    share: float,
    store: SequenceStore,
    macro: Macro,
    small_space: SearchSpace,
    settings: OneShotSettings,
    tmp_path: Path,
) -> None:
    def run(folder: Path, **options: Any) -> None:
        chosen = OSP if engine == "osp-nas" else settings
        search_one_shot(engine, small_space, store, folder, macro=macro, settings=chosen, seed=4, **options)

    run(tmp_path / "whole")
    with pytest.raises(SearchInterrupted):
        run(tmp_path / "cut", should_stop=StopAt(step))
    path = tmp_path / "cut" / "checkpoint" / "supernet.safetensors"
    assert previous_of(path).exists()
    flip(path, share)
    run(tmp_path / "cut", resume=True)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
    assert path.read_bytes() == (tmp_path / "whole" / "checkpoint" / path.name).read_bytes()


class Killed(BaseException):
    """What a process that is killed never gets to handle."""


@pytest.mark.parametrize("step", [2, 3, 4, 6])
@pytest.mark.parametrize("engine", ["enas", "bonas"])
def test_shared_weights_go_on_from_the_state_before(
    engine: str,
    step: int,
    store: SequenceStore,
    macro: Macro,
    small_space: SearchSpace,
    small_engines: dict[str, dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where a round has begun: its weights are those of the end of the round before, which is kept twice."""
    monkeypatch.setattr("genotools.search.path_training.SAVED_EVERY", 1)
    training = TrainingSettings(epochs=2, steps_per_epoch=2, batch_size=8, lr=0.1, recurrent_lr=1.0)

    def run(folder: Path, *, kill_at: int = 10**9, resume: bool = False) -> None:
        left = kill_at

        def before_step() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        evaluator = SharedWeightsEvaluator(
            store,
            small_space,
            macro,
            training,
            keep="search" if engine == "enas" else "round",
            recalibration_batches=1,
            before_step=before_step,
        )
        options: dict[str, Any] = {"seed": 0, "n_trials": 12, "settings": small_engines[engine]}
        search(engine, small_space, evaluator, folder, resume=resume, **options)

    run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "cut", kill_at=step)
    path = tmp_path / "cut" / "checkpoint" / "shared.safetensors"
    undamaged = shutil.copytree(tmp_path / "cut", tmp_path / "undamaged")
    run(undamaged, resume=True)
    flip(path)
    run(tmp_path / "cut", resume=True)
    assert outcome(tmp_path / "cut") == outcome(undamaged) == outcome(tmp_path / "whole")


def test_a_state_of_another_supernet_names_the_file(
    store: SequenceStore, macro: Macro, small_space: SearchSpace, settings: OneShotSettings, tmp_path: Path
) -> None:
    def run(width: int, **options: Any) -> None:
        chosen = replace(macro, channels=width)
        engine = OneShotEngine(settings, small_space, store, chosen, seed=4, checkpoint_path=path, **options)
        next(engine.candidates(resume=True))

    path = tmp_path / "supernet.safetensors"
    with pytest.raises(SearchInterrupted):
        run(2, should_stop=StopAt(2))
    with pytest.raises(DataError, match=r"supernet\.safetensors: the checkpoint's weights do not fit"):
        run(4)
