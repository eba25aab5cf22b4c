"""The surrogate: what its embedding does not depend on, that it learns, and that it can be repeated."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from numpy.typing import NDArray

from genotools.genotype import GENOME_NAS, Genotype
from genotools.genotype.encoding import CellEncoding, GenotypeEncoding
from genotools.randomness import forked_torch
from genotools.search.sigmoid_regression import ranks
from genotools.search.surrogate import (
    Embedding,
    GraphConvolutions,
    Prediction,
    Surrogate,
    cell_graphs,
    fit_surrogate,
    genotype_graphs,
    weighted_loss,
)
from genotools.testing.strategies import genotypes


def sampled(n: int, seed: int = 0) -> list[Genotype]:
    rng = np.random.default_rng(seed)
    return [GENOME_NAS.sample(rng=rng) for _ in range(n)]


def share_of_pools(genotype: Genotype) -> float:
    edges = [*genotype.normal.edges, *genotype.reduce.edges]
    return sum("pool" in edge.op for edge in edges) / len(edges)


def data(n: int, seed: int = 0) -> tuple[list[GenotypeEncoding], list[float]]:
    found = sampled(n, seed)
    return [GENOME_NAS.encode(genotype) for genotype in found], [share_of_pools(one) for one in found]


@pytest.fixture(scope="module")
def surrogate() -> Surrogate:
    encodings, scores = data(60)
    return fit_surrogate(encodings, ranks(scores), epochs=60, seed=1)


def randomised(embedding: Embedding) -> Embedding:
    """Return it ready to predict, with weights and statistics that matter."""
    with forked_torch(3), torch.no_grad():
        for tensor in [*embedding.parameters(), *embedding.buffers()]:
            if tensor.is_floating_point():
                tensor.uniform_(0.1, 1)
    return embedding.eval()


def test_a_graph_has_a_global_node_self_loops_and_reversed_edges() -> None:
    cell = CellEncoding(
        adjacency=np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], dtype=np.uint8),  # 0 feeds 1, 1 feeds 2
        ops=np.array([[1, 0], [0, 1], [0, 1]], dtype=np.uint8),
        kinds=("a", "b"),
    )
    adjacency, features = cell_graphs([cell])
    assert adjacency[0].tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [1, 1, 1, 1]]
    assert features[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_convolutions_are_sums_over_who_feeds_a_node() -> None:
    encodings, _ = data(3)
    adjacency, features = cell_graphs([encoding.normal for encoding in encodings])
    with forked_torch(0):
        convolutions = GraphConvolutions(features.shape[-1]).eval()
    x = features.numpy()
    for layer in convolutions.layers:
        assert isinstance(layer, torch.nn.Linear)
        weights = layer.weight.detach().numpy()
        sums = np.stack(
            [
                np.stack([x[n][adjacency[n, node].numpy() == 1].sum(0) for node in range(x.shape[1])])
                for n in range(len(x))
            ]
        )
        x = np.maximum(sums @ weights.T / np.sqrt(1 + 1e-5), 0)  # fresh statistics: mean 0, variance 1
    with torch.inference_mode():
        found = convolutions((adjacency, features)).numpy()
    assert found.shape == (3, 64)
    np.testing.assert_allclose(found, x[:, -1], rtol=1e-4, atol=1e-6)


def permuted(cell: CellEncoding, order: NDArray[np.int64]) -> CellEncoding:
    return CellEncoding(cell.adjacency[np.ix_(order, order)], cell.ops[order], cell.kinds)


def test_an_embedding_does_not_depend_on_the_order_of_nodes() -> None:
    encodings, _ = data(5)
    rng = np.random.default_rng(0)
    shuffled = [
        GenotypeEncoding(
            *(
                permuted(cell, rng.permutation(len(cell.ops)))
                for cell in (encoding.normal, encoding.reduce, encoding.recurrent)
            )
        )
        for encoding in encodings
    ]
    graphs = genotype_graphs(encodings)
    embedding = randomised(Embedding([features.shape[-1] for _, features in graphs]))
    with torch.inference_mode():
        one, other = embedding.embed(graphs), embedding.embed(genotype_graphs(shuffled))
    assert one.shape == (5, 3 * 64)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(one[0], one[1], rtol=1e-2)


@settings(max_examples=20, deadline=None)
@given(genotypes())
def test_equal_genotypes_are_predicted_alike_whatever_their_numbering(
    surrogate: Surrogate, genotype: Genotype
) -> None:
    written, canonical = GENOME_NAS.encode(genotype), GENOME_NAS.encode(genotype.canonical())
    one, other = surrogate.predict([written]), surrogate.predict([canonical])
    assert (one.mean[0], one.sd[0]) == (other.mean[0], other.sd[0])


def test_each_cell_matters_and_roles_are_told_apart() -> None:
    encodings, _ = data(2)
    one, other = encodings
    variants = [
        one,
        GenotypeEncoding(other.normal, one.reduce, one.recurrent),
        GenotypeEncoding(one.normal, other.reduce, one.recurrent),
        GenotypeEncoding(one.normal, one.reduce, other.recurrent),
        GenotypeEncoding(one.reduce, one.normal, one.recurrent),
    ]
    graphs = genotype_graphs(variants)
    embedding = randomised(Embedding([features.shape[-1] for _, features in graphs]))
    with torch.inference_mode():
        found = embedding.embed(graphs)
    is_same = torch.stack(
        [(found == found[0])[:, start : start + 64].all(1) for start in (0, 64, 128)], dim=1
    )
    assert is_same.tolist() == [
        [True, True, True],
        [False, True, True],
        [True, False, True],
        [True, True, False],
        [False, False, True],
    ]


def test_the_loss_weighs_good_genotypes_more() -> None:
    predicted, scores = torch.tensor([0.5, 0.5]), torch.tensor([0.2, 0.9])
    by_hand = (np.exp(-0.8) * 0.3**2 + np.exp(-0.1) * 0.4**2) / 2
    assert float(weighted_loss(predicted, scores)) == pytest.approx(by_hand)


def test_training_lowers_the_loss() -> None:
    encodings, scores = data(60)
    graphs, targets = genotype_graphs(encodings), ranks(scores)

    def loss(epochs: int) -> float:
        trained = fit_surrogate(encodings, targets, epochs=epochs, seed=1).embedding
        with torch.inference_mode():
            return float(weighted_loss(trained(graphs), targets))

    assert loss(100) < 0.25 * loss(1)


def test_it_predicts_what_it_has_not_seen(surrogate: Surrogate) -> None:
    encodings, scores = data(200, seed=5)
    assert np.corrcoef(surrogate.predict(encodings).mean, scores)[0, 1] > 0.7


def test_a_batch_is_predicted_as_its_genotypes_one_by_one(surrogate: Surrogate) -> None:
    encodings, _ = data(4, seed=5)
    together = surrogate.predict(encodings)
    alone = [surrogate.predict([encoding]) for encoding in encodings]
    np.testing.assert_allclose(together.mean, [one.mean[0] for one in alone], rtol=1e-4)
    np.testing.assert_allclose(together.sd, [one.sd[0] for one in alone], rtol=1e-4)


def predicted_with_threads(n_threads: int, seed: int) -> Prediction:
    encodings, scores = data(20)
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        fitted = fit_surrogate(encodings, ranks(scores), epochs=5, seed=seed)
        found = fitted.predict(encodings)
        assert torch.get_num_threads() == n_threads
    finally:
        torch.set_num_threads(before)
    return found


def test_a_seed_decides_every_bit_whatever_the_number_of_threads() -> None:
    first, second = predicted_with_threads(1, seed=4), predicted_with_threads(2, seed=4)
    assert first.mean.tolist() == second.mean.tolist()
    assert first.sd.tolist() == second.sd.tolist()
    assert first.mean.tolist() != predicted_with_threads(1, seed=5).mean.tolist()


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    predicted_with_threads(1, seed=4)
    assert torch.equal(torch.get_rng_state(), before)


def test_an_upper_bound_adds_deviations_to_the_mean() -> None:
    prediction = Prediction(mean=np.array([0.2, 0.4]), sd=np.array([0.1, 0.0]))
    np.testing.assert_allclose(prediction.upper_bounds(0.5), [0.25, 0.4])


@pytest.mark.parametrize("score", [0.0, 1.0, float("nan")])
def test_scores_without_a_finite_logit_are_refused(score: float) -> None:
    encodings, _ = data(2)
    with pytest.raises(ValueError, match=r"they must lie in \(0, 1\)"):
        fit_surrogate(encodings, torch.tensor([0.5, score], dtype=torch.float64), epochs=1, seed=0)
