"""What a weight file says of itself, read without PyTorch."""

from pathlib import Path

from genotools.errors import DataError
from genotools.files import check_ordinary
from genotools.formats import WEIGHTS

__all__ = ["read_weights_header"]


def read_weights_header(path: Path | str) -> dict[str, str]:
    """Return the metadata of ``weights.safetensors``: ``digest`` of the architecture, ``model_digest``, and others.

    Raises
    ------
    DataError
        If the file is missing, no safetensors file, of another format or a newer version.
    """
    from safetensors import SafetensorError, safe_open

    check_ordinary(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise DataError(f"{path}: not a safetensors file: {error}.") from error
    WEIGHTS.check_texts(metadata, where=path)
    return metadata
