"""One-shot searches as folders: what is written, what is carried, and what a resumed one ends with."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from genotools.data.store import SequenceStore
from genotools.errors import DataError, OutputExistsError
from genotools.files import read_json
from genotools.genotype import GENOME_NAS, Macro, SearchSpace
from genotools.genotype.documents import genotype_from_document
from genotools.nn.live_ops import ROLES, LiveOps
from genotools.search.alpha_course import ALPHAS_FILE, read_alphas
from genotools.search.derive import count_skips
from genotools.search.one_shot import Candidate, EpochEnd, OneShotEngine, SearchInterrupted, pruned
from genotools.search.one_shot_engines import ONE_SHOT_ENGINES, get_one_shot_settings
from genotools.search.one_shot_run import OneShotReporter, OneShotResult, read_candidates, search_one_shot
from genotools.search.one_shot_settings import OneShotSettings, SearchStage
from genotools.training.divergence import DivergedError

Run = Callable[..., OneShotResult]


class Killed(BaseException):
    """What a process that is killed never gets to handle."""


class KilledAtStep:
    """Asked before every step; kills, or asks to stop, at the given one."""

    def __init__(self, step: int, *, politely: bool = False) -> None:
        self._left, self._politely = step, politely

    def __call__(self) -> bool:
        self._left -= 1
        if self._left < 0 and not self._politely:
            raise Killed
        return self._left < 0


class KilledAtEpoch(OneShotReporter):
    """Kills once an epoch is in the journal, before its checkpoint is written."""

    def __init__(self, number: int) -> None:
        self._left = number

    def on_epoch(self, candidate: Candidate, end: EpochEnd) -> None:
        self._left -= 1
        if self._left == 0:
            raise Killed


@pytest.fixture
def run(store: SequenceStore, macro: Macro, small_space: SearchSpace, settings: OneShotSettings) -> Run:
    def run(folder: Path, **options: Any) -> OneShotResult:
        given = {"macro": macro, "settings": settings, "seed": 4, **options}
        return search_one_shot("pdarts", given.pop("space", small_space), store, folder, **given)

    return run


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the picture, which takes longer than the search."""
    monkeypatch.setattr("genotools.search.one_shot_run.draw_alphas", lambda *_, **__: None)


def outcome(folder: Path) -> dict[str, Any]:
    """Return what a search leaves behind, without times."""
    lines = (folder / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    for event in events:
        event.get("losses", {}).pop("seconds", None)
    result = json.loads((folder / "result.json").read_text())
    result.pop("seconds")
    return {
        "journal": events,
        "result": result,
        "alphas": (folder / ALPHAS_FILE).read_bytes(),
        "best": (folder / "best.genotype.json").read_bytes(),
        "checkpoint": (folder / "checkpoint" / "supernet.safetensors").read_bytes(),
    }


def test_a_run_writes_the_choice_and_every_candidate(
    tmp_path: Path, run: Run, small_space: SearchSpace
) -> None:
    result = run(tmp_path / "run")
    document = read_json(tmp_path / "run" / "best.genotype.json")
    best = genotype_from_document(document, where="best", space=small_space)
    assert best == result.choice.genotype
    assert best.meta["search"]["engine"] == "pdarts"  # type: ignore[index]
    assert [candidate.is_choice for candidate in result.candidates].count(True) == 1
    epochs = [(c.stage, c.epoch) for c in result.candidates if c.max_skips is None and not c.is_choice]
    assert epochs == [(1, 1), (1, 2), (2, 1), (2, 2)]
    limits = [c.max_skips for c in result.candidates if c.max_skips is not None and not c.is_choice]
    assert limits == list(range(limits[0], -1, -1))
    assert count_skips(best) <= 1
    written = json.loads((tmp_path / "run" / "result.json").read_text())
    assert written["best"]["digest"] == best.digest
    assert {entry["digest"] for entry in written["candidates"]} == {
        c.genotype.digest for c in result.candidates
    }
    assert (written["n_steps"], written["n_alpha_steps"]) == (12, 9)
    assert all(small_space.contains(candidate.genotype) for candidate in result.candidates)


def test_the_alphas_of_every_epoch_are_kept(tmp_path: Path, run: Run) -> None:
    run(tmp_path / "run")
    records = read_alphas(tmp_path / "run" / ALPHAS_FILE)
    assert [(record.stage, record.epoch) for record in records] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    for record in records:
        for role in ROLES:
            sums: dict[tuple[int, int], float] = {}
            for entry, value in record.probs(role).items():
                sums[entry[:2]] = sums.get(entry[:2], 0) + value
            assert list(sums.values()) == pytest.approx([1.0] * len(sums))
    assert len(records[0].values["normal"]) == 9 * 4
    assert len(records[2].values["normal"]) == 9 * 3  # one op of four is gone


def test_the_course_of_the_alphas_is_drawn(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    monkeypatch.undo()
    run(tmp_path / "run")
    assert (tmp_path / "run" / "alphas.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_and_another_gives_another(tmp_path: Path, run: Run) -> None:
    for name, seed in (("one", 4), ("two", 4), ("other", 5)):
        run(tmp_path / name, seed=seed)
    assert outcome(tmp_path / "one") == outcome(tmp_path / "two")
    assert outcome(tmp_path / "one")["alphas"] != outcome(tmp_path / "other")["alphas"]


@pytest.mark.parametrize("carry", ["none", "weights"])
@pytest.mark.parametrize("step", [0, 4, 6, 10])
def test_a_search_killed_at_any_step_ends_as_an_undisturbed_one(
    tmp_path: Path, run: Run, settings: OneShotSettings, carry: Any, step: int
) -> None:
    settings = replace(settings, carry=carry)
    run(tmp_path / "whole", settings=settings)
    with pytest.raises(Killed):
        run(tmp_path / "cut", settings=settings, should_stop=KilledAtStep(step))
    run(tmp_path / "cut", settings=settings, resume=True)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


@pytest.mark.parametrize("step", [1, 3, 8])
def test_a_search_that_was_asked_to_stop_goes_on_from_that_step(
    tmp_path: Path, run: Run, settings: OneShotSettings, step: int
) -> None:
    settings = replace(settings, carry="weights")
    run(tmp_path / "whole", settings=settings)
    place = f"stage {step // 6 + 1}, epoch {step % 6 // 3 + 1}, after step {step % 3}; a checkpoint was saved"
    with pytest.raises(SearchInterrupted, match=place):
        run(tmp_path / "cut", settings=settings, should_stop=KilledAtStep(step, politely=True))
    asked = KilledAtStep(100)
    run(tmp_path / "cut", settings=settings, resume=True, should_stop=asked)
    assert asked._left == 100 - (12 - step)  # nothing was done twice
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_a_kill_between_journal_and_checkpoint_leaves_no_trace(tmp_path: Path, run: Run, epoch: int) -> None:
    run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "cut", reporter=KilledAtEpoch(epoch))
    run(tmp_path / "cut", resume=True)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


def test_second_order_resumes_bit_for_bit_too(tmp_path: Path, run: Run, settings: OneShotSettings) -> None:
    settings = replace(settings, order="second")
    run(tmp_path / "whole", settings=settings)
    with pytest.raises(SearchInterrupted):
        run(tmp_path / "cut", settings=settings, should_stop=KilledAtStep(5, politely=True))
    run(tmp_path / "cut", settings=settings, resume=True)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")
    run(tmp_path / "first", settings=replace(settings, order="first"))
    assert outcome(tmp_path / "first")["alphas"] != outcome(tmp_path / "whole")["alphas"]


def test_a_finished_search_is_not_run_again(tmp_path: Path, run: Run) -> None:
    run(tmp_path / "run")
    before = outcome(tmp_path / "run")
    run(tmp_path / "run", resume=True, should_stop=KilledAtStep(0))
    assert outcome(tmp_path / "run") == before


def test_perturbation_chooses_a_legal_genotype_and_resumes(
    tmp_path: Path, run: Run, settings: OneShotSettings, small_space: SearchSpace
) -> None:
    settings = replace(settings, select="perturbation")
    whole = run(tmp_path / "whole", settings=settings)
    assert whole.choice.selection == "perturbation"
    assert small_space.contains(whole.choice.genotype)
    with pytest.raises(SearchInterrupted, match="while it chose"):
        run(tmp_path / "cut", settings=settings, should_stop=KilledAtStep(15, politely=True))
    run(tmp_path / "cut", settings=settings, resume=True)
    assert outcome(tmp_path / "cut") == outcome(tmp_path / "whole")


def test_other_settings_are_refused_on_resume_and_named(
    tmp_path: Path, run: Run, settings: OneShotSettings
) -> None:
    run(tmp_path / "run")
    with pytest.raises(DataError, match=r"settings\.alpha_lr: was 0\.05, now 0\.5"):
        run(tmp_path / "run", settings=replace(settings, alpha_lr=0.5), resume=True)


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path, run: Run) -> None:
    run(tmp_path / "run")
    with pytest.raises(OutputExistsError, match="--resume"):
        run(tmp_path / "run")


def test_windows_of_another_length_are_refused(tmp_path: Path, run: Run, macro: Macro) -> None:
    with pytest.raises(DataError, match="windows of 60 bp, the macro takes 61 bp"):
        run(tmp_path / "run", macro=replace(macro, length=61))
    assert not (tmp_path / "run").exists()


def test_a_search_that_diverges_says_where(tmp_path: Path, run: Run, settings: OneShotSettings) -> None:
    weights = replace(settings.weights, lr=1e30, momentum=0.0)
    with pytest.raises(DivergedError, match=r"stage 1, epoch 1, step [23]"):
        run(tmp_path / "run", settings=replace(settings, weights=weights))


def test_a_damaged_checkpoint_is_named(tmp_path: Path, run: Run) -> None:
    with pytest.raises(Killed):
        run(tmp_path / "run", reporter=KilledAtEpoch(2))
    path = tmp_path / "run" / "checkpoint" / "supernet.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="not a readable safetensors file"):
        run(tmp_path / "run", resume=True)


def engine(
    store: SequenceStore, macro: Macro, space: SearchSpace, settings: OneShotSettings
) -> OneShotEngine:
    return OneShotEngine(settings, space, store, macro, seed=4)


def test_what_is_carried_is_found_by_edge_and_op(
    store: SequenceStore, macro: Macro, small_space: SearchSpace, settings: OneShotSettings
) -> None:
    one_shot = engine(store, macro, small_space, replace(settings, carry="weights"))
    before = one_shot._start(0, LiveOps.full(small_space))
    before.run_epoch(before_step=lambda: None)
    # Every edge loses another op, so that places in the rows no longer agree.
    with torch.no_grad():
        for number, role in enumerate(ROLES):
            noise = torch.Generator().manual_seed(number)
            before.alphas[role].copy_(torch.randn(before.alphas[role].shape, generator=noise))
    after = one_shot._next(before)
    assert after.supernet.live == pruned(before.alphas, settings.stages[0]) != before.supernet.live
    for role in ROLES:
        values = before.alphas.values(role)
        assert after.alphas.values(role) == {entry: values[entry] for entry in after.alphas.live.each(role)}
    old, new = before.supernet.state_dict(), after.supernet.state_dict()
    assert set(new) < set(old)
    assert all(torch.equal(new[name], old[name]) for name in new)
    assert any("running_var" in name for name in new)
    assert not after.optimiser.state  # optimisers start anew


def test_without_carrying_a_stage_starts_anew(
    store: SequenceStore, macro: Macro, small_space: SearchSpace, settings: OneShotSettings
) -> None:
    one_shot = engine(store, macro, small_space, settings)
    before = one_shot._start(0, LiveOps.full(small_space))
    after = one_shot._next(before)
    old, new = dict(before.supernet.named_parameters()), dict(after.supernet.named_parameters())
    kept = [name for name in new if name in old and new[name].std() > 0]
    assert len(kept) > 10
    assert not any(torch.equal(new[name], old[name]) for name in kept)
    values = before.alphas.values("normal")
    assert all(values[entry] != value for entry, value in after.alphas.values("normal").items())


def test_pruning_of_the_published_space_has_the_published_sizes() -> None:
    live = LiveOps.full(GENOME_NAS)
    sizes = []
    settings = get_one_shot_settings("edp-darts", "paper")
    assert isinstance(settings, OneShotSettings)
    from genotools.nn.alphas import Alphas

    for number, stage in enumerate(settings.stages):
        sizes.append(
            [(len(live.edges(role)), {len(edge.ops) for edge in live.edges(role)}) for role in ROLES]
        )
        live = pruned(Alphas(live, generator=torch.Generator().manual_seed(number)), stage)
    assert sizes == [
        [(14, {9}), (14, {9}), (36, {5})],
        [(13, {6}), (13, {6}), (30, {3})],
        [(11, {3}), (11, {3}), (21, {2})],
    ]


@pytest.mark.slow
@pytest.mark.parametrize("name", ONE_SHOT_ENGINES)
def test_every_engine_runs_on_the_published_space(
    tmp_path: Path, store: SequenceStore, macro: Macro, name: str
) -> None:
    settings = get_one_shot_settings(name, "quick").changed(epochs=2, steps_per_epoch=2, batch_size=4)
    result = search_one_shot(
        name, GENOME_NAS, store, tmp_path / "run", macro=macro, settings=settings, seed=0
    )
    candidates = read_candidates(tmp_path / "run")
    assert candidates[-1].genotype == result.choice.genotype
    assert all(GENOME_NAS.contains(candidate.genotype) for candidate in candidates)
    if isinstance(settings, OneShotSettings) and settings.max_skips is not None:
        assert count_skips(result.choice.genotype) <= settings.max_skips


def test_a_stage_without_pruning_keeps_everything(small_space: SearchSpace) -> None:
    from genotools.nn.alphas import Alphas

    live = LiveOps.full(small_space)
    alphas = Alphas(live, generator=torch.Generator().manual_seed(0))
    assert pruned(alphas, SearchStage(epochs=1)) == live
