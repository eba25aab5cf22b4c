"""Importing optional packages with an error that names the extra to install."""

import importlib
from types import ModuleType

from genotools.errors import MissingExtraError

__all__ = ["require"]


def require(package: str, *, extra: str) -> ModuleType:
    """Import and return ``package``, or raise an error that says which extra brings it.

    >>> require("json", extra="none").__name__
    'json'
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] == package.partition(".")[0]:
            raise MissingExtraError(package, extra) from error
        raise
