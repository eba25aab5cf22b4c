"""Settings of one-shot searches: the published ones, the schedule of dropout on skips, and what is refused."""

import math
from dataclasses import replace
from typing import Any

import pytest

from genotools.errors import DataError
from genotools.search.one_shot_engines import get_one_shot_settings
from genotools.search.one_shot_settings import OneShotSettings, SearchStage
from genotools.training.settings import TrainingSettings

FAMILY = ("darts", "pdarts", "cwp-darts", "edp-darts")


def settings_of(engine: str, preset: str) -> OneShotSettings:
    """Return a preset of an engine with alphas."""
    settings = get_one_shot_settings(engine, preset)
    assert isinstance(settings, OneShotSettings)
    return settings


def test_skip_dropout_falls_linearly_and_then_exponentially_from_the_start_again() -> None:
    stage = SearchStage(epochs=25, weight_only_epochs=10, skip_dropout=0.3)
    assert stage.skip_dropout_at(0) == pytest.approx(0.3 * 24 / 25)
    assert stage.skip_dropout_at(9) == pytest.approx(0.3 * 15 / 25)
    assert stage.skip_dropout_at(10) == pytest.approx(0.3)
    assert stage.skip_dropout_at(20) == pytest.approx(0.3 * math.exp(-2))


@pytest.mark.parametrize(
    ("engine", "epochs", "weight_only", "dropout"),
    [
        ("darts", [50], [0], [0.0]),
        ("pdarts", [25, 25, 25], [10, 10, 10], [0.1, 0.2, 0.3]),
        ("cwp-darts", [25, 15, 15], [10, 0, 0], [0.1, 0.2, 0.3]),
        ("edp-darts", [25, 25, 25], [10, 10, 10], [0.1, 0.2, 0.3]),
    ],
)
def test_the_published_stages(
    engine: str, epochs: list[int], weight_only: list[int], dropout: list[float]
) -> None:
    settings = settings_of(engine, "paper")
    assert [stage.epochs for stage in settings.stages] == epochs
    assert [stage.weight_only_epochs for stage in settings.stages] == weight_only
    assert [stage.skip_dropout for stage in settings.stages] == dropout
    weights = settings.weights
    assert (weights.steps_per_epoch, weights.batch_size) == (2000, 64)
    assert (weights.lr, weights.recurrent_lr, weights.clip_norm) == (0.025, 8.0, 0.25)
    assert (weights.dropout_x, weights.dropout_h, weights.slowness) == (0.1, 0.05, 1e-3)
    assert (settings.alpha_data, settings.order, settings.select) == ("train-half", "first", "argmax")


def test_the_published_alphas_and_pruning() -> None:
    darts, pdarts, cwp, edp = (settings_of(name, "paper") for name in FAMILY)
    assert (darts.alpha_lr, darts.alpha_betas, darts.alpha_weight_decay) == (3e-3, (0.9, 0.999), 1e-3)
    assert (pdarts.alpha_lr, pdarts.alpha_betas, pdarts.alpha_weight_decay) == (6e-4, (0.5, 0.999), 1e-3)
    assert darts.max_skips is None
    assert [settings.max_skips for settings in (pdarts, cwp, edp)] == [2, 2, 2]
    for settings in (pdarts, cwp, edp):
        assert [(s.conv_ops, s.recurrent_ops) for s in settings.stages] == [(6, 3), (3, 2), (None, None)]
    assert [(s.conv_edges, s.recurrent_edges) for s in edp.stages] == [(4, 5), (3, 3), (None, None)]
    assert [settings.carry for settings in (pdarts, cwp, edp)] == ["none", "weights", "none"]


def test_the_reference_departs_where_the_code_did() -> None:
    darts, pdarts, cwp, edp = (settings_of(name, "reference") for name in FAMILY)
    assert darts.stages[0].weight_only_epochs == 5
    assert [stage.weight_only_epochs for stage in cwp.stages] == [15, 3, 3]
    assert [stage.skip_dropout for stage in cwp.stages] == [0.1, 0.1, 0.1]
    assert {settings.alpha_data for settings in (darts, pdarts, cwp, edp)} == {"valid"}
    assert {settings.max_skips for settings in (pdarts, cwp, edp)} == {0}


def test_dep_darts_is_edp_darts() -> None:
    assert get_one_shot_settings("dep-darts", "paper") == get_one_shot_settings("edp-darts", "paper")


def test_an_unknown_engine_or_preset_is_named() -> None:
    with pytest.raises(DataError, match=r"unknown engine 'darst'.*Did you mean 'darts'"):
        get_one_shot_settings("darst", "paper")
    with pytest.raises(DataError, match=r"darts has no preset 'fast'. Known: paper, reference, quick"):
        get_one_shot_settings("darts", "fast")


def test_fewer_epochs_keep_the_share_of_weight_only_ones() -> None:
    settings = settings_of("pdarts", "paper").changed(epochs=5, batch_size=8)
    assert [stage.epochs for stage in settings.stages] == [5, 5, 5]
    assert [stage.weight_only_epochs for stage in settings.stages] == [2, 2, 2]
    assert settings.weights.batch_size == 8
    assert settings.changed(weight_only_epochs=0).stages[0].weight_only_epochs == 0


def test_all_faults_are_listed_at_once(settings: OneShotSettings) -> None:
    with pytest.raises(DataError) as raised:
        replace(
            settings,
            stages=(SearchStage(epochs=0),),
            order="third",  # type: ignore[arg-type]
            alpha_lr=-1.0,
            alpha_weight_decay=1e38,
            max_skips=-1,
        )
    for words in (
        "stages.0.epochs is 0",
        "order is 'third'",
        "alpha_lr is -1.0",
        "alpha_weight_decay is 1e+38, it must be a number from 0 to 1e+30",
        "max_skips is -1",
    ):
        assert words in str(raised.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stages": ()}, "stages is empty"),
        ({"stages": (SearchStage(epochs=2, weight_only_epochs=3),)}, "weight_only_epochs is 3 of 2 epochs"),
        ({"stages": (SearchStage(epochs=2, skip_dropout=1.0),)}, r"skip_dropout is 1.0"),
        ({"stages": (SearchStage(epochs=2, conv_ops=0),)}, r"conv_ops is 0"),
        ({"weights": TrainingSettings(batch_size=1)}, "weights.batch_size is 1, a supernet needs at least 2"),
        ({"alpha_betas": (0.5, 1.0)}, "alpha_betas is"),
        ({"alpha_clip_norm": 0.0}, "alpha_clip_norm is 0.0"),
        ({"perturbation_batches": 0}, "perturbation_batches is 0"),
    ],
)
def test_a_value_out_of_range_is_named(
    settings: OneShotSettings, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError, match=words):
        replace(settings, **changes)
