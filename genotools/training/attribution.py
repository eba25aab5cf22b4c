"""What each base of a window adds to a prediction, by one gradient, not a prediction for every substitution.

Gradient of the logit times input, with the mean over the four bases taken off the gradient: a one-hot never leaves
the plane in which they add up to one (Majdandzic et al., Genome Biology 2023). With both strands, the mean of each.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from genotools.data.encoding import UNKNOWN, reverse_complement
from genotools.data.strands import Strands, opposite_labels
from genotools.errors import DataError
from genotools.nn.window_network import WindowNetwork

__all__ = ["attribute"]


def attribute(
    network: WindowNetwork,
    window: NDArray[np.uint8],
    outputs: Sequence[int],
    *,
    strands: Strands = "both",
) -> NDArray[np.float64]:
    """Return the attribution of each base of a window ``(L,)`` to the mean logit of some outputs, ``(L,)``.

    Parameters
    ----------
    network
        In any mode; the one it was in is put back.
    window
        Base codes.
    outputs
        Indices of outputs.
    strands
        ``both`` averages the window and its reverse complement, on which labels of a pair change places.

    Raises
    ------
    DataError
        If the gradient is not finite.
    """
    indices = np.asarray(outputs)
    forward = _one_strand(network, window, indices)
    if strands == "forward":
        return forward
    opposite = opposite_labels(tuple(network.task.names))
    other = _one_strand(network, reverse_complement(window[None])[0], opposite[indices])
    return (forward + other[::-1]) / 2


def _one_strand(
    network: WindowNetwork, window: NDArray[np.uint8], outputs: NDArray[np.int64]
) -> NDArray[np.float64]:
    was_training = network.training
    network.eval()
    device = network.device
    try:
        codes = torch.from_numpy(np.ascontiguousarray(window[None])).to(device)
        one_hot = network.one_hot(codes).detach().requires_grad_()
        logits = network.forward_one_hot(one_hot)[0, torch.from_numpy(outputs).to(device)]
        (gradient,) = torch.autograd.grad(logits.mean(), one_hot)
    finally:
        network.train(was_training)
    slope = gradient[0].double().cpu().numpy()  # (4, L)
    if not np.isfinite(slope).all():
        base = int((~np.isfinite(slope)).any(axis=0).argmax())
        raise DataError(
            f"the gradient of the logit is not finite (NaN or infinite) at base {base + 1} of the window: the model "
            "has broken weights. Train it anew."
        )
    slope -= slope.mean(axis=0)
    result = np.zeros(len(window))
    known = np.flatnonzero(window != UNKNOWN)
    result[known] = slope[window[known], known]
    return result
