"""DARTS-style text: there and back, and nothing in it is ever run."""

import ast
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.genotype import ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.genotype.darts import from_darts, to_darts
from genotools.testing.strategies import genotypes

NORMAL = (
    "[('sep_conv_15', 0), ('conv_15', 1), ('skip_connect', 2), ('max_pool_5', 0), "
    "('avg_pool_5', 3), ('dil_conv_9', 2), ('dil_conv_15', 1), ('sep_conv_9', 4)]"
)
RNN = (
    "[('tanh', 0), ('relu', 1), "
    "('relu', 1), ('identity', 3), ('sigmoid', 2), ('tanh', 5), ('tanh', 0), ('relu', 7)]"
)
TEXT = f"Genotype(normal={NORMAL}, reduce={NORMAL}, rnn={RNN})"


@given(genotypes(meta={}))
def test_text_comes_back_as_the_same_genotype(genotype: Genotype) -> None:
    text = to_darts(genotype)
    assert from_darts(text) == genotype
    assert to_darts(from_darts(text)) == text


def test_the_text_says_what_the_genotype_is() -> None:
    genotype = from_darts(TEXT)
    assert [(edge.op, edge.source, edge.target) for edge in genotype.normal.edges[:3]] == [
        ("sep_conv_15", 0, 2),
        ("conv_15", 1, 2),
        ("skip_connect", 2, 3),
    ]
    assert [(state.activation, state.predecessor) for state in genotype.recurrent.states] == ast.literal_eval(
        RNN
    )
    assert to_darts(genotype) == (
        f"Genotype(normal={NORMAL}, normal_concat=[2, 3, 4, 5], reduce={NORMAL}, "
        f"reduce_concat=[2, 3, 4, 5], rnn={RNN}, rnn_concat=[1, 2, 3, 4, 5, 6, 7, 8])"
    )


@pytest.mark.parametrize(
    "text",
    [
        f"Genotype({NORMAL}, [2, 3, 4, 5], {NORMAL}, range(2, 6), {RNN}, range(1, 9))",
        f"Genotype({NORMAL}, (2, 3, 4, 5), reduce={NORMAL}, recurrent={RNN}, concat=range(1, 9))",
        f"Genotype(rnn={RNN}, recurrent_concat=range(1, 9), reduce={NORMAL}, normal={NORMAL})",
        f"\n  Genotype(\n normal={NORMAL},\n reduce={NORMAL}, # a comment\n rnn={RNN},\n)\n",
        f"Genotype(normal=tuple_free, reduce={NORMAL}, rnn={RNN})".replace("tuple_free", f"({NORMAL[1:-1]})"),
    ],
)
def test_fields_may_be_given_by_place_name_and_alias(text: str) -> None:
    assert from_darts(text) == from_darts(TEXT)


def test_a_genotype_of_another_in_degree_cannot_be_expressed() -> None:
    conv = ConvCellSpace(2, 1, ("skip_connect",))
    space = SearchSpace(name="one", normal=conv, reduce=conv, recurrent=RecurrentCellSpace(1, ("tanh",)))
    with pytest.raises(DataError, match="normal cell, node 2: 1 in-edges; DARTS-style text needs 2"):
        to_darts(space.sample(rng=np.random.default_rng(0)))


def test_text_of_another_space_is_read_against_it() -> None:
    conv = ConvCellSpace(1, 2, ("skip_connect",))
    space = SearchSpace(name="one", normal=conv, reduce=conv, recurrent=RecurrentCellSpace(1, ("tanh",)))
    genotype = space.sample(rng=np.random.default_rng(0))
    read = from_darts(to_darts(genotype), space=space)
    assert read == genotype
    assert read.space == "one"
    with pytest.raises(DataError, match="1 intermediate nodes, the space has 4"):
        from_darts(to_darts(genotype))


HOSTILE = {
    "import": "__import__('os').system('touch PROOF')",
    "import inside": f"Genotype(normal=__import__('os').system('touch PROOF'), reduce={NORMAL}, rnn={RNN})",
    "open inside a pair": f"Genotype(normal=[(open('PROOF', 'w'), 0)], reduce={NORMAL}, rnn={RNN})",
    "call in a range": f"Genotype(normal={NORMAL}, normal_concat=range(open('PROOF')), reduce={NORMAL}, rnn={RNN})",
    "attribute": f"Genotype(normal=().__class__.__bases__, reduce={NORMAL}, rnn={RNN})",
    "method call": "Genotype.__init__(1)",
    "comprehension": f"Genotype(normal=[open('PROOF', 'w') for _ in (1,)], reduce={NORMAL}, rnn={RNN})",
    "lambda": f"Genotype(normal=(lambda: open('PROOF', 'w'))(), reduce={NORMAL}, rnn={RNN})",
    "f-string": f"Genotype(normal=f'{{open(\"PROOF\", \"w\")}}', reduce={NORMAL}, rnn={RNN})",
    "walrus": f"Genotype(normal=(x := {NORMAL}), reduce={NORMAL}, rnn={RNN})",
    "statement": "import os; Genotype()",
    "starred": f"Genotype(*[{NORMAL}])",
    "double starred": f"Genotype(**{{'normal': {NORMAL}}})",
    "other function": TEXT.replace("Genotype", "exec", 1),
    "power": f"Genotype(normal=9**9**9**9, reduce={NORMAL}, rnn={RNN})",
    "huge range": f"Genotype(normal={NORMAL}, normal_concat=range(10**12), reduce={NORMAL}, rnn={RNN})",
    "long range": f"Genotype(normal={NORMAL}, normal_concat=range(0, 999999999), reduce={NORMAL}, rnn={RNN})",
    "range with a keyword": f"Genotype(normal={NORMAL}, normal_concat=range(2, stop=6), reduce={NORMAL}, rnn={RNN})",
    "deep parentheses": "Genotype(" + "(" * 5_000 + ")" * 5_000 + ")",
    "deep lists": "Genotype(normal=" + "[" * 40_000 + "]" * 40_000 + ")",
    "deep minus": "Genotype(normal=" + "-" * 90_000 + "1)",
    "deep sum": "Genotype(normal=" + "1+" * 45_000 + "1)",
    "deep attributes": "Genotype(normal=a" + ".a" * 45_000 + ")",
    "deep calls": "Genotype(" * 10_000 + ")" * 10_000,
    "huge text": "Genotype(" + "1," * 5_000_000 + ")",
    "huge decimal": f"Genotype(normal=[('conv_15', {'9' * 90_000})], reduce={NORMAL}, rnn={RNN})",
    "huge hexadecimal": f"Genotype(normal=[('conv_15', 0x{'f' * 90_000})], reduce={NORMAL}, rnn={RNN})",
    "huge hexadecimal in a list": f"Genotype(normal=[[0x{'f' * 90_000}]], reduce={NORMAL}, rnn={RNN})",
    "huge hexadecimal in concat": TEXT.replace("rnn=", f"rnn_concat=[0x{'f' * 50_000}], rnn="),
    "null byte": "Genotype(normal='\0')",
    "half a surrogate pair": "Genotype(normal='\ud800')",
    "odd escape": f"Genotype(normal=[('a\\d', 0)], reduce={NORMAL}, rnn={RNN})",
    "called number": f"Genotype(normal=1(), reduce={NORMAL}, rnn={RNN})",
    "unhashable set": f"Genotype(normal={{[]}}, reduce={NORMAL}, rnn={RNN})",
    "unhashable key": f"Genotype(normal={{[]: 1}}, reduce={NORMAL}, rnn={RNN})",
    "bytes": f"Genotype(normal=[(b'conv_15', 0)], reduce={NORMAL}, rnn={RNN})",
    "bool": f"Genotype(normal=[('conv_15', True)], reduce={NORMAL}, rnn={RNN})",
    "float": f"Genotype(normal=[('conv_15', 0.0)], reduce={NORMAL}, rnn={RNN})",
    "text for a list": f"Genotype(normal='abc', reduce={NORMAL}, rnn={RNN})",
    "empty": "",
    "no call": "Genotype",
    "field twice": f"Genotype(normal={NORMAL}, normal={NORMAL}, reduce={NORMAL}, rnn={RNN})",
    "field and its alias": f"Genotype(normal={NORMAL}, reduce={NORMAL}, rnn={RNN}, recurrent={RNN})",
    "field by place and name": f"Genotype({NORMAL}, normal={NORMAL}, reduce={NORMAL}, rnn={RNN})",
    "seven fields": f"Genotype({NORMAL}, [], {NORMAL}, [], {RNN}, [], [])",
    "empty cell": f"Genotype(normal=[], reduce={NORMAL}, rnn={RNN})",
    "negative source": f"Genotype(normal=[('conv_15', -1), ('conv_15', 0)], reduce={NORMAL}, rnn={RNN})",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_and_nothing_is_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"^here: ") as caught:
        from_darts(HOSTILE[name], where="here")
    assert list(tmp_path.iterdir()) == []
    assert len(str(caught.value)) < 3000


@given(st.text(max_size=200) | st.text("Genotype(normal=[]'0123,) ", max_size=200))
def test_any_text_is_a_genotype_or_one_data_error(text: str) -> None:
    with pytest.raises(DataError, match=r"^DARTS-style text: "):
        from_darts(text)


def test_all_faults_are_reported_at_once_with_near_names() -> None:
    text = TEXT.replace("'conv_15', 1", "'conv_11', 1", 1).replace("('relu', 1)", "('rely', 1)", 1)
    text = text.replace("rnn=", "normal_concat=[2, 3], rnn=")
    with pytest.raises(DataError) as caught:
        from_darts(text)
    message = str(caught.value)
    assert message.startswith("DARTS-style text: 3 faults")
    assert "Did you mean 'conv_15'?" in message
    assert "Did you mean 'relu'?" in message
    assert "normal_concat: it must be the list of all intermediate nodes, [2, 3, 4, 5]" in message


def with_normal(pairs: str) -> str:
    """Return the text of a genotype with other pairs in front of those of the normal cell."""
    return TEXT.replace("[", f"[{pairs}, ", 1)


NO_RANGE = "normal_concat: not range(start, end) of small numbers"
NO_TEXT = "not DARTS-style text: expected Genotype(normal=[...], ...)."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TEXT.replace("reduce=", "reduced="), "unknown field 'reduced'. Known: normal, normal_concat"),
        (TEXT.replace("reduce=", "r" * 61 + "="), f"unknown field '{'r' * 60}'. Known"),
        (HOSTILE["double starred"], "unknown field '**'. Known"),
        (HOSTILE["half a surrogate pair"], NO_TEXT),
        (HOSTILE["other function"], NO_TEXT),
        (HOSTILE["range with a keyword"], NO_RANGE),
        (HOSTILE["range with a keyword"].replace("2, stop=6", "2, 6, step=1"), NO_RANGE),
        (TEXT.replace("rnn=", "normal_concat=range(6), rnn="), NO_RANGE),
        (TEXT.replace("rnn=", "normal_concat=range(2, 1000), rnn="), NO_RANGE),
        (TEXT.replace("rnn=", "reduce_concat=[2], rnn="), "reduce_concat: it must be the list of all"),
        (TEXT.replace("rnn=", "rnn_concat=[1], rnn="), "rnn_concat: it must be the list of all"),
        (TEXT.replace("rnn=[('tanh', 0)", "rnn=['tanh'"), "rnn, pair 0: a pair of a name and a number"),
        (TEXT.replace(RNN, "5"), "rnn: a list of (name, number) pairs is expected"),
        (HOSTILE["text for a list"], "normal: a list of (name, number) pairs is expected"),
        (with_normal("('conv_15', 1000)"), "normal, pair 0: a pair of a name and a number below 1000"),
        (with_normal("('conv_15', -1000)"), "normal, pair 0: a pair of a name and a number below 1000"),
        (with_normal("('conv_15', 999)"), "there is no node 999"),
        (with_normal("('a\\d', 0)"), r"unknown op 'a\\d'"),
        (f"Genotype(normal={NORMAL})", "reduce, rnn missing; a genotype has normal, reduce and rnn"),
        (TEXT[:-2], "not DARTS-style text, line 1"),
        (TEXT.replace("('skip_connect', 2)", "('skip_connect', 3)", 1), "an edge from a node to itself"),
        (TEXT.replace("('skip_connect', 2)", "('skip_connect', 9)", 1), "there is no node 9"),
        (TEXT.replace(", ('sep_conv_9', 4)", "", 1), "node 5: 1 in-edges, 2 are needed"),
        (TEXT.replace("('sep_conv_15', 0)", "(0, 'sep_conv_15')", 1), "normal, pair 0: a pair of a name"),
    ],
)  # fmt: skip
def test_each_fault_is_named(text: str, message: str) -> None:
    with pytest.raises(DataError, match=r"^here: ") as caught:
        from_darts(text, where="here")
    assert message in str(caught.value)


def test_a_hundred_thousand_characters_are_read_and_no_more() -> None:
    assert from_darts(f"{TEXT:100000}") == from_darts(TEXT)
    with pytest.raises(DataError, match="100,001 characters, at most 100,000 are read"):
        from_darts(f"{TEXT:100001}")
