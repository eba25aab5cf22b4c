"""Names of entries: what may be one, so that no name leaves its folder on any system."""

import re

from genotools.errors import DataError
from genotools.genotype.baselines import BASELINE_NAMES

__all__ = ["check_name", "is_name"]

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
"""Devices of Windows, which no folder can be called there."""


def is_name(text: str) -> bool:
    """Return whether ``text`` may be the name of an entry.

    >>> [is_name(text) for text in ("dense-heavy", "../up", "nul", "")]
    [True, False, False, False]
    """
    return bool(_NAME.fullmatch(text)) and not _RESERVED.fullmatch(text) and text not in BASELINE_NAMES


def check_name(text: str) -> str:
    """Return ``text``; raises DataError, which says what a name is, if it cannot be one."""
    if is_name(text):
        return text
    if _RESERVED.fullmatch(text):
        raise DataError(f"{text!r} cannot be a name: Windows keeps it for a device. Choose another.")
    if text in BASELINE_NAMES:
        raise DataError(f"{text!r} is the name of a hand-designed network. Choose another.")
    raise DataError(
        f"{text[:80]!r} cannot be a name: lower-case letters, digits, dash, underscore, up to 64, "
        "a letter or digit first."
    )
