"""Similarity of a network's first filters to motifs."""

import pickle

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, Macro, Task
from genotools.nn import GenomeNet, build
from genotools.search.knowledge import (
    MotifKnowledge,
    filter_probabilities,
    first_filters,
    motif_similarities,
)
from genotools.search.motifs import Motif

Array = NDArray[np.float64]

WIDTH = Macro.small(200).stem_kernel


def motif(width: int = 8, *, seed: int = 0, name: str = "planted") -> Motif:
    columns = np.random.default_rng(seed).dirichlet(np.full(4, 0.3), size=width)
    return Motif(name=name, probabilities=columns.T)


def weights_of(found: Motif) -> Array:
    """Return the logarithm of the probabilities as they are compared, with an odds of 1 as 0."""
    return np.log((found.probabilities + 0.01) / 1.04 / 0.25)


def network(seed: int = 0) -> GenomeNet:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    return build(genotype, Macro.small(200), Task(1), seed=seed)


def planted(*filters: Array, seed: int = 0) -> GenomeNet:
    """Return an untrained network whose first filters are given, flush left, and 0 beyond."""
    found = network(seed)
    with torch.no_grad():
        stem = found.stem.get_parameter("conv.weight")
        for index, one in enumerate(filters):
            stem[index] = 0
            stem[index, :, : one.shape[1]] = torch.from_numpy(one)
    return found


def placed(one: Array, start: int) -> Array:
    filters = np.zeros((1, 4, WIDTH))
    filters[0, :, start : start + one.shape[1]] = one
    return filters


def test_a_perfect_copy_scores_exactly_one() -> None:
    one = motif()
    assert MotifKnowledge([one])(planted(weights_of(one))) == pytest.approx(1, abs=1e-6)


def test_planted_motifs_score_higher_than_random_filters() -> None:
    motifs = [motif(seed=1, name="first"), motif(12, seed=2, name="second")]
    knowledge = MotifKnowledge(motifs)
    random = [knowledge(network(seed)) for seed in range(10)]
    copies = [weights_of(one) for one in motifs]
    assert max(random) < 0.8
    assert knowledge(planted(*copies)) == pytest.approx(1, abs=1e-6)
    half = knowledge(planted(copies[0]))
    assert max(random) < half < 1 - (1 - max(random)) / 4


def test_both_strands_count() -> None:
    one = motif()
    reverse = weights_of(one)[::-1, ::-1].copy()
    assert MotifKnowledge([one])(planted(reverse)) == pytest.approx(1, abs=1e-6)
    assert motif_similarities(placed(weights_of(one)[:, ::-1], 2), one.probabilities)[0] < 0.8


@pytest.mark.parametrize("start", [0, 3, WIDTH - 8])
def test_where_in_the_filter_it_lies_does_not_matter(start: int) -> None:
    one = motif()
    assert motif_similarities(placed(weights_of(one), start), one.probabilities) == pytest.approx(1)


@pytest.mark.parametrize("factor", [1e-3, 1.0, 50.0])
def test_scale_and_offset_of_weights_do_not_matter(factor: float) -> None:
    """A batch norm takes out the one, and the other is the same for every sequence."""
    one = motif()
    shifts = np.random.default_rng(1).normal(size=(1, 1, WIDTH))
    filters = factor * (placed(weights_of(one), 2) + shifts)
    assert motif_similarities(filters, one.probabilities) == pytest.approx(1)


def test_a_filter_behind_a_negative_scale_fires_on_the_opposite() -> None:
    one = motif()
    found = planted(-weights_of(one))
    before = MotifKnowledge([one])(found)
    with torch.no_grad():
        found.stem.get_parameter("norm.weight")[0] = -0.5
    assert before < 0.9
    assert MotifKnowledge([one])(found) == pytest.approx(1, abs=1e-6)
    assert np.allclose(first_filters(found)[0, :, :8], weights_of(one), atol=1e-6)


def test_the_similarity_is_the_mean_of_correlations_of_columns() -> None:
    """By hand: the columns of a filter as wide as the motif, whose other alignments are worse."""
    one = motif(WIDTH, seed=4)
    noise = np.random.default_rng(0).normal(scale=1.0, size=(1, 4, WIDTH))
    filters = placed(weights_of(one), 0) + noise
    smooth = (one.probabilities + 0.01) / 1.04
    columns = filter_probabilities(filters, smooth)[0]
    by_hand = [np.corrcoef(columns[:, i], smooth[:, i])[0, 1] for i in range(WIDTH)]
    found = motif_similarities(filters, one.probabilities)[0]
    assert found == pytest.approx(np.mean(by_hand))
    assert 0.5 < found < 0.95


def test_filters_become_the_motif_at_its_own_scale() -> None:
    one = motif(5)
    smooth = (one.probabilities + 0.01) / 1.04
    probabilities = filter_probabilities(7 * placed(weights_of(one), 4), smooth)[0]
    assert np.allclose(probabilities[:, 4:9], smooth)
    assert np.allclose(probabilities[:, :4], 0.25)


def test_what_does_not_overlap_counts_as_nothing() -> None:
    one = Motif(name="a", probabilities=np.eye(4)[[0, 1, 0, 1, 2, 3, 2, 3]].T)
    half = np.zeros((1, 4, WIDTH))
    half[0, :, :4] = weights_of(one)[:, 4:]
    assert motif_similarities(half, one.probabilities)[0] == pytest.approx(0.5, abs=0.01)


def test_of_a_wider_motif_a_filter_can_match_a_part_only() -> None:
    one = motif(30, seed=3)
    part = weights_of(one)[None, :, 9 : 9 + WIDTH]
    assert motif_similarities(part, one.probabilities)[0] > 0.95


def test_positions_without_preference_do_not_count() -> None:
    columns = np.full((4, 9), 0.25)
    columns[:, [0, 1, 7, 8]] = np.eye(4)[[0, 1, 2, 3]].T
    one = Motif(name="spaced", probabilities=columns)
    filters = placed(weights_of(one), 0)
    assert motif_similarities(filters, one.probabilities) == pytest.approx(1)
    filters[0, :, 4] = [3, -1, -1, -1]
    # The filter has a preference of its own there; only its share of the norm changes.
    assert motif_similarities(filters, one.probabilities)[0] > 0.98


def test_dead_and_broken_filters_match_nothing() -> None:
    one = motif()
    filters = np.concatenate(
        [np.zeros((1, 4, WIDTH)), np.full((1, 4, WIDTH), np.nan), placed(weights_of(one), 0)]
    )
    filters = np.concatenate([filters, np.full((1, 4, WIDTH), np.inf)])
    assert motif_similarities(filters, one.probabilities).tolist() == pytest.approx([0, 0, 1, 0])


def test_each_motif_has_its_best_filter() -> None:
    motifs = [motif(seed=1, name="first"), motif(seed=2, name="second"), motif(seed=3, name="third")]
    found = planted(weights_of(motifs[2]), weights_of(motifs[0]))
    similarities = MotifKnowledge(motifs).similarities(found)
    assert similarities[[0, 2]].tolist() == pytest.approx([1, 1], abs=1e-6)
    assert 0 <= similarities[1] < 0.9
    assert MotifKnowledge(motifs)(found) == pytest.approx(similarities.mean())


def test_it_is_described_by_what_it_depends_on_and_can_be_sent() -> None:
    first, again, other = (MotifKnowledge([motif(seed=seed)]) for seed in (0, 0, 1))
    assert repr(first) == repr(again) == repr(pickle.loads(pickle.dumps(first)))  # noqa: S301
    assert repr(first) != repr(other)
    assert repr(first).startswith("MotifKnowledge(1 motifs, sha256 ")


def test_no_motifs_and_flat_motifs_are_refused() -> None:
    with pytest.raises(DataError, match="knowledge of motifs: there are none"):
        MotifKnowledge([])
    with pytest.raises(DataError, match="motif 'flat' prefers no base anywhere"):
        MotifKnowledge([motif(), Motif(name="flat", probabilities=np.full((4, 6), 0.25))])


@pytest.mark.slow
def test_filters_that_learn_a_motif_come_to_match_it_and_no_other() -> None:
    one, found = motif(10, seed=1), network()
    knowledge = MotifKnowledge([one])
    others = MotifKnowledge([motif(10, seed=seed, name=str(seed)) for seed in range(100, 120)])
    before, before_others = knowledge(found), others(found)
    _train_stem(found, one)
    assert before < 0.7
    assert knowledge(found) > 0.9
    assert others(found) == pytest.approx(before_others, abs=0.08)


def _train_stem(found: GenomeNet, one: Motif, n_steps: int = 400) -> None:
    """Train the stem to tell windows with the motif from windows without, by the strongest answer of each filter."""
    rng = np.random.default_rng(0)
    head = torch.full((found.macro.stem_channels,), 0.1, requires_grad=True)
    bias = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([*found.stem.parameters(), head, bias], lr=3e-3)
    for _ in range(n_steps):
        codes = rng.integers(0, 4, size=(32, 100))
        has_motif = rng.random(32) < 0.5
        for row in np.flatnonzero(has_motif):
            start = int(rng.integers(100 - one.width))
            drawn = [rng.choice(4, p=column) for column in one.probabilities.T]
            codes[row, start : start + one.width] = drawn
        x = torch.from_numpy(np.eye(4, dtype=np.float32)[codes]).transpose(1, 2)
        logits = torch.relu(found.stem(x)).amax(dim=2) @ head + bias
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, torch.from_numpy(has_motif.astype(np.float32))
        )
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
