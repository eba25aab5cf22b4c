"""What an exported file is compared with before it is kept: the network itself, on windows drawn for it."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from genotools.data.strands import Strands, predict_strands
from genotools.errors import DataError, GenotoolsError
from genotools.nn.window_network import WindowNetwork
from genotools.training.divergence import weights_fault
from genotools.training.predictor import TorchPredictor

__all__ = ["TOLERANCE", "check_differences", "check_network", "expected_outputs"]

TOLERANCE = 1e-5
"""Largest difference at which a float32 file counts as exported; of the value itself where that is above 1."""

MAX_PARAMS = 500_000_000
"""A protobuf file ends at 2 GB."""


def check_network(network: WindowNetwork, strands: Strands) -> None:
    """Refuse a network that no file can stand for."""
    if network.task.per_position:
        raise DataError("a network that predicts per position has no single row of outputs per window.")
    if strands == "both" and network.task.one_strand:
        raise DataError("the network's outputs hold for the strand that is given: both cannot be averaged.")
    if fault := weights_fault(network.state_dict()):
        raise DataError(f"{fault}: no prediction of the network would be a number. Train it anew.")
    params = sum(parameter.numel() for parameter in network.parameters())
    if params > MAX_PARAMS:
        raise DataError(f"the network has {params:,} parameters; one ONNX file holds {MAX_PARAMS:,}.")


def expected_outputs(
    network: WindowNetwork, codes: NDArray[np.uint8], strands: Strands
) -> NDArray[np.float32]:
    """Return what a network on the CPU predicts, both strands averaged where that is asked for."""
    predictor = TorchPredictor(network)
    probs: NDArray[np.float32] = predict_strands(predictor, codes, strands=strands).mean(axis=0)
    return probs


def check_differences(differences: Mapping[int, float], what: str) -> None:
    """Refuse a file of which one difference is above ``TOLERANCE``."""
    if not all(difference <= TOLERANCE for difference in differences.values()):
        found = ", ".join(f"{difference:.2g} at {size}" for size, difference in differences.items())
        raise GenotoolsError(
            f"{what} does not predict what the network does: largest difference {found} windows, "
            f"{TOLERANCE:g} is allowed. Nothing was written."
        )
