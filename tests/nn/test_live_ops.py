"""What is live: order, pruning, documents."""

import json
import subprocess
import sys

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from genotools import GENOME_NAS
from genotools.errors import DataError
from genotools.genotype import ConvCell, Genotype, RecurrentCell
from genotools.nn.live_ops import NONE, ROLES, LiveEdge, LiveOp, LiveOps
from genotools.testing.strategies import genotypes

FULL = LiveOps.full(GENOME_NAS)


def tiny() -> LiveOps:
    conv = (LiveEdge(0, 2, (NONE, "max_pool_5")), LiveEdge(1, 2, ("skip_connect", "conv_15")))
    return LiveOps(conv, conv, (LiveEdge(0, 1, (NONE, "tanh", "relu")),))


def test_full_space_has_the_published_rows_and_columns() -> None:
    assert [edge.pair for edge in FULL.normal[:6]] == [(0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (0, 4)]
    assert [edge.pair for edge in FULL.recurrent[:4]] == [(0, 1), (0, 2), (1, 2), (0, 3)]
    assert FULL.ops("reduce", 0, 2) == (NONE, *GENOME_NAS.reduce.ops)
    assert FULL.n_ops == 14 * 9 + 14 * 9 + 36 * 5
    assert (FULL.n_nodes("normal"), FULL.n_nodes("recurrent")) == (4, 8)
    assert LiveOps.full(GENOME_NAS, with_none=False) == FULL.without(NONE)


def test_edges_are_sorted_by_target_then_source() -> None:
    rows = [LiveEdge(1, 3, ("conv_15",)), LiveEdge(0, 2, ("conv_15",)), LiveEdge(0, 3, ("max_pool_5",))]
    live = LiveOps(tuple(rows), tuple(rows), tiny().recurrent)
    assert [edge.pair for edge in live.normal] == [(0, 2), (0, 3), (1, 3)]


def test_dropping_ops_leaves_the_others_and_the_old_value_alone() -> None:
    live = tiny()
    fewer = live.drop("normal", [(1, 2, "conv_15")])
    assert fewer.ops("normal", 1, 2) == ("skip_connect",)
    assert fewer.reduce == live.reduce
    assert live == tiny()


def test_an_edge_goes_with_its_last_op() -> None:
    fewer = tiny().drop("normal", [(1, 2, "conv_15"), (1, 2, "skip_connect")])
    assert [edge.pair for edge in fewer.normal] == [(0, 2)]
    assert fewer.ops("normal", 1, 2) == ()


def test_nothing_leads_to_a_node_with_none_alone() -> None:
    with pytest.raises(DataError, match="nothing live leads to node 2"):
        tiny().drop("normal", [(1, 2, "conv_15"), (1, 2, "skip_connect"), (0, 2, "max_pool_5")])
    with pytest.raises(DataError, match="nothing live leads to node 1"):
        tiny().drop_edges("recurrent", [(0, 1)])


def test_dropping_what_is_not_live_names_it() -> None:
    with pytest.raises(DataError, match="normal: tanh on 0 -> 2 is not live"):
        tiny().drop("normal", [(0, 2, "tanh")])
    with pytest.raises(DataError, match="edge 0 -> 3 is not live"):
        tiny().drop_edges("normal", [(0, 3)])


def test_the_best_ops_stay_in_the_order_of_the_space() -> None:
    rng = np.random.default_rng(0)
    scores = {entry: float(rng.random()) for entry in FULL.each("normal")}
    kept = FULL.keep_best("normal", scores, 3)
    for edge in kept.normal:
        ranked = sorted(FULL.ops("normal", *edge.pair), key=lambda op: -scores[LiveOp(*edge.pair, op)])
        assert set(edge.ops) == set(ranked[:3])
        assert list(edge.ops) == [op for op in FULL.ops("normal", *edge.pair) if op in edge.ops]
    assert kept.recurrent == FULL.recurrent


def test_of_equal_ops_the_earlier_stays() -> None:
    kept = FULL.keep_best("recurrent", dict.fromkeys(FULL.each("recurrent"), 0.2), 2)
    assert kept.ops("recurrent", 0, 1) == (NONE, "tanh")


def test_an_op_without_a_score_is_an_error() -> None:
    with pytest.raises(DataError, match="no score for none on 0 -> 2"):
        tiny().keep_best("normal", {}, 1)
    with pytest.raises(ValueError, match="n_ops is 0"):
        tiny().keep_best("normal", {}, 0)


@given(genotypes())
def test_a_path_has_one_op_on_each_edge_of_the_genotype(genotype: Genotype) -> None:
    path = LiveOps.of(genotype)
    assert all(len(edge.ops) == 1 for role in ROLES for edge in path.edges(role))
    assert len(path.normal) == len(genotype.normal.edges)
    assert len(path.recurrent) == genotype.recurrent.n_states
    assert FULL.contains(path)


def test_a_path_follows_a_topological_numbering() -> None:
    cell = ConvCell([(0, 3, "conv_15"), (1, 3, "conv_15"), (3, 2, "max_pool_5")])
    path = LiveOps.of(Genotype(cell, cell, RecurrentCell([(2, "relu"), (0, "tanh")])))
    assert [edge.pair for edge in path.normal] == [(0, 2), (1, 2), (2, 3)]
    assert path.recurrent == (LiveEdge(0, 1, ("tanh",)), LiveEdge(1, 2, ("relu",)))


def test_the_union_of_paths_contains_each_of_them() -> None:
    rng = np.random.default_rng(1)
    several = [GENOME_NAS.sample(rng=rng) for _ in range(5)]
    union = LiveOps.of(*several)
    assert all(union.contains(LiveOps.of(genotype)) for genotype in several)
    merged = LiveOps.of(several[0]).merged(LiveOps.of(*several[1:]))
    assert all(set(merged.each(role)) == set(union.each(role)) for role in ROLES)
    assert all(set(union.each(role)) <= set(FULL.each(role)) for role in ROLES)


@given(st.sets(st.sampled_from(sorted(FULL.each("normal"))), max_size=40))
def test_documents_give_live_ops_back(dropped: set[LiveOp]) -> None:
    dropped = {entry for entry in dropped if entry.op != "conv_15"}
    live = FULL.drop("normal", dropped)
    assert LiveOps.from_document(json.loads(json.dumps(live.to_document()))) == live


def test_a_wrong_document_is_refused_with_its_key() -> None:
    document = tiny().to_document()
    with pytest.raises(DataError, match="x: format: 'genotools/live-ops' is expected"):
        LiveOps.from_document({}, where="x")
    with pytest.raises(DataError, match="version: 2 is newer"):
        LiveOps.from_document({**document, "version": 2})
    with pytest.raises(DataError, match="unknown key 'extra'"):
        LiveOps.from_document({**document, "extra": 1})
    with pytest.raises(DataError, match=r"normal\.0: .* was expected"):
        LiveOps.from_document({**document, "normal": [{"source": 0, "target": 2}]})
    edges = [{"source": 0, "target": 2, "ops": ["conv_11", "conv_11"]}, {"source": 2, "target": 2, "ops": []}]
    with pytest.raises(DataError, match=r"(?s)unknown op 'conv_11'.*no op is live"):
        LiveOps.from_document({**document, "normal": edges})


@pytest.mark.parametrize("target", [66, 2**63, 10**30])
def test_a_cell_has_no_more_nodes_than_can_be_counted(target: int) -> None:
    """Each node up to the last was looked for: with a large number for ever."""
    document = tiny().to_document()
    edges = [{"source": 0, "target": target, "ops": ["conv_15"]}]
    with pytest.raises(DataError, match="reduce: a cell has at most 64 intermediate nodes"):
        LiveOps.from_document({**document, "reduce": edges})


def test_live_ops_need_no_torch() -> None:
    code = "import sys, genotools.nn.live_ops; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
