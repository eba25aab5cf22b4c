"""The alarm for a collapse: its three numbers, and when it sounds."""

import pytest

from genotools.genotype import ConvCell, Genotype, RecurrentCell
from genotools.nn.live_ops import LiveOp
from genotools.search.collapse import Collapse, watch
from genotools.search.derive import Probs

CALM = Collapse(skip_share=0.25, none_share=0.1, entropy=0.8)


def genotype(*ops: str) -> Genotype:
    cell = ConvCell([(0, 2, ops[0]), (1, 2, ops[1])])
    return Genotype(cell, ConvCell([(0, 2, "conv_15"), (1, 2, "conv_15")]), RecurrentCell([(0, "tanh")]))


def test_the_numbers_are_what_they_say() -> None:
    even = {LiveOp(0, 2, "none"): 0.5, LiveOp(0, 2, "conv_15"): 0.5}
    decided = {LiveOp(0, 2, "none"): 0.0, LiveOp(0, 2, "conv_15"): 1.0, LiveOp(1, 2, "conv_15"): 1.0}
    against = {LiveOp(0, 1, "none"): 0.9, LiveOp(0, 1, "tanh"): 0.1}
    found = watch(genotype("skip_connect", "conv_15"), Probs(even, decided, against))
    assert found.skip_share == 0.5
    assert found.none_share == pytest.approx(1 / 3, abs=1e-6)  # only the even edge, where none comes first
    # Entropies over ln 2: 1, 0 and H(0.9, 0.1) = 0.468996; edges of one op have none.
    assert found.entropy == pytest.approx((1 + 0 + 0.468996) / 3, abs=1e-6)


def test_a_calm_search_gives_no_alarm() -> None:
    assert CALM.alarms() == []


@pytest.mark.parametrize(
    ("collapse", "words"),
    [
        (Collapse(skip_share=0.75, none_share=0, entropy=0.5), "75% of the normal cell's edges are skips"),
        (Collapse(skip_share=0, none_share=0.6, entropy=0.5), "'none' is the most probable op on 60%"),
        (Collapse(skip_share=0, none_share=0, entropy=0.9996), "almost uniform"),
    ],
)
def test_each_sign_is_said(collapse: Collapse, words: str) -> None:
    assert [words in alarm for alarm in collapse.alarms()] == [True]
