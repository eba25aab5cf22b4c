import numpy as np
import pytest
from numpy.typing import NDArray

from genotools.data.encoding import reverse_complement
from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.predictor import Predictor
from genotools.training.evaluate import describe_strands, evaluate
from genotools.training.metrics import MultilabelMetrics, evaluate_multilabel


class Composition:
    """Predicts from counts of bases, differently on the two strands."""

    digest = "0" * 64

    def __init__(self, names: tuple[str, ...], length: int) -> None:
        self.names = names
        self.length = length

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        counts = np.stack([(codes[:, base::7] == base).sum(axis=1) for base in range(4)], axis=1)
        probs: NDArray[np.float32] = (counts / 10).astype(np.float32)
        return probs


@pytest.fixture
def predictor(store: SequenceStore) -> Composition:
    return Composition(store.names, store.length)


def test_both_strands_are_averaged_and_stranded_labels_exchanged(
    predictor: Composition, store: SequenceStore
) -> None:
    assert isinstance(predictor, Predictor)
    rows = store.rows("test")
    codes = store.codes(rows)
    forward, reverse = predictor.predict(codes), predictor.predict(reverse_complement(codes))
    mean = (forward + reverse[:, [0, 1, 3, 2]]) / 2
    found = evaluate(predictor, store, "test", batch_size=7)
    assert isinstance(found, MultilabelMetrics)
    np.testing.assert_allclose(found.auroc, evaluate_multilabel(store.labels(rows), mean, store.names).auroc)
    one = evaluate(predictor, store, "test", strands="forward")
    assert isinstance(one, MultilabelMetrics)
    np.testing.assert_allclose(one.auroc, evaluate_multilabel(store.labels(rows), forward, store.names).auroc)
    assert not np.allclose(one.auroc, found.auroc)


def test_metrics_do_not_depend_on_the_batch_size(predictor: Composition, store: SequenceStore) -> None:
    seen: list[tuple[int, int]] = []
    one = evaluate(
        predictor, store, "valid", batch_size=33, on_progress=lambda done, of: seen.append((done, of))
    )
    assert seen == [(33, 80), (66, 80), (80, 80)]
    assert one.to_json() == evaluate(predictor, store, "valid", batch_size=1000).to_json()


@pytest.mark.parametrize(
    ("names", "length", "message"),
    [
        (("a",), 60, "4 labels, the model 1 outputs"),
        (
            ("first", "2nd", "motif_plus", "motif_minus"),
            60,
            "label 1 is 'second', the model's output 1 is '2nd'",
        ),
        (("first", "second", "motif_plus", "motif_minus"), 50, "windows have 60 bp, the model takes 50 bp"),
    ],
)
def test_a_model_of_other_data_is_refused(
    names: tuple[str, ...], length: int, message: str, store: SequenceStore
) -> None:
    with pytest.raises(DataError, match=message):
        evaluate(Composition(names, length), store)


def test_words_say_what_was_done_with_the_strands() -> None:
    one = Composition(("a",), 60)
    assert describe_strands("forward", one) == "forward strand only"
    assert describe_strands("both", one) == "predictions of both strands averaged"
    assert "1 pairs" in describe_strands("both", Composition(("a_plus", "a_minus"), 60))


def test_a_prediction_that_is_no_number_names_its_row(predictor: Composition, store: SequenceStore) -> None:
    row = int(store.rows("test")[41])
    window = store.codes([row])

    class Breaks(Composition):
        def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
            outputs = super().predict(codes)
            outputs[(codes == window).all(axis=1)] = np.nan
            return outputs

    with pytest.raises(DataError, match=rf"first for row {row} of {store.path}, output 'first'"):
        evaluate(Breaks(store.names, store.length), store, "test", batch_size=16)
