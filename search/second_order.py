"""The gradient of alphas one step ahead: second-order DARTS, done on functions instead of copies of a network.

With training loss T, held-out loss V, and a step w' = S(g) that takes the gradient g of T at the weights w, the
gradient of V(w', a) over the alphas a is

    dV/da + (dg/da)^T q,      q = (dS/dg)^T dV/dw'

q comes from autograd through the step itself, whatever is in it: momentum, weight decay, clipping, a rate for each
group. The product with the mixed derivative is exact too, by differentiating T twice. DARTS approximates it by the
difference of two gradients at weights 0.01 apart; on a small supernet with its ReLUs and pools that was wrong by a
factor of 2 to 50, and converged only at a distance of 1e-5, which single precision does not resolve.

Reference: Liu et al., DARTS (2019), equations 6 to 8.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

__all__ = ["VirtualStep", "Weights", "sgd_step", "unrolled_gradients"]

Weights = Mapping[str, Tensor]
Loss = Callable[[Weights], Tensor]
VirtualStep = Callable[[Weights], dict[str, Tensor]]
"""From the gradients by name to the weights after a step; differentiable."""


def unrolled_gradients(
    train_loss: Loss, held_out_loss: Loss, weights: Weights, alphas: Sequence[Tensor], step: VirtualStep
) -> list[Tensor]:
    """Return the gradient of the held-out loss after one step of the weights, over each of the alphas.

    Parameters
    ----------
    train_loss, held_out_loss
        Losses of weights given by name; they depend on ``alphas``. The first must be twice differentiable.
    weights
        Where the step starts; left as they are.
    alphas
        Leaves that require gradients.
    step
        The step that the weights would take.
    """
    start = {name: tensor.detach().requires_grad_() for name, tensor in weights.items()}
    found = _gradients(train_loss(start), list(start.values()), create_graph=True)
    gradients = {name: g.detach().requires_grad_() for name, g in zip(start, found, strict=True)}
    both = _gradients(held_out_loss(step(gradients)), [*alphas, *gradients.values()])
    direct, through_step = both[: len(alphas)], both[len(alphas) :]
    # Where the loss does not depend on a weight, or depends on it alone, nothing flows back to the alphas.
    pairs = [(g, q) for g, q in zip(found, through_step, strict=True) if g.requires_grad]
    if not pairs:
        return direct
    product = torch.stack([(g * q).sum() for g, q in pairs]).sum()
    return [d + c for d, c in zip(direct, _gradients(product, alphas), strict=True)]


def sgd_step(
    optimiser: torch.optim.SGD, parameters: Mapping[str, Tensor], *, clip_norm: float
) -> VirtualStep:
    """Return the step that ``optimiser`` would take next after clipping, without taking it.

    Momentum buffers and weights are read and left alone; each parameter goes by the rates of its group.

    Raises
    ------
    ValueError
        If the optimiser dampens its momentum, uses Nesterov's, or maximises.
    """
    groups = {id(tensor): group for group in optimiser.param_groups for tensor in group["params"]}
    for group in optimiser.param_groups:
        if group["dampening"] or group["nesterov"] or group["maximize"]:
            raise ValueError("only plain momentum is known here: no dampening, no Nesterov, no maximising.")

    def step(gradients: Weights) -> dict[str, Tensor]:
        norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in gradients.values()]))
        scale = (clip_norm / (norm + 1e-6)).clamp(max=1.0)  # as torch.nn.utils.clip_grad_norm_
        moved = {}
        for name, parameter in parameters.items():
            group, weight = groups[id(parameter)], parameter.detach()
            change = scale * gradients[name] + group["weight_decay"] * weight
            velocity = optimiser.state.get(parameter, {}).get("momentum_buffer")
            if group["momentum"] and velocity is not None:
                change = change + group["momentum"] * velocity
            moved[name] = weight - group["lr"] * change
        return moved

    return step


def _gradients(loss: Tensor, inputs: Sequence[Tensor], *, create_graph: bool = False) -> list[Tensor]:
    """Return the gradient over each input, zero where the loss does not depend on it."""
    found = torch.autograd.grad(
        loss, inputs, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return list(found)
