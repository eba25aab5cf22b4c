"""The frame around the cells: shapes by hand, and what is refused."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.genotype import Layer, Macro


def test_the_published_frame_shortens_1000_to_42_positions() -> None:
    stages = Macro.paper().stages()
    assert [stage.out_length for stage in stages] == [1000, 500, 250, 250, 125, 42]
    assert [stage.channels for stage in stages] == [8, 16, 32, 32, 64, 128]
    assert stages[0].in_channels == (24, 24)
    assert stages[1].in_channels == (24, 32)
    assert stages[2].in_channels == (32, 64)
    assert stages[2].in_lengths == (1000, 500)
    assert [stage.stride0 for stage in stages] == [1, 1, 2, 2, 1, 2]


def test_the_small_frame_ends_at_16_positions() -> None:
    stages = Macro.small().stages()
    assert [stage.in_lengths[1] for stage in stages] == [1000, 250, 250, 63]
    assert [stage.channels for stage in stages] == [16, 16, 32, 64]
    assert stages[-1].out_length == 16
    assert Macro.small().head_hidden == 128
    assert Macro.small(256).length == 256


@given(st.integers(1, 10_000), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_lengths_round_up_at_every_reduction(length: int, strides: list[int]) -> None:
    stages = Macro(length=length, layers=[Layer("reduce", stride) for stride in strides]).stages()
    for stage in stages:
        assert stage.out_length == -(-stage.in_lengths[1] // stage.layer.stride)
        # Input 0 is two cells back: one factorised reduction at stride0 brings it to the length of input 1.
        assert -(-stage.in_lengths[0] // stage.stride0) == stage.in_lengths[1]


@given(st.integers(1, 5), st.integers(1, 5))
def test_channels_follow_the_number_of_nodes(n_normal: int, n_reduce: int) -> None:
    first, second, third, *_ = Macro.paper().stages(n_normal, n_reduce)
    assert second.in_channels == (24, 8 * n_normal)
    assert third.in_channels == (8 * n_normal, 16 * n_reduce)
    assert first.channels == 8


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"length": 0}, "length is 0, it must be at least 1"),
        ({"channels": 7}, "channels is 7, it must be even"),
        ({"stem_kernel": 4}, "stem_kernel is 4, it must be odd"),
        ({"head_dropout": 1.0}, r"head_dropout is 1\.0, it must be in \[0, 1\)"),
        ({"layers": ()}, "layers is empty, at least one cell is needed.$"),
        ({"layers": (Layer("normal", 2),)}, r"layers\.0\.stride is 2; a normal cell has 1"),
        ({"layers": ({"cell": "other"},)}, r"layers\.0\.cell is 'other'"),
        ({"length": -1, "channels": 0, "stem_multiplier": 0, "head_hidden": 0}, "macro: 4 faults"),
    ],
)
def test_values_out_of_range_are_all_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Macro(**values)


def test_a_stem_may_look_at_one_base() -> None:
    assert Macro(stem_kernel=1).stem_kernel == 1


def test_a_frame_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Macro.paper().length = 5  # type: ignore[misc]


@pytest.mark.parametrize("macro", [Macro.paper(), Macro.small(333), Macro(recurrent=False, head_dropout=0)])
def test_a_frame_comes_back_from_its_document(macro: Macro) -> None:
    document = json.loads(json.dumps(macro.to_document()))
    assert Macro.from_document(document) == macro
    assert Macro.from_document(document, length=77) == dataclasses.replace(macro, length=77)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("length", "1000", "length: Input should be a valid integer"),
        ("length", True, "length: Input should be a valid integer"),
        ("recurrent", 1, "recurrent: Input should be a valid boolean"),
        ("layers", [], "layers: List should have at least 1"),
        ("layers", [{"cell": "normal", "stride": 2}], "stride is 2"),
        ("head_dropout", float("nan"), "head_dropout"),
        ("depth", 3, "depth: Extra inputs"),
        ("version", 2, "version: 2 is newer"),
        ("format", "genotools/space", "format: 'genotools/macro' is expected"),
    ],
)
def test_each_fault_of_a_document_is_named(key: str, value: object, message: str) -> None:
    document = {**Macro.paper().to_document(), key: value}
    with pytest.raises(DataError, match=f"^here: .*{message}"):
        Macro.from_document(document, where="here")
    with pytest.raises(DataError, match=f"^macro: .*{message}"):
        Macro.from_document(document)
