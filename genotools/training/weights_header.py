"""What a weight file says of itself, read without PyTorch."""

from pathlib import Path

from genotools.errors import DataError

__all__ = ["read_weights_header"]


def read_weights_header(path: Path | str) -> dict[str, str]:
    """Return the metadata of ``weights.safetensors``: ``digest`` of the architecture, ``model_digest``, and others.

    Raises
    ------
    DataError
        If the file is missing or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a safetensors file: {error}.") from error
