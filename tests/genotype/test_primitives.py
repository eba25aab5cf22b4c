"""The registry: names mean one thing for ever."""

import pytest

from genotools.errors import DataError
from genotools.genotype import Cost, Primitive, get_primitive, known_primitives, register
from genotools.genotype.primitives import ceil_length, unknown_primitive_fault


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
    register(primitive("square_root"))
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
    assert len(unknown_primitive_fault("x" * 10_000, "conv") or "") < 300


def test_builders_are_found_by_name_or_given() -> None:
    import math

    assert primitive("root").builder() is math.sqrt
    assert primitive("root", math.cos).builder() is math.cos


def test_costs_add_up_and_lengths_round_up() -> None:
    assert Cost(1, 2) + Cost(10, 20) == Cost(11, 22)
    assert [ceil_length(length, 2) for length in (1, 2, 3, 1000)] == [1, 1, 2, 500]


def test_costs_of_primitives_equal_hand_counts() -> None:
    # 8 channels: two depthwise 15 x 8 and pointwise 8 x 8 convolutions, two batch norms of 2 x 8.
    assert get_primitive("sep_conv_15", "conv").cost(8, 100, 1) == Cost(
        2 * (120 + 64) + 32, 2 * (120 + 64) * 100
    )
    assert get_primitive("dil_conv_9", "conv").cost(8, 100, 2) == Cost(72 + 64 + 16, (72 + 64) * 50)
    assert get_primitive("skip_connect", "conv").cost(8, 100, 1) == Cost(0, 0)
    assert get_primitive("skip_connect", "conv").cost(8, 100, 2) == Cost(64 + 16, 64 * 50)
    assert get_primitive("max_pool_5", "conv").reach(2) == 4
