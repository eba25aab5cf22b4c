"""Choosing where a network runs."""

import torch

from genotools.errors import DataError

__all__ = ["choose_device"]


def choose_device(name: str) -> torch.device:
    """Return the device that ``name`` asks for: ``cpu``, ``cuda``, ``cuda:N``, or ``auto`` (CUDA where there is one).

    Raises
    ------
    DataError
        If it is no such name, or this machine has no such device.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise DataError(f"unknown device {name!r}. Known: auto, cpu, cuda, cuda:N.") from error
    if device.type not in ("cpu", "cuda"):
        raise DataError(f"device {name!r} is not supported. Known: auto, cpu, cuda, cuda:N.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise DataError(
            f"device {name!r}: this machine offers {torch.cuda.device_count()} CUDA devices. Use --device cpu."
        )
    return device
