"""OSP-NAS: what may be removed, what a loss decides, and that a search that was cut ends as an undisturbed one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, Macro, SearchSpace
from genotools.nn.live_ops import ROLES, LiveOps
from genotools.search.one_shot import Candidate, RoundEnd, SearchInterrupted
from genotools.search.one_shot_engines import get_one_shot_settings
from genotools.search.one_shot_run import read_candidates, search_one_shot
from genotools.search.osp_nas import OspNas, initial_live, n_ops, n_required, removable, surplus
from genotools.search.osp_settings import OspSettings
from genotools.search.path_training import PathTraining
from genotools.training.settings import TrainingSettings

SETTINGS = OspSettings(
    weights=TrainingSettings(steps_per_epoch=2, batch_size=8, lr=0.1, recurrent_lr=1.0),
    n_initial=14,
    n_proposed=4,
    pretrain_epochs=2,
    pretrain_schedule=3,
    round_epochs=1,
    loss_batches=2,
)


@pytest.fixture
def engine(store: SequenceStore, macro: Macro, small_space: SearchSpace) -> Callable[..., OspNas]:
    def make(settings: OspSettings = SETTINGS, **options: object) -> OspNas:
        return OspNas(settings, small_space, store, macro, seed=1, **options)  # type: ignore[arg-type]

    return make


def test_the_published_masks_leave_9_pairs_after_17_rounds() -> None:
    rng = np.random.default_rng(0)
    live = initial_live(GENOME_NAS, 108, rng=rng)
    assert [n_ops(live, role) for role in ROLES] == [108, 108, 108]
    assert [n_required(GENOME_NAS, role) for role in ROLES] == [8, 8, 8]
    n_rounds = 0
    settings = get_one_shot_settings("osp-nas", "paper")
    assert isinstance(settings, OspSettings)
    while surplus(live, GENOME_NAS, "normal") > 1:
        for role in ROLES:
            for _ in range(min(settings.n_proposed, surplus(live, GENOME_NAS, role)) - 1):
                choices = removable(live, GENOME_NAS, role)
                live = live.drop(role, [choices[int(rng.integers(len(choices)))]])
        n_rounds += 1
    assert n_rounds == 17
    assert [n_ops(live, role) for role in ROLES] == [9, 9, 9]


def test_what_is_removable_leaves_every_node_its_in_edges(small_space: SearchSpace) -> None:
    rng = np.random.default_rng(0)
    live = initial_live(small_space, 1, rng=rng)  # as few as a genotype has
    assert [surplus(live, small_space, role) for role in ROLES] == [0, 0, 0]
    assert all(removable(live, small_space, role) == [] for role in ROLES)
    more = LiveOps.full(small_space, with_none=False)
    for role in ROLES:
        assert len(removable(more, small_space, role)) == n_ops(more, role)


def test_the_triple_that_is_missed_most_stays_and_the_others_go(engine: Callable[..., OspNas]) -> None:
    osp = engine()
    training = osp._training(osp.initial(), 0)
    seen: list[LiveOps] = []

    def loss(training: PathTraining, live: LiveOps) -> float:
        seen.append(live)
        return [0.1, 0.9, 0.2, 0.3][len(seen) - 1]

    osp._loss_of = loss  # type: ignore[method-assign]
    before = training.supernet.live
    losses, after = osp._remove(training)
    assert sorted(losses.values()) == [0.1, 0.2, 0.3, 0.9]
    proposed = [
        {role: set(before.each(role)) - set(without.each(role)) for role in ROLES} for without in seen
    ]
    for role in ROLES:
        gone = set(before.each(role)) - set(after.each(role))
        assert gone == proposed[0][role] | proposed[2][role] | proposed[3][role]
        assert len(gone) == 3


def test_it_ends_with_every_last_removal_as_a_candidate_and_the_lowest_loss_as_the_choice(
    engine: Callable[..., OspNas], small_space: SearchSpace
) -> None:
    found = list(engine().candidates())
    rounds = [end for end in found if isinstance(end, RoundEnd)]
    *others, choice = [one for one in found if isinstance(one, Candidate)]
    sizes = [dict(end.n_live) for end in rounds]
    assert sizes[0] == {"normal": 14, "reduce": 14, "recurrent": 12}
    assert sizes[-1] == {"normal": 7, "reduce": 5, "recurrent": 4}
    assert all(small_space.contains(one.genotype) for one in others)
    assert choice.is_choice
    best = min(others, key=lambda one: one.held_out_loss or 0.0)
    assert (choice.genotype, choice.held_out_loss) == (best.genotype, best.held_out_loss)
    assert len({one.genotype.digest for one in others}) > 1


@pytest.mark.parametrize("stop_at", [1, 3, 5, 8, 20])
def test_a_search_that_was_stopped_ends_as_an_undisturbed_one(
    store: SequenceStore, macro: Macro, small_space: SearchSpace, tmp_path: Path, stop_at: int
) -> None:
    def run(folder: Path, *, stop: int | None = None, resume: bool = False) -> None:
        n_asked = 0

        def should_stop() -> bool:
            nonlocal n_asked
            n_asked += 1
            return n_asked == stop

        search_one_shot(
            "osp-nas",
            small_space,
            store,
            folder,
            macro=macro,
            settings=SETTINGS,
            seed=1,
            resume=resume,
            should_stop=should_stop,
        )

    def events(folder: Path) -> list[dict[str, object]]:
        lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
        return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]

    run(tmp_path / "whole")
    with pytest.raises(SearchInterrupted):
        run(tmp_path / "cut", stop=stop_at)
    run(tmp_path / "cut", resume=True)
    assert events(tmp_path / "cut") == events(tmp_path / "whole")
    best = [(tmp_path / name / "best.genotype.json").read_bytes() for name in ("cut", "whole")]
    assert best[0] == best[1]
    choice = read_candidates(tmp_path / "cut", space=small_space)[-1].genotype
    assert json.loads(best[0])["digest"] == choice.digest
    result = json.loads((tmp_path / "cut" / "result.json").read_text())
    assert result["n_steps"] == sum(
        int(str(e["n_steps"])) for e in events(tmp_path / "cut") if e["event"] == "round"
    )


def test_rates_fall_from_round_to_round_and_the_first_has_a_schedule_of_its_own() -> None:
    settings = get_one_shot_settings("osp-nas", "paper")
    assert isinstance(settings, OspSettings)
    assert (settings.weights_in(0).epochs, settings.epochs_in(0)) == (60, 10)
    third = settings.weights_in(3)
    assert (third.lr, third.recurrent_lr, third.epochs) == pytest.approx((0.025 - 6e-4, 8 - 0.3, 5))


def test_settings_it_does_not_have_and_values_out_of_range_are_refused() -> None:
    with pytest.raises(DataError, match="engine 'osp-nas' has no use for --order, --max-skips"):
        SETTINGS.changed(order="second", max_skips=2)
    with pytest.raises(DataError, match=r"(?s)2 faults.*n_proposed is 1.*head_dropout is 1.0"):
        replace(SETTINGS, n_proposed=1, head_dropout=1.0)
    assert SETTINGS.changed(epochs=2, batch_size=4).pretrain_epochs == 4
