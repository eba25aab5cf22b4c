"""Names of labels as columns of a table: unique, and free of tabs."""

import re
from collections import Counter
from collections.abc import Sequence

__all__ = ["column_names"]


def column_names(names: Sequence[str], indices: Sequence[int] | None = None) -> list[str]:
    """Return one label for each chosen output, all without ``indices``: its name, or ``index|name`` if that repeats.

    >>> column_names(["TBP", "TBP", "Reb1"])
    ['0|TBP', '1|TBP', 'Reb1']
    """
    clean = [re.sub(r"\s+", " ", name).strip() for name in names]
    count = Counter(clean)
    chosen = range(len(clean)) if indices is None else indices
    return [clean[i] if clean[i] and count[clean[i]] == 1 else f"{i}|{clean[i]}" for i in chosen]
