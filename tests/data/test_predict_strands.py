"""Predicting both strands."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from genotools.data.strands import predict_strands


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
