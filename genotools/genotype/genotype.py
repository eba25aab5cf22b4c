"""The genotype: three cells, a name for their space, and free notes. The currency of the whole package."""

import copy
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast

from genotools.errors import DataError
from genotools.genotype.cells import ConvCell, RecurrentCell

__all__ = ["GENOME_NAS_NAME", "Genotype"]

GENOME_NAS_NAME = "genome-nas"

COMPACT = json.JSONEncoder(sort_keys=True, separators=(",", ":"))

MAX_NAME = 64
"""Characters in the name of a space."""


class Genotype:
    """An architecture as an immutable, hashable document: no weights, no PyTorch.

    Two genotypes are equal when their cells are equal up to the numbering of intermediate nodes and the order of
    edges; ``space`` and ``meta`` do not count. The numbering a genotype was written with is kept.

    Parameters
    ----------
    normal, reduce
        Cells that keep the length, and cells that shorten the sequence and double the channels.
    recurrent
        Cell that runs over the positions of the last cell's output.
    space
        Name of the search space it comes from.
    meta
        Free JSON values (who made it, from which run); outside the digest.

    Examples
    --------
    >>> import numpy as np
    >>> from genotools.genotype import GENOME_NAS
    >>> genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    >>> genotype == Genotype(genotype.normal, genotype.reduce.canonical(), genotype.recurrent)
    True
    """

    __slots__ = ("_digest", "_meta", "_normal", "_recurrent", "_reduce", "_space")

    def __init__(
        self,
        normal: ConvCell,
        reduce: ConvCell,
        recurrent: RecurrentCell,
        *,
        space: str = GENOME_NAS_NAME,
        meta: Mapping[str, object] | None = None,
    ) -> None:
        for name, cell, kind in (
            ("normal", normal, ConvCell),
            ("reduce", reduce, ConvCell),
            ("recurrent", recurrent, RecurrentCell),
        ):
            if not isinstance(cell, kind):
                raise TypeError(f"{name} must be a {kind.__name__}, not {type(cell).__name__}.")
        self._normal = normal
        self._reduce = reduce
        self._recurrent = recurrent
        if not (1 <= len(space) <= MAX_NAME and space.isprintable()):
            raise DataError(f"space: {space[:60]!r} is no name; it has 1 to {MAX_NAME} printable characters.")
        self._space = space
        self._meta = _json_copy(meta) if meta else {}
        self._digest: str | None = None

    @property
    def normal(self) -> ConvCell:
        """The normal cell."""
        return self._normal

    @property
    def reduce(self) -> ConvCell:
        """The reduction cell."""
        return self._reduce

    @property
    def recurrent(self) -> RecurrentCell:
        """The recurrent cell."""
        return self._recurrent

    @property
    def space(self) -> str:
        """Name of the search space."""
        return self._space

    @property
    def meta(self) -> Mapping[str, object]:
        """Free notes, read-only."""
        return MappingProxyType(copy.deepcopy(self._meta))

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical form, 64 hex digits: equal on every machine, Python and version."""
        if self._digest is None:
            text = COMPACT.encode(canonical_document(self))
            self._digest = hashlib.sha256(text.encode("ascii")).hexdigest()
        return self._digest

    def canonical(self) -> "Genotype":
        """Return the same genotype with every cell in canonical numbering."""
        return Genotype(
            self.normal.canonical(),
            self.reduce.canonical(),
            self.recurrent.canonical(),
            space=self.space,
            meta=self.meta,
        )

    def with_meta(self, **meta: object) -> "Genotype":
        """Return the same genotype with ``meta`` added to its notes."""
        return Genotype(
            self.normal, self.reduce, self.recurrent, space=self.space, meta={**self.meta, **meta}
        )

    def to_json(self) -> str:
        """Return the genotype as the text of its JSON file."""
        from genotools.files import to_json
        from genotools.genotype.documents import genotype_to_document

        return to_json(genotype_to_document(self))

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write the genotype as JSON; an existing file is only replaced with ``force``."""
        from genotools.files import check_output, write_text

        write_text(check_output(path, force=force), self.to_json())

    @staticmethod
    def from_json(text: str, *, where: str = "genotype") -> "Genotype":
        """Read a genotype from JSON text.

        Raises
        ------
        DataError
            Listing every fault with its key; ``where`` names the text.
        """
        from genotools.files import parse_json
        from genotools.genotype.documents import genotype_from_document

        return genotype_from_document(parse_json(text, where=where), where=where)

    @staticmethod
    def load(path: Path | str) -> "Genotype":
        """Read a genotype file; raises DataError as :meth:`from_json` does."""
        from genotools.files import read_json
        from genotools.genotype.documents import genotype_from_document

        return genotype_from_document(read_json(path), where=str(path))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Genotype):
            return NotImplemented
        return self.digest == other.digest

    def __hash__(self) -> int:
        return int(self.digest[:15], 16)

    def __repr__(self) -> str:
        return f"Genotype({self.normal!r}, {self.reduce!r}, {self.recurrent!r}, space={self.space!r})"


def canonical_document(genotype: Genotype) -> dict[str, object]:
    """Return what the digest is taken of: the canonical cells and nothing else."""
    return {
        "format": "genotools/genotype",
        "version": 1,
        "normal": genotype.normal.canonical().edges,
        "reduce": genotype.reduce.canonical().edges,
        "recurrent": genotype.recurrent.canonical().states,
    }


def _json_copy(meta: Mapping[str, object]) -> dict[str, object]:
    """Return ``meta`` as a reader of the genotype's file will find it."""
    from genotools.files import MAX_JSON_DEPTH, parse_json

    try:
        text = json.dumps(dict(meta), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise DataError(f"meta holds what JSON cannot: {error}.") from error
    # In the file the notes lie one level down.
    return cast(dict[str, object], parse_json(text, where="meta", max_depth=MAX_JSON_DEPTH - 1))
