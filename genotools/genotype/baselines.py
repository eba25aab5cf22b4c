"""The hand-designed networks by name, and the tiny document that stands for one.

They have no genotype: what a network is follows from its name (:mod:`genotools.nn.baselines`).
"""

import hashlib
from enum import StrEnum
from pathlib import Path

from genotools.errors import DataError
from genotools.formats import BASELINE

__all__ = ["BASELINE_NAMES", "BaselineName"]


class BaselineName(StrEnum):
    """A hand-designed network that can be trained wherever a genotype can.

    Examples
    --------
    >>> BaselineName.DEEPSEA.to_document()
    {'format': 'genotools/baseline', 'version': 1, 'name': 'deepsea'}
    """

    DEEPSEA = "deepsea"
    DANQ = "danq"
    NCNET_RR = "ncnet-rr"
    NCNET_BRR = "ncnet-brr"

    @property
    def digest(self) -> str:
        """SHA-256 of the document as compact JSON with sorted keys, 64 hex digits; the length is not in it."""
        from genotools.genotype.genotype import COMPACT

        return hashlib.sha256(COMPACT.encode(self.to_document()).encode("ascii")).hexdigest()

    @property
    def reference(self) -> str:
        """The paper it comes from."""
        return _REFERENCES[self]

    def to_document(self) -> dict[str, object]:
        """Return what the file ``baseline.json`` holds; :meth:`load` reads it."""
        return {**BASELINE.header, "name": str(self)}

    def save(self, path: Path | str, *, force: bool = False) -> None:
        """Write the document; an existing file is only replaced with ``force``."""
        from genotools.files import check_output, write_json

        write_json(check_output(path, force=force), self.to_document())

    @classmethod
    def load(cls, path: Path | str) -> "BaselineName":
        """Read a document of :meth:`save`; raises DataError where it is none, naming the key."""
        from genotools.files import read_json
        from genotools.genotype.documents import baseline_from_document

        return cls(baseline_from_document(read_json(path), where=str(path)))

    @classmethod
    def named(cls, text: object, *, where: str) -> "BaselineName":
        """Return the network called ``text``; raises DataError, naming those there are, where there is none."""
        if text not in BASELINE_NAMES:
            known = ", ".join(sorted(BASELINE_NAMES))
            raise DataError(f"{where}: {str(text)[:60]!r} is no hand-designed network. Known: {known}.")
        return cls(str(text))


BASELINE_NAMES = tuple(str(name) for name in BaselineName)
"""The names as plain text; no entry of a zoo has one of them."""

_REFERENCES = {
    BaselineName.DEEPSEA: "Zhou and Troyanskaya, Predicting effects of noncoding variants with deep learning-based "
    "sequence model, Nature Methods 2015",
    BaselineName.DANQ: "Quang and Xie, DanQ: a hybrid convolutional and recurrent deep neural network, Nucleic Acids "
    "Research 2016",
    **dict.fromkeys(
        (BaselineName.NCNET_RR, BaselineName.NCNET_BRR),
        "Zhang et al., NCNet: Deep Learning Network Models for Predicting Function of Non-coding DNA, Frontiers in "
        "Genetics 2019",
    ),
}
