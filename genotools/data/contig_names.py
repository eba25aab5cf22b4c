"""One contig under its several names: ``chr1`` and ``1``, ``chrIV`` and ``4``, ``chrM`` and ``MT``."""

from collections.abc import Iterable, Mapping

__all__ = ["ContigNames"]

MITOCHONDRIAL = frozenset({"M", "MT", "MITO", "MTDNA"})
_NUMERALS = "I II III IV V VI VII VIII IX X XI XII XIII XIV XV XVI XVII XVIII XIX XX"
ROMAN = {name: number for number, name in enumerate(_NUMERALS.split(" "), start=1)}
"""Roman numerals of chromosomes, as yeasts and worms have them."""

ONLY_ROMAN = frozenset(ROMAN) - {"V", "X"}
"""Numerals that are no letter of a sex chromosome: a genome that has one of these counts in Roman numerals."""


class ContigNames:
    """The contigs of a genome, found under other names for them too.

    A name that the genome has is itself. Of other names, ``chr`` in front and upper or lower case do not count,
    ``M``, ``MT``, ``Mito`` and ``mtDNA`` are one, and numbers are Roman numerals where the genome counts in those.

    Examples
    --------
    >>> names = ContigNames(["chrI", "chrII", "chrX", "chrM"])
    >>> [names.find(name) for name in ("chrI", "2", "10", "II", "MT", "chr99")]
    ['chrI', 'chrII', 'chrX', 'chrII', 'chrM', None]
    >>> ContigNames(["1", "2", "X"]).find("chrX")
    'X'
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = dict.fromkeys(known)
        bare = {_bare(name) for name in self._known}
        self._is_roman = bool(bare & ONLY_ROMAN)
        self._by_key: dict[str, str | None] = {}
        for name in self._known:
            key = self._key(name)
            # Two contigs with one key are told apart by their own names only.
            self._by_key[key] = None if key in self._by_key else name

    def find(self, name: str) -> str | None:
        """Return the genome's name of the contig called ``name``, None if it has none or two."""
        if name in self._known:
            return name
        return self._by_key.get(self._key(name))

    def renamed(self, names: Iterable[str]) -> Mapping[str, str]:
        """Return the genome's name of every one of ``names`` that has another one there."""
        found = {name: self.find(name) for name in names}
        return {name: ours for name, ours in found.items() if ours is not None and ours != name}

    def _key(self, name: str) -> str:
        bare = _bare(name)
        if bare in MITOCHONDRIAL:
            return "MT"
        if self._is_roman and bare in ROMAN:
            return str(ROMAN[bare])
        return bare


def _bare(name: str) -> str:
    upper = name.upper()
    return upper.removeprefix("CHROMOSOME").removeprefix("CHR").lstrip("_")
