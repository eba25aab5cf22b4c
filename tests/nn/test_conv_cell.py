import pytest
import torch
from torch import nn

from genotools.genotype import ConvCell, Layer, Macro
from genotools.genotype.macro import Stage
from genotools.nn.conv_cell import ConvCellModule, drop_path, edge_name


def stage(*, stride: int) -> Stage:
    layer = Layer("reduce", stride) if stride > 1 else Layer("normal")
    return Macro(length=20, channels=4, layers=(layer,)).stages()[0]


def make(edges: list[tuple[int, int, str]], *, stride: int = 1) -> ConvCellModule:
    torch.manual_seed(0)
    return ConvCellModule(ConvCell(edges), stage(stride=stride))


def inputs() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(5, 12, 20, generator=generator), torch.randn(5, 12, 20, generator=generator)


def test_a_node_is_the_sum_of_its_edges_and_the_output_lists_all_nodes() -> None:
    cell = make([(0, 2, "skip_connect"), (1, 2, "skip_connect"), (2, 3, "max_pool_5")]).eval()
    s0, s1 = inputs()
    node2 = cell.input0(s0) + cell.input1(s1)
    node3 = nn.functional.max_pool1d(node2, 5, stride=1, padding=2)
    torch.testing.assert_close(cell(s0, s1), torch.cat([node2, node3], dim=1))


def test_nodes_may_be_numbered_against_their_order() -> None:
    forward = make([(0, 2, "skip_connect"), (1, 2, "skip_connect"), (2, 3, "max_pool_5")]).eval()
    backward = make([(3, 2, "max_pool_5"), (0, 3, "skip_connect"), (1, 3, "skip_connect")]).eval()
    s0, s1 = inputs()
    node2, node3 = forward(s0, s1).chunk(2, dim=1)
    torch.testing.assert_close(backward(s0, s1), torch.cat([node3, node2], dim=1))


def test_only_edges_from_the_inputs_are_strided() -> None:
    cell = make(
        [(0, 2, "conv_15"), (1, 2, "max_pool_5"), (2, 3, "conv_15"), (1, 3, "skip_connect")], stride=3
    )
    assert cell(*inputs()).shape == (5, 16, 7)
    assert cell.get_submodule("edges.0_to_2.conv1").stride == (3,)
    assert cell.get_submodule("edges.2_to_3.conv1").stride == (1,)


def test_edges_are_named_by_their_ends_whatever_their_order() -> None:
    edges = [(0, 2, "conv_15"), (1, 2, "max_pool_5")]
    assert [edge_name(edge) for edge in ConvCell(edges).edges] == ["0_to_2", "1_to_2"]
    assert make(edges).state_dict().keys() == make(edges[::-1]).state_dict().keys()


def test_drop_path_zeroes_whole_sequences_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    output = drop_path(torch.ones(4000, 3, 5), 0.2)
    kept = output[:, :1, :1]
    assert torch.equal(output, kept.expand_as(output))
    assert set(output.flatten().tolist()) == {0.0, 1.25}
    assert output.mean().item() == pytest.approx(1, abs=0.03)


def test_drop_path_spares_the_identity_and_hits_the_edges_one_by_one() -> None:
    cell = make([(0, 2, "skip_connect"), (0, 3, "max_pool_5"), (0, 4, "max_pool_5")])
    s0, s1 = inputs()
    s0, s1 = s0.repeat(40, 1, 1), s1.repeat(40, 1, 1)
    whole = cell(s0, s1)
    cell.drop_path = 0.5
    dropped = cell(s0, s1)
    node2, node3, node4 = ((part == 0).flatten(1).all(dim=1) for part in dropped.chunk(3, dim=1))
    assert not node2.any()
    assert torch.equal(dropped[:, :4], whole[:, :4])
    assert 0.3 < node3.double().mean() < 0.7
    assert (node3 != node4).any()
    torch.testing.assert_close(dropped[~node3, 4:8], 2 * whole[~node3, 4:8])


def test_drop_path_reaches_the_strided_skip() -> None:
    cell = make([(0, 2, "skip_connect")], stride=2)
    cell.drop_path = 0.9
    s0, s1 = inputs()
    assert (cell(s0.repeat(8, 1, 1), s1.repeat(8, 1, 1)) == 0).flatten(1).all(dim=1).any()


def test_drop_path_is_off_in_evaluation() -> None:
    cell = make([(0, 2, "max_pool_5"), (1, 2, "conv_15")]).eval()
    s0, s1 = inputs()
    before = cell(s0, s1)
    cell.drop_path = 0.9
    assert torch.equal(cell(s0, s1), before)
