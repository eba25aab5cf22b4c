import json

import pytest

from genotools.errors import DataError
from genotools.training.settings import PRESETS, TrainingSettings, get_preset


def test_paper_preset_has_the_published_values() -> None:
    paper = PRESETS["paper"]
    assert (paper.batch_size, paper.steps_per_epoch, paper.epochs) == (100, 3000, 50)
    assert (paper.lr, paper.momentum, paper.weight_decay) == (0.025, 0.9, 3e-4)
    assert (paper.recurrent_lr, paper.recurrent_weight_decay, paper.clip_norm) == (8, 5e-7, 0.25)
    assert (paper.drop_path, paper.dropout_x, paper.dropout_h, paper.slowness) == (0.2, 0.1, 0.05, 1e-3)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_settings_survive_json(name: str) -> None:
    document = json.loads(json.dumps(PRESETS[name].to_document()))
    assert TrainingSettings.from_document(document) == PRESETS[name]


def test_all_faults_of_a_document_are_reported_at_once() -> None:
    document = {"epochs": 0, "lr": "fast", "drop_path": 1.0, "precision": "fp8", "learning_rate": 1}
    with pytest.raises(DataError, match="learning_rate: no such setting") as caught:
        TrainingSettings.from_document(document, where="s.json")
    for part in ("s.json", "epochs is 0", "lr is 'fast'", "drop_path is 1.0", "precision is 'fp8'"):
        assert part in str(caught.value)


@pytest.mark.parametrize("value", [True, float("nan"), float("inf"), -1.0])
def test_a_learning_rate_that_is_no_usable_number_is_refused(value: float) -> None:
    with pytest.raises(DataError, match="lr is"):
        TrainingSettings(lr=value)


def test_changing_leaves_out_none_and_checks_the_rest() -> None:
    assert TrainingSettings().changed(epochs=2, lr=None) == TrainingSettings(epochs=2)
    with pytest.raises(DataError, match="batch_size is 0"):
        TrainingSettings().changed(batch_size=0)


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(DataError, match=r"'fast'.*paper, quick"):
        get_preset("fast")
