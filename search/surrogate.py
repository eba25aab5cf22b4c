"""A surrogate of the evaluation: graph convolutions embed a genotype, Bayesian regression predicts its score.

Each of the three cells is a graph with a global node that all others feed; what four graph convolutions make of that
node, for the three cells side by side, is the embedding. The published surrogate has two graphs, since its search
space has one convolutional cell for both roles. It is trained from scratch on all scores at every fit.

References: Shi et al., Bridging the Gap between Sample-based and One-shot NAS with BONAS (2020); Kipf and Welling,
Semi-supervised classification with graph convolutional networks (2017).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from genotools.genotype.encoding import CellEncoding, GenotypeEncoding
from genotools.randomness import forked_torch
from genotools.search.sigmoid_regression import Regression, fit_regression, sigmoid_moments
from genotools.training.seeds import INITIAL_WEIGHTS, ORDER, child_seed

__all__ = ["Embedding", "Prediction", "Surrogate", "fit_surrogate", "weighted_loss"]

WIDTH, N_LAYERS = 64, 4
INIT_RANGE = 0.05
"""Weights start uniform in -0.05 to 0.05."""

LEARNING_RATE, BATCH_SIZE = 1e-3, 128

Graph = tuple[Tensor, Tensor]
"""Of N cells: float32 ``(N, V, V)``, 1 at ``[n, i, j]`` where node j feeds node i, and features ``(N, V, P)``."""

Moments = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From mean and standard deviation of logits to those of scores."""


class GraphConvolutions(nn.Module):
    """Layers of A X W, batch normalisation and ReLU; returns the last node's features.

    A bias would be taken off again by the normalisation, so there is none.

    Parameters
    ----------
    n_features
        Kinds of nodes, the global one included.
    """

    def __init__(self, n_features: int) -> None:
        super().__init__()
        widths = [n_features] + [WIDTH] * N_LAYERS
        self.layers = nn.ModuleList(nn.Linear(n_in, n_out, bias=False) for n_in, n_out in pairwise(widths))
        self.norms = nn.ModuleList(nn.BatchNorm1d(WIDTH) for _ in range(N_LAYERS))

    def forward(self, graph: Graph) -> Tensor:
        """Return ``(N, WIDTH)``."""
        adjacency, x = graph
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = adjacency @ layer(x)  # (N, V, C)
            x = torch.relu(norm(x.flatten(0, 1))).view_as(x)
        return x[:, -1]


class Embedding(nn.Module):
    """The network that is trained on scores; what it makes below its last layer are the features of the regression.

    Parameters
    ----------
    n_features
        Kinds of nodes of each graph.
    """

    def __init__(self, n_features: Sequence[int]) -> None:
        super().__init__()
        self.cells = nn.ModuleList(GraphConvolutions(number) for number in n_features)
        self.head = nn.Linear(len(n_features) * WIDTH, 1)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.uniform_(module.weight, -INIT_RANGE, INIT_RANGE)
        nn.init.zeros_(self.head.bias)

    def embed(self, graphs: Sequence[Graph]) -> Tensor:
        """Return ``(N, 3 WIDTH)``: the global nodes of normal, reduction and recurrent cell."""
        return torch.cat([cell(graph) for cell, graph in zip(self.cells, graphs, strict=True)], dim=1)

    def forward(self, graphs: Sequence[Graph]) -> Tensor:
        """Return the predicted scores ``(N,)``, between 0 and 1."""
        return torch.sigmoid(self.head(self.embed(graphs)).squeeze(1))


def weighted_loss(predicted: Tensor, scores: Tensor) -> Tensor:
    """Return the mean squared error, in which good genotypes count exponentially more."""
    return (torch.exp(scores - 1) * (predicted - scores).square()).mean()


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Expected scores and their standard deviations, float64 ``(N,)``, on the scale of the fit: 0 to 1."""

    mean: NDArray[np.float64]
    sd: NDArray[np.float64]

    def upper_bounds(self, exploration: float) -> NDArray[np.float64]:
        """Return the mean plus ``exploration`` standard deviations."""
        return self.mean + exploration * self.sd


class Surrogate:
    """A trained embedding and the regression on it. See :func:`fit_surrogate`."""

    def __init__(self, embedding: Embedding, regression: Regression) -> None:
        self.embedding, self.regression = embedding, regression

    def predict(
        self, encodings: Sequence[GenotypeEncoding], moments: Moments = sigmoid_moments
    ) -> Prediction:
        """Return what is expected of genotypes of the space that it was fitted in."""
        with one_thread(), torch.inference_mode():
            features = self.embedding.embed(genotype_graphs(encodings))
            mean, sd = moments(*self.regression.predict(features))
        return Prediction(mean.numpy(), sd.numpy())


def fit_surrogate(
    encodings: Sequence[GenotypeEncoding], scores: Tensor, *, epochs: int, seed: int
) -> Surrogate:
    """Return a surrogate trained from scratch.

    It is the same to the last bit for a seed on one machine, whatever the number of threads; the global state of
    PyTorch is left as it was.

    Parameters
    ----------
    encodings
        Of N genotypes of one space.
    scores
        Float64 ``(N,)``, above 0 and below 1, higher is better; see
        :func:`~genotools.search.sigmoid_regression.ranks` and
        :func:`~genotools.search.sigmoid_regression.inner_scores`.
    epochs
        Of the training of the embedding, with batches of 128.
    seed
        Of initial weights and order of batches.

    Raises
    ------
    ValueError
        If a score is not between 0 and 1.
    """
    if not bool(((scores > 0) & (scores < 1)).all()):
        raise ValueError(
            f"scores from {float(scores.min())} to {float(scores.max())}: they must lie in (0, 1)."
        )
    graphs = genotype_graphs(encodings)
    with one_thread():
        embedding = _trained(graphs, scores.float(), epochs=epochs, seed=seed)
        with torch.inference_mode():
            return Surrogate(embedding, fit_regression(embedding.embed(graphs), torch.logit(scores)))


def _trained(graphs: Sequence[Graph], scores: Tensor, *, epochs: int, seed: int) -> Embedding:
    with forked_torch(child_seed(seed, INITIAL_WEIGHTS)):
        embedding = Embedding([features.shape[-1] for _, features in graphs])
    optimiser = torch.optim.Adam(embedding.parameters(), lr=LEARNING_RATE)
    order = torch.Generator().manual_seed(child_seed(seed, ORDER))
    for _ in range(epochs):
        for rows in torch.randperm(len(scores), generator=order).split(BATCH_SIZE):  # type: ignore[no-untyped-call]
            optimiser.zero_grad()
            batch = [(adjacency[rows], features[rows]) for adjacency, features in graphs]
            weighted_loss(embedding(batch), scores[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return embedding.eval()


@contextmanager
def one_thread() -> Iterator[None]:
    """Run the block on one thread: sums of floats then come out alike however many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def genotype_graphs(encodings: Sequence[GenotypeEncoding]) -> list[Graph]:
    """Return the normal, reduction and recurrent cells; the cells of a space have equally many nodes."""
    return [
        cell_graphs([encoding.normal for encoding in encodings]),
        cell_graphs([encoding.reduce for encoding in encodings]),
        cell_graphs([encoding.recurrent for encoding in encodings]),
    ]


def cell_graphs(cells: Sequence[CellEncoding]) -> Graph:
    """Return cells with the global node, last and with a feature of its own, and self loops."""
    fed = torch.from_numpy(np.stack([cell.adjacency for cell in cells])).mT
    ops = torch.from_numpy(np.stack([cell.ops for cell in cells]))
    n_cells, n_nodes, n_kinds = ops.shape
    adjacency = torch.eye(n_nodes + 1).repeat(n_cells, 1, 1)
    adjacency[:, :-1, :-1] += fed
    adjacency[:, -1] = 1
    features = torch.zeros(n_cells, n_nodes + 1, n_kinds + 1)
    features[:, :-1, :-1] = ops
    features[:, -1, -1] = 1
    return adjacency, features
