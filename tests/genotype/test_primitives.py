"""The registry: names mean one thing for ever."""

import dataclasses

import pytest

from genotools.errors import DataError
from genotools.genotype import Cost, Primitive, get_primitive, known_primitives, register
from genotools.genotype.primitives import Kind, _published, ceil_length, unknown_primitive_fault


def primitive(name: str, build: object = "math:sqrt") -> Primitive:
    return Primitive(
        name=name, kind="activation", label=name, description=name, colour="#000000", build=build  # type: ignore[arg-type]
    )  # fmt: skip


def test_the_published_primitives_are_known_in_their_order() -> None:
    assert known_primitives("conv") == [
        "max_pool_5",
        "avg_pool_5",
        "skip_connect",
        "sep_conv_15",
        "sep_conv_9",
        "dil_conv_15",
        "dil_conv_9",
        "conv_15",
    ]
    assert known_primitives("activation") == ["tanh", "identity", "sigmoid", "relu"]


def test_a_name_is_registered_once() -> None:
    for name in ("square_root", "Square_Root_2", "x" * 64):
        assert register(primitive(name)) is get_primitive(name, "activation")
    assert "square_root" in known_primitives("activation")
    assert "square_root" not in known_primitives("conv")
    with pytest.raises(ValueError, match="'square_root' is registered already; names are never reused"):
        register(primitive("square_root"))
    with pytest.raises(ValueError, match="'tanh' is registered already"):
        register(primitive("tanh"))


@pytest.mark.parametrize("name", ["", "7up", "a b", "a-b", "x" * 65, "é", "a\n"])
def test_malformed_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="a name is letters, digits and underscores"):
        register(primitive(name))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        DataError, match=r"unknown op 'conv_11'\. Known: max_pool_5, .*Did you mean 'conv_15'\?"
    ):
        get_primitive("conv_11", "conv")
    with pytest.raises(
        DataError, match=r"unknown activation 'conv_15'\. Known: tanh, identity, sigmoid, relu\.$"
    ):
        get_primitive("conv_15", "activation")
    assert unknown_primitive_fault(["list"], "conv") is not None
    assert unknown_primitive_fault("tanh", "activation", ("relu",)) is not None
    assert unknown_primitive_fault("tanh", "activation", ("tanh",)) is None
    assert f"unknown op '{'x' * 60}'. Known" in (unknown_primitive_fault("x" * 10_000, "conv") or "")


def test_builders_are_found_by_name_or_given() -> None:
    import math

    assert primitive("root").builder() is math.sqrt
    assert primitive("root", math.cos).builder() is math.cos


def test_costs_add_up_and_lengths_round_up() -> None:
    assert Cost(1, 2) + Cost(10, 20) == Cost(11, 22)
    assert [ceil_length(length, 2) for length in (1, 2, 3, 1000)] == [1, 1, 2, 500]


@dataclasses.dataclass(frozen=True)
class Published:
    """What is published of an op: its name in drawings and prose, weights and reach of 8 channels by hand."""

    label: str
    description: str
    n_weights: int = 0
    n_norms: int = 0
    reach: tuple[int, int] = (0, 0)
    """At strides 1 and 2."""


# A depthwise convolution of width k has 8 k weights, a 1x1 convolution 8 x 8, a dense one of width 15 8 x 8 x 15.
PUBLISHED = {
    "max_pool_5": Published("max pool 5", "a max pool of width 5", reach=(4, 4)),
    "avg_pool_5": Published("avg pool 5", "an average pool of width 5", reach=(4, 4)),
    "skip_connect": Published("skip", "a skip connection"),
    "sep_conv_15": Published("sep conv 15", "a separable convolution of width 15", 368, 2, (28, 42)),
    "sep_conv_9": Published("sep conv 9", "a separable convolution of width 9", 272, 2, (16, 24)),
    "dil_conv_15": Published("dil conv 15", "a dilated convolution of width 15", 184, 1, (28, 28)),
    "dil_conv_9": Published("dil conv 9", "a dilated convolution of width 9", 136, 1, (16, 16)),
    "conv_15": Published("conv 15", "a pair of dense convolutions of width 15", 1920, 2, (28, 42)),
}


def made_anew(name: str) -> Primitive:
    """Return a published primitive as the code makes it now, once it is clear that the registered one is the same."""
    (made,) = [primitive for primitive in _published() if primitive.name == name]
    registered = get_primitive(name, made.kind)
    for field in ("kind", "label", "description", "colour", "build"):
        assert getattr(made, field) == getattr(registered, field)
    return made


def test_as_many_are_made_as_are_published() -> None:
    names = [primitive.name for primitive in _published()]
    assert names == [*PUBLISHED, "tanh", "identity", "sigmoid", "relu"]


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_ops_have_the_published_properties(name: str) -> None:
    op, published = made_anew(name), PUBLISHED[name]
    assert (op.label, op.description) == (published.label, published.description)
    assert (op.reach(1), op.reach(2)) == published.reach
    n_weights, n_params = published.n_weights, published.n_weights + 16 * published.n_norms
    assert op.cost(8, 100, 1) == Cost(n_params, 100 * n_weights)
    assert [op.out_length(length, 3) for length in (1, 3, 100)] == [1, 1, 34]
    if name == "skip_connect":  # two 1x1 convolutions of 8 to 4 channels
        n_weights, n_params = 64, 80
    assert op.cost(8, 100, 3) == Cost(n_params, 34 * n_weights)


@pytest.mark.parametrize("name", ["tanh", "identity", "sigmoid", "relu"])
def test_activations_are_called_what_they_are_and_cost_nothing(name: str) -> None:
    activation = made_anew(name)
    assert activation.label == activation.description == name
    assert activation.cost(8, 100, 1) == Cost(0, 0)
    assert activation.reach(1) == 0


@pytest.mark.parametrize("kind", ["conv", "activation"])
def test_every_primitive_is_built_by_the_function_of_its_name(kind: Kind) -> None:
    names = known_primitives(kind)
    assert [get_primitive(name, kind).builder().__name__ for name in names] == names


@pytest.mark.parametrize("kind", ["conv", "activation"])
def test_colours_are_told_apart(kind: Kind) -> None:
    colours = [get_primitive(name, kind).colour for name in known_primitives(kind)]
    assert len(set(colours)) == len(colours)


def test_a_colour_is_given_as_six_hexadecimal_digits() -> None:
    for colour in ("#12345", "#1234567", "123456", "red", "#12345g", "#123456\n"):
        with pytest.raises(ValueError, match=r"primitive 'mine': colour '.*' is not #rrggbb"):
            register(dataclasses.replace(primitive("mine"), colour=colour))
    assert register(dataclasses.replace(primitive("mine"), colour="#09afAF")).colour == "#09afAF"
