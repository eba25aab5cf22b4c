"""The macro-architecture: everything around the cells of a network.

Sequence, one-hot, stem convolution, a row of normal and reduction cells, an optional recurrent cell over the
positions, and a head. Reference: Scheppach et al., section III; ``Macro.paper()`` is the published one.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from genotools.errors import DataError
from genotools.formats import MACRO
from genotools.genotype.primitives import ceil_length

__all__ = ["Layer", "Macro", "Stage"]

MAX_LENGTH_BP = 100_000_000
"""Longest window, of hand-designed networks and stores too."""
MAX_CHANNELS, MAX_LAYERS = 65_536, 256

CellRole = Literal["normal", "reduce"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One cell of the row: which cell, and the stride of its edges from the inputs."""

    cell: CellRole
    stride: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Shape of one layer: ``channels`` C inside the cell, input and output shapes.

    ``stride0`` is the stride at which input 0 (two cells back) is brought to the length of input 1.
    """

    layer: Layer
    channels: int
    in_channels: tuple[int, int]
    in_lengths: tuple[int, int]
    stride0: int
    out_length: int


PAPER_LAYERS = (
    Layer("normal"),
    Layer("reduce", 2),
    Layer("reduce", 2),
    Layer("normal"),
    Layer("reduce", 2),
    Layer("reduce", 3),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Macro:
    """The frame that cells are put into.

    Parameters
    ----------
    length
        Input length in bp, any from 1 on.
    channels
        Channels C of the first cell; every reduction cell doubles them.
    layers
        The row of cells.
    stem_multiplier, stem_kernel
        The stem is a convolution of 4 to ``stem_multiplier * channels`` channels, odd kernel, and a batch norm.
    recurrent
        Whether a recurrent cell runs over the positions of the last cell's output.
    head_hidden
        Width of the hidden layer of the head.
    head_dropout
        Dropout in front of the head, in training.
    shifted_reduction
        Let the second half of a factorised reduction see the odd positions, as in DARTS; the published
        networks do not.

    Raises
    ------
    DataError
        Listing every value that is out of range.
    """

    length: int = 1000
    channels: int = 8
    layers: Sequence[Layer] = PAPER_LAYERS
    stem_multiplier: int = 3
    stem_kernel: int = 13
    recurrent: bool = True
    head_hidden: int = 925
    head_dropout: float = 0.1
    shifted_reduction: bool = False

    def __post_init__(self) -> None:
        layers = tuple(layer if isinstance(layer, Layer) else Layer(**layer) for layer in self.layers)
        object.__setattr__(self, "layers", layers)
        faults = [
            f"{name} is {value}, it must be at least 1."
            for name, value in asdict(self).items()
            if name in ("length", "channels", "stem_multiplier", "head_hidden") and value < 1
        ]
        if self.stem_kernel < 1 or self.stem_kernel % 2 == 0:
            faults.append(f"stem_kernel is {self.stem_kernel}, it must be odd and positive.")
        if not 0 <= self.head_dropout < 1:
            faults.append(f"head_dropout is {self.head_dropout}, it must be in [0, 1).")
        if not layers:
            faults.append("layers is empty, at least one cell is needed.")
        if self.channels % 2:
            faults.append(f"channels is {self.channels}, it must be even: factorised reductions halve it.")
        for index, layer in enumerate(layers):
            if layer.cell not in ("normal", "reduce"):
                faults.append(f"layers.{index}.cell is {layer.cell!r}, it must be 'normal' or 'reduce'.")
            if layer.stride < 1 or (layer.cell == "normal" and layer.stride != 1):
                faults.append(
                    f"layers.{index}.stride is {layer.stride}; a normal cell has 1, a reduction any."
                )
        if faults:
            raise DataError.from_faults("macro", faults)

    @classmethod
    def paper(cls, length: int = 1000) -> "Macro":
        """Return the published macro-architecture: 6 cells, C = 8, recurrent cell, hidden layer of 925."""
        return cls(length=length)

    @classmethod
    def small(cls, length: int = 1000) -> "Macro":
        """Return a frame for a laptop: four cells, three of them reducing by 4, so 16 positions at 1000 bp."""
        layers = (Layer("reduce", 4), Layer("normal"), Layer("reduce", 4), Layer("reduce", 4))
        return cls(length=length, layers=layers, head_hidden=128)

    @property
    def stem_channels(self) -> int:
        """Channels behind the stem."""
        return self.stem_multiplier * self.channels

    def stages(self, n_normal: int = 4, n_reduce: int = 4) -> list[Stage]:
        """Return the shape of every layer for cells of ``n_normal`` and ``n_reduce`` intermediate nodes."""
        before = [(self.stem_channels, self.length)] * 2
        channels = self.channels
        stages: list[Stage] = []
        for layer in self.layers:
            if layer.cell == "reduce":
                channels *= 2
            (channels0, length0), (channels1, length1) = before
            out_length = ceil_length(length1, layer.stride)
            stages.append(
                Stage(
                    layer=layer,
                    channels=channels,
                    in_channels=(channels0, channels1),
                    in_lengths=(length0, length1),
                    stride0=stages[-1].layer.stride if stages else 1,
                    out_length=out_length,
                )
            )
            n_nodes = n_reduce if layer.cell == "reduce" else n_normal
            before = [before[1], (channels * n_nodes, out_length)]
        return stages

    def to_document(self) -> dict[str, object]:
        """Return the macro as JSON values; :meth:`from_document` gives it back."""
        return {
            **MACRO.header,
            **asdict(self),
            "layers": [asdict(layer) for layer in self.layers],
        }

    @classmethod
    def from_document(cls, document: object, *, where: str = "macro", length: int | None = None) -> "Macro":
        """Read a macro from JSON values and check everything.

        Parameters
        ----------
        document
            What the JSON parser returned.
        where
            Names the source in errors.
        length
            Input length in bp, instead of the document's.

        Raises
        ------
        DataError
            Listing every fault with its key.
        """
        from genotools.genotype.documents import macro_values_from_document

        values = macro_values_from_document(document, where=where)
        if length is not None:
            values["length"] = length
        try:
            return cls(**values)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
