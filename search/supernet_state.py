"""The weights, statistics and momentum of a supernet in training, as tensors of a checkpoint."""

from collections.abc import Mapping

import torch
from torch import Tensor

from genotools.errors import DataError
from genotools.nn.supernet import Supernet

__all__ = ["by_part", "joined", "restore_supernet", "supernet_state"]


def supernet_state(supernet: Supernet, optimiser: torch.optim.SGD) -> dict[str, dict[str, Tensor]]:
    """Return the parts ``supernet`` and ``momentum``, each as tensors by the names of the supernet."""
    return {
        # Edges of one source share the statistics of their pools; files hold no tensor under two names.
        "supernet": {name: tensor.clone() for name, tensor in supernet.state_dict().items()},
        "momentum": {
            name: optimiser.state[parameter]["momentum_buffer"]
            for name, parameter in supernet.named_parameters()
            if optimiser.state.get(parameter, {}).get("momentum_buffer") is not None
        },
    }


def restore_supernet(
    supernet: Supernet, optimiser: torch.optim.SGD, parts: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Take over the parts of :func:`supernet_state`, on the device of the supernet.

    Raises
    ------
    DataError
        If they belong to another supernet; nothing was changed then.
    """
    expected = {name: tensor.shape for name, tensor in supernet.state_dict().items()}
    found = {name: tensor.shape for name, tensor in parts.get("supernet", {}).items()}
    momenta = parts.get("momentum", {})
    if found != expected or any(expected.get(name) != tensor.shape for name, tensor in momenta.items()):
        raise DataError("the checkpoint's weights do not fit the supernet; it is damaged.")
    supernet.load_state_dict(dict(parts["supernet"]))
    parameters = dict(supernet.named_parameters())
    for name, tensor in momenta.items():
        optimiser.state[parameters[name]]["momentum_buffer"] = tensor.to(parameters[name].device)


def joined(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors of all parts under ``PART/NAME``."""
    return {f"{part}/{name}": tensor for part, found in parts.items() for name, tensor in found.items()}


def by_part(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Return what :func:`joined` has joined."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = tensor
    return parts
