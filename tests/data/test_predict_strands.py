"""Predicting both strands."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from genotools.data.strands import predict_strands
from genotools.errors import DataError


class CountsBases:
    """Says the share of A for `a_plus`, of T for `a_minus`, and of C for `c`."""

    names: Sequence[str] = ("a_plus", "a_minus", "c")
    length = 10
    digest = "0" * 64

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.stack([(codes == base).mean(axis=1) for base in (0, 3, 1)], axis=1).astype(np.float32)


def test_stranded_labels_change_places_on_the_second_strand() -> None:
    codes = np.random.default_rng(0).integers(0, 4, size=(5, 10)).astype(np.uint8)
    forward, reverse = predict_strands(CountsBases(), codes)
    # A on the other strand is T here, and the label of A there is the label of T here.
    np.testing.assert_array_equal(reverse[:, :2], forward[:, :2])
    np.testing.assert_allclose(reverse[:, 2], (codes == 2).mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_windows_without_a_number_are_named_whichever_strand_it_is_on(bad: float) -> None:
    codes = np.full((7, 10), 2, dtype=np.uint8)
    codes[[2, 5], 9] = 3  # A comes first on the other strand, and nowhere else

    class Breaks(CountsBases):
        def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
            outputs = super().predict(codes)
            outputs[codes[:, 0] == 0, 1] = bad
            return outputs

    with pytest.raises(
        DataError,
        match=r"2 values that are not finite .* first for site 2 and 1 more windows, output 'a_minus'",
    ):
        predict_strands(Breaks(), codes, name_of="site {}".format)
    with pytest.raises(DataError, match=r"1 values .* first for window 2, output"):
        predict_strands(Breaks(), codes, batch_size=3)
    assert predict_strands(Breaks(), codes, strands="forward").shape == (1, 7, 3)
