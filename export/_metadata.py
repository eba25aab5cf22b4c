"""What an exported file says of itself, as text by key."""

import json
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from genotools import __version__
from genotools.data.encoding import BASES, decode
from genotools.errors import DataError
from genotools.formats import Format
from genotools.nn.network import GenomeNet
from genotools.nn.window_network import WindowNetwork
from genotools.training.weights import model_digest

__all__ = ["describe_network", "known_answers"]

N_KNOWN_WINDOWS, N_KNOWN_OUTPUTS = 3, 5


def describe_network(
    network: WindowNetwork, card: Mapping[str, object] | None, file_format: Format
) -> dict[str, str]:
    """Return everything about the network that a user of a file of ``file_format`` may want to know.

    Raises
    ------
    DataError
        If ``card`` holds what JSON cannot.
    """
    metadata = {
        **file_format.text_header,
        **_architecture(network),
        "digest": network.digest,
        "model_digest": model_digest(network),
        "task": json.dumps(network.task.to_document(), ensure_ascii=False),
        "channel_order": BASES,
        "params": str(sum(parameter.numel() for parameter in network.parameters())),
        "variant_index": str((network.length - 1) // 2),
        "genotools_version": __version__,
        "torch_version": torch.__version__,
    }
    if card is not None:
        try:
            metadata["card"] = json.dumps(dict(card), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise DataError(f"card holds what JSON cannot: {error}.") from error
    return metadata


def _architecture(network: WindowNetwork) -> dict[str, str]:
    if isinstance(network, GenomeNet):
        return {"genotype": network.genotype.to_json(), "macro": json.dumps(network.macro.to_document())}
    return {key: str(value) for key, value in network.architecture().items()}


def known_answers(codes: NDArray[np.uint8], expected: NDArray[np.float32], tolerance: float) -> str:
    """Return the first outputs for a few windows, by which any user of the file can check a program."""
    answers = {
        "windows": [decode(row) for row in codes[:N_KNOWN_WINDOWS]],
        "outputs": [[float(value) for value in row[:N_KNOWN_OUTPUTS]] for row in expected[:N_KNOWN_WINDOWS]],
        "tolerance": tolerance,
    }
    return json.dumps(answers)
