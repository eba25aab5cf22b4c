"""The registry of primitives: what an edge or a recurrent state may do, by name.

A primitive is data: how it is drawn, what it costs, and where its PyTorch builder is found. The builder is named
as text (``"module:function"``) or given as a function, and is only looked up when a network is built, so that this
module never imports PyTorch. A user adds a primitive with one call of :func:`register`; a name is never reused.

Reference: Scheppach et al., Neural Architecture Search for Genomic Sequence Data, section III.
"""

import difflib
import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from genotools.errors import DataError

__all__ = [
    "Cost",
    "Kind",
    "Primitive",
    "ceil_length",
    "get_primitive",
    "known_primitives",
    "register",
    "unknown_primitive_fault",
]

Kind = Literal["conv", "activation"]


@dataclass(frozen=True, slots=True)
class Cost:
    """Trainable parameters and multiply-accumulates (MACs) of one sequence."""

    params: int = 0
    macs: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.params + other.params, self.macs + other.macs)


def ceil_length(length: int, stride: int) -> int:
    """Return the output length of every primitive: ``ceil(length / stride)``."""
    return -(-length // stride)


def _free(channels: int, length: int, stride: int) -> Cost:
    del channels, length, stride
    return Cost()


@dataclass(frozen=True, slots=True, kw_only=True)
class Primitive:
    """One kind of operation.

    Parameters
    ----------
    name
        Unique, e.g. ``sep_conv_15``.
    kind
        ``conv`` for the edges of convolutional cells, ``activation`` for recurrent states.
    label
        Short text for drawings.
    description
        A noun phrase for prose, e.g. "a separable convolution of width 15".
    colour
        Fill colour in drawings, ``#rrggbb``.
    build
        ``conv``: function ``(channels, stride, *, affine, shifted) -> nn.Module``, applied to ``(N, C, L)`` and
        giving length ``out_length(L, stride)``. ``activation``: function of a tensor. Or its place as text,
        ``"module:function"``.
    cost
        ``(channels, length, stride) -> Cost`` for an input of ``length`` positions, batch norms affine.
    reach
        ``stride -> n``: one output position sees ``n + 1`` input positions.
    out_length
        ``(length, stride) -> length``.
    """

    name: str
    kind: Kind
    label: str
    description: str
    colour: str
    build: str | Callable[..., Any]
    cost: Callable[[int, int, int], Cost] = _free
    reach: Callable[[int], int] = lambda stride: 0
    out_length: Callable[[int, int], int] = ceil_length

    def builder(self) -> Callable[..., Any]:
        """Return the function that builds this primitive, importing its module if it is named as text."""
        if not isinstance(self.build, str):
            return self.build
        module, _, attribute = self.build.partition(":")
        function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
        return function


_REGISTRY: dict[str, Primitive] = {}


def register(primitive: Primitive) -> Primitive:
    """Add ``primitive`` to the registry and return it.

    Raises
    ------
    ValueError
        If the colour is no ``#rrggbb``, or the name is malformed or taken: a name means one thing for ever,
        since files refer to it.
    """
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,63}", primitive.name):
        raise ValueError(
            f"primitive {primitive.name!r}: a name is letters, digits and underscores, at most 64."
        )
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", primitive.colour):
        raise ValueError(f"primitive {primitive.name!r}: colour {primitive.colour!r} is not #rrggbb.")
    if primitive.name in _REGISTRY:
        raise ValueError(f"primitive {primitive.name!r} is registered already; names are never reused.")
    _REGISTRY[primitive.name] = primitive
    return primitive


def known_primitives(kind: Kind) -> list[str]:
    """Return the registered names of one kind, in order of registration."""
    return [primitive.name for primitive in _REGISTRY.values() if primitive.kind == kind]


def unknown_primitive_fault(name: object, kind: Kind, known: Iterable[str] | None = None) -> str | None:
    """Return what is wrong with ``name`` as a primitive of ``kind``, or None where nothing is."""
    if known is None:
        primitive = _REGISTRY.get(name) if isinstance(name, str) else None
        if primitive is not None and primitive.kind == kind:
            return None
    names = list(known_primitives(kind) if known is None else known)
    if name in names:
        return None
    near = difflib.get_close_matches(str(name), names)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    noun = "op" if kind == "conv" else "activation"
    return f"unknown {noun} {str(name)[:60]!r}. Known: {', '.join(names)}.{hint}"


def get_primitive(name: str, kind: Kind) -> Primitive:
    """Return the primitive called ``name``.

    Raises
    ------
    DataError
        If there is none of this kind; names the known ones and the nearest.
    """
    fault = unknown_primitive_fault(name, kind)
    if fault:
        raise DataError(fault)
    return _REGISTRY[name]


def _separable(kernel: int) -> Callable[[int, int, int], Cost]:
    def cost(channels: int, length: int, stride: int) -> Cost:
        weights = 2 * (kernel * channels + channels * channels)
        return Cost(weights + 4 * channels, weights * ceil_length(length, stride))

    return cost


def _dilated(kernel: int) -> Callable[[int, int, int], Cost]:
    def cost(channels: int, length: int, stride: int) -> Cost:
        weights = kernel * channels + channels * channels
        return Cost(weights + 2 * channels, weights * ceil_length(length, stride))

    return cost


def _dense(kernel: int) -> Callable[[int, int, int], Cost]:
    def cost(channels: int, length: int, stride: int) -> Cost:
        weights = 2 * kernel * channels * channels
        return Cost(weights + 4 * channels, weights * ceil_length(length, stride))

    return cost


def _skip(channels: int, length: int, stride: int) -> Cost:
    if stride == 1:
        return Cost()
    weights = channels * channels  # FactorizedReduce: two 1x1 convolutions of half the channels each
    return Cost(weights + 2 * channels, weights * ceil_length(length, stride))


def _published() -> list[Primitive]:
    """Return the 8 convolutional and 4 recurrent primitives of the published space, in its order."""

    def conv(name: str, label: str, description: str, colour: str, **rest: Any) -> Primitive:
        build = f"genotools.nn.ops:{name}"
        return Primitive(
            name=name, kind="conv", label=label, description=description, colour=colour, build=build, **rest
        )

    def separable(kernel: int, colour: str) -> Primitive:
        text = f"a separable convolution of width {kernel}"
        # Two depthwise convolutions; the second sees what the first has strided.
        return conv(
            f"sep_conv_{kernel}",
            f"sep conv {kernel}",
            text,
            colour,
            cost=_separable(kernel),
            reach=lambda stride: (kernel - 1) * (1 + stride),
        )

    def dilated(kernel: int, colour: str) -> Primitive:
        text = f"a dilated convolution of width {kernel}"
        return conv(
            f"dil_conv_{kernel}",
            f"dil conv {kernel}",
            text,
            colour,
            cost=_dilated(kernel),
            reach=lambda stride: 2 * (kernel - 1),
        )

    def activation(name: str, colour: str, build: str) -> Primitive:
        return Primitive(
            name=name, kind="activation", label=name, description=name, colour=colour, build=build
        )

    return [
        conv("max_pool_5", "max pool 5", "a max pool of width 5", "#f6c85f", reach=lambda stride: 4),
        conv("avg_pool_5", "avg pool 5", "an average pool of width 5", "#fbe3a6", reach=lambda stride: 4),
        conv("skip_connect", "skip", "a skip connection", "#d9d9d9", cost=_skip),
        separable(15, "#5b9bd5"),
        separable(9, "#aed0ee"),
        dilated(15, "#5cb585"),
        dilated(9, "#b5e0c6"),
        conv(
            "conv_15",
            "conv 15",
            "a pair of dense convolutions of width 15",
            "#e08272",
            cost=_dense(15),
            reach=lambda stride: 14 * (1 + stride),
        ),
        activation("tanh", "#aed0ee", "torch:tanh"),
        activation("identity", "#d9d9d9", "genotools.nn.ops:identity"),
        activation("sigmoid", "#f6c85f", "torch:sigmoid"),
        activation("relu", "#b5e0c6", "torch:relu"),
    ]


for _primitive in _published():
    register(_primitive)
