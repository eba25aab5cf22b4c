"""Genotype and space files: what is written comes back, and whatever else is offered is refused in one error."""

import copy
import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.files import parse_json, to_json
from genotools.genotype import GENOME_NAS, ConvCell, Genotype, RecurrentCell, SearchSpace
from genotools.genotype.documents import (
    genotype_from_document,
    genotype_schema,
    genotype_to_document,
    space_from_document,
    space_to_document,
)
from genotools.testing.strategies import genotypes, json_values, search_spaces

Document = dict[str, Any]
Spoil = Callable[[Document], object]


@pytest.fixture
def document() -> Document:
    """Return the document of one legal genotype."""
    return example()


def example() -> Document:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(3)).with_meta(author="nobody", scores=[0.5, 1])
    return json.loads(genotype.to_json())  # type: ignore[no-any-return]


# --- what is written comes back -----------------------------------------------------------------------------------


@given(genotypes())
def test_text_comes_back_to_the_letter_with_numbering_and_meta(genotype: Genotype) -> None:
    text = genotype.to_json()
    again = Genotype.from_json(text)
    assert again.to_json() == text
    assert again == genotype
    assert again.normal.edges == genotype.normal.edges
    assert again.reduce.edges == genotype.reduce.edges
    assert again.recurrent.states == genotype.recurrent.states
    assert dict(again.meta) == dict(genotype.meta)
    assert list(again.meta) == list(genotype.meta)


@given(genotypes())
@settings(max_examples=20)
def test_written_documents_are_valid_under_the_shipped_schema(genotype: Genotype) -> None:
    jsonschema.Draft202012Validator(shipped_schema()).validate(json.loads(genotype.to_json()))


def shipped_schema() -> Document:
    text = (resources.files("genotools.genotype") / "genotype.schema.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def test_the_shipped_schema_is_the_one_that_is_checked() -> None:
    assert shipped_schema() == genotype_schema()
    jsonschema.Draft202012Validator.check_schema(shipped_schema())


def test_a_file_is_saved_and_loaded_and_never_overwritten_by_accident(tmp_path: Path) -> None:
    path = tmp_path / "genotype.json"
    first, second = (GENOME_NAS.sample(rng=np.random.default_rng(seed)) for seed in (0, 1))
    first.save(path)
    assert Genotype.load(path) == first
    with pytest.raises(Exception, match="exists already"):
        second.save(path)
    assert Genotype.load(path) == first
    second.save(path, force=True)
    assert Genotype.load(str(path)) == second


def test_meta_and_space_name_are_outside_the_digest(document: Document) -> None:
    digest = genotype_from_document(document).digest
    document["meta"] = {"something": "else"}
    assert genotype_from_document(document).digest == digest
    del document["meta"]
    assert genotype_from_document(document).digest == digest


def test_what_is_written_can_always_be_read() -> None:
    deep: object = 0
    for _ in range(62):
        deep = [deep]
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    assert Genotype.from_json(genotype.with_meta(deep=deep).to_json()) == genotype
    with pytest.raises(DataError, match="meta: nested 64 levels deep"):
        genotype.with_meta(deep=[deep])
    for bad, message in (
        (float("nan"), "meta holds"),
        ("\ud800", "surrogate"),
        ({1, 2}, "meta holds"),
        (10**5000, "meta"),
    ):
        with pytest.raises(DataError, match=message):
            genotype.with_meta(bad=bad)


# --- bad input ----------------------------------------------------------------------------------------------------


def put(*path: str | int, value: object) -> Spoil:
    """Return a function that sets the value at ``path``."""

    def spoil(document: Document) -> None:
        inner: Any = document
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return spoil


def drop(*path: str | int) -> Spoil:
    """Return a function that removes ``path``."""

    def spoil(document: Document) -> None:
        inner: Any = document
        for key in path[:-1]:
            inner = inner[key]
        del inner[path[-1]]

    return spoil


EDGE0 = ("cells", "normal", "edges", 0)
ONE_EDGE = [{"source": 0, "target": 3, "op": "conv_15"}]
NO_DICT = "Input should be a valid dictionary"
FAULTS: dict[str, tuple[Spoil, str]] = {
    "other format": (put("format", value="genotools/space"), r"format: 'genotools/genotype' is expected, found"),
    "format missing": (drop("format"), "format: 'genotools/genotype' is expected, found nothing"),
    "format of a wrong kind": (put("format", value=[1]), "format: .* found a value of type list"),
    "format that is long": (put("format", value="x" * 61), "format: .* found 'x{60}'"),
    "version missing": (drop("version"), "version: a positive whole number is expected, found nothing"),
    "newer version": (put("version", value=2), "version: 2 is newer than this genotools reads: .* up to version 1"),
    "far version": (put("version", value=10**250), "found a number of more than 60 digits"),
    "version 0": (put("version", value=0), "version: a positive whole number"),
    "version as text": (put("version", value="1" * 61), "version: .* found '1{60}'"),
    "version true": (put("version", value=True), "version: a positive whole number is expected, found True"),
    "version 1.0": (put("version", value=1.0), "version: a positive whole number"),
    "key missing": (drop("cells", "reduce"), r"cells\.reduce: Field required"),
    "digest missing": (drop("digest"), r"digest: Field required"),
    "unknown key": (put("extra", value=1), r"extra: Extra inputs are not permitted"),
    "unknown key in an edge": (put(*EDGE0, "colour", value="red"), r"cells\.normal\.edges\.0\.colour: Extra inputs"),
    "cells as a list": (put("cells", value=[]), f"cells: {NO_DICT}"),
    "edges as an object": (put("cells", "normal", "edges", value={}), r"normal\.edges: Input should be a valid list"),
    "edge as a list": (put(*EDGE0, value=[0, 2, "conv_15"]), rf"normal\.edges\.0: {NO_DICT}"),
    "number as text": (put(*EDGE0, "source", value="0"), r"edges\.0\.source: Input should be a valid integer"),
    "number as float": (put(*EDGE0, "source", value=0.0), r"edges\.0\.source: Input should be a valid integer"),
    "number as bool": (put(*EDGE0, "source", value=True), r"edges\.0\.source: Input should be a valid integer"),
    "number null": (put(*EDGE0, "target", value=None), r"edges\.0\.target: Input should be a valid integer"),
    "negative number": (put(*EDGE0, "source", value=-1), r"edges\.0\.source: Input should be greater than"),
    "huge number": (put(*EDGE0, "target", value=10**250), r"edges\.0\.target: Input should be"),
    "number without end": (put(*EDGE0, "target", value=10**4000), "the number 10{59} is too large"),
    "meta as a list": (put("meta", value=[]), "meta: Input should be a valid dictionary"),
    "space as number": (put("space", value=7), "space: Input should be a valid string"),
    "unknown space": (put("space", value="nowhere"), r"space: unknown search space 'nowhere'\. Known: genome-nas"),
    "space that is a path": (put("space", value="../genotype.schema"), "space: unknown search space"),
    "empty space": (put("space", value=""), "space: String should have at least 1"),
    "digest of another kind": (put("digest", value="0" * 63), "digest: String should match"),
    "wrong digest": (put("digest", value="0" * 64), r"digest: the cells give [0-9a-f]{64}, the file says 0{64}"),
    "unknown op": (
        put(*EDGE0, "op", value="conv_11"),
        r"cells\.normal: edge 0 .*unknown op 'conv_11'\. Known: max_pool_5.*Did you mean 'conv_15'\?",
    ),
    "unknown activation": (
        put("cells", "recurrent", "states", 4, "activation", value="rely"),
        r"cells\.recurrent: state 5: unknown activation 'rely'.*Did you mean 'relu'\?",
    ),
    "an activation on an edge": (put(*EDGE0, "op", value="tanh"), "unknown op 'tanh'"),
    "no edges": (put("cells", "reduce", "edges", value=[]), r"cells\.reduce: no edges"),
    "no states": (put("cells", "recurrent", "states", value=[]), r"cells\.recurrent: no states"),
    "edge to itself": (put(*EDGE0, "source", value=2), r"normal: edge 0 \(2 -> 2\): an edge from a node to itself"),
    "edge into an input": (put(*EDGE0, "target", value=1), r"cells\.normal: .*node 1 is an input of the cell"),
    "source that is not there": (put(*EDGE0, "source", value=6), r"normal: .*no node 6; nodes are 0 to 5"),
    "far target": (put(*EDGE0, "target", value=1_000_000), "a cell has at most 64 intermediate nodes"),
    "wrong in-degree": (
        drop("cells", "normal", "edges", 7),
        r"cells\.normal: node 5: 1 in-edges, 2 are needed",
    ),
    "a node without edges": (put("cells", "normal", "edges", value=ONE_EDGE), "node 2: no edge leads to it"),
    "edge twice": (
        lambda document: document["cells"]["normal"]["edges"].append(document["cells"]["normal"]["edges"][0]),
        r"edge 8 .*a second edge between the same nodes",
    ),
    "own predecessor": (
        put("cells", "recurrent", "states", 3, "predecessor", value=4),
        "state 4: a state cannot be its own predecessor",
    ),
    "predecessor that is not there": (
        put("cells", "recurrent", "states", 3, "predecessor", value=9),
        "state 4: there is no state 9; states are 0 to 8",
    ),
    "too few states": (drop("cells", "recurrent", "states", 7), "7 states, the space has 8|there is no state 8"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named_with_its_file_and_key(name: str, document: Document, tmp_path: Path) -> None:
    spoil, message = FAULTS[name]
    spoil(document)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match=f"(?s)bad.json: .*{message}") as caught:
        Genotype.load(path)
    assert len(str(caught.value)) < 3000


def test_a_cycle_is_named_node_by_node(document: Document) -> None:
    edges = document["cells"]["normal"]["edges"]
    edges[0]["source"], edges[2]["source"], edges[3]["source"] = 3, 2, 0
    with pytest.raises(DataError, match=r"cells\.normal: the edges form a cycle: (2 -> 3 -> 2|3 -> 2 -> 3)"):
        genotype_from_document(document)
    states = document["cells"]["recurrent"]["states"]
    states[0]["predecessor"], states[4]["predecessor"] = 5, 1
    with pytest.raises(
        DataError, match=r"cells\.recurrent: the predecessors form a cycle: (1 -> 5 -> 1|5 -> 1 -> 5)"
    ):
        genotype_from_document(document)


def test_all_faults_of_a_document_are_reported_at_once(document: Document) -> None:
    document["cells"]["normal"]["edges"][0]["op"] = "conv_11"
    document["cells"]["normal"]["edges"][3]["source"] = 3
    document["cells"]["reduce"]["edges"][1]["op"] = "max_pool"
    document["cells"]["recurrent"]["states"][2]["activation"] = "tan"
    with pytest.raises(DataError) as caught:
        genotype_from_document(document, where="my.json")
    lines = str(caught.value).splitlines()
    assert lines[0] == "my.json: 4 faults"
    assert "Did you mean 'conv_15'?" in lines[1]
    assert "itself" in lines[2]
    assert "Did you mean 'max_pool_5'?" in lines[3]
    assert "Did you mean 'tanh'?" in lines[4]


def test_wrong_shape_faults_are_reported_at_once(document: Document) -> None:
    document["extra"] = 1
    document["cells"]["normal"]["edges"][0]["source"] = "0"
    del document["digest"]
    with pytest.raises(DataError, match=r"(?s)3 faults.*source.*digest.*extra"):
        genotype_from_document(document)


def test_faults_of_shape_graph_and_space_are_reported_together(document: Document) -> None:
    document["extra"] = 1
    document["cells"]["normal"]["edges"][0]["op"] = "conv_11"
    document["cells"]["normal"]["edges"].pop()
    document["cells"]["reduce"]["edges"][0]["source"] = 2
    states = document["cells"]["recurrent"]["states"]
    for activation, fault in (
        (5, "cells.recurrent.states.0.activation: "),
        ("gelu", "cells.recurrent: state 1: unknown"),
    ):
        states[0]["activation"] = activation
        with pytest.raises(DataError) as caught:
            genotype_from_document(document)
        message = str(caught.value)
        assert message.startswith("genotype: 5 faults")
        for part in (
            "extra: ",
            "cells.normal: edge 0 (0 -> 2): unknown op 'conv_11'",
            "cells.normal: node 5: 1 in-edges",
            "cells.reduce: edge 0 (2 -> 2): an edge from a node to itself",
            fault,
        ):
            assert part in message


def test_in_degree_and_digest_faults_are_reported_at_once(document: Document) -> None:
    document["digest"] = "f" * 64
    document["cells"]["normal"]["edges"].pop()
    document["cells"]["recurrent"]["states"].append({"predecessor": 0, "activation": "relu"})
    with pytest.raises(DataError, match=r"(?s)3 faults.*1 in-edges.*9 states.*digest: the cells give"):
        genotype_from_document(document)


@pytest.mark.parametrize("value", [None, [], "text", 7, 1.5, True, {}, [{}]], ids=repr)
def test_anything_but_an_object_is_refused(value: object) -> None:
    kind = type(value).__name__
    expected = "format: " if kind == "dict" else f"a JSON object is expected, not {kind}"
    with pytest.raises(DataError, match=f"^here: {expected}"):
        Genotype.from_json(json.dumps(value), where="here")


def test_a_hundred_thousand_unknown_keys_give_a_short_error(document: Document) -> None:
    document.update({f"key{number}" + "x" * 50: number for number in range(100_000)})
    document["k" * 1_000_000] = 1
    with pytest.raises(DataError, match="100001 faults") as caught:
        genotype_from_document(document)
    assert len(str(caught.value)) < 5000


def test_hostile_keys_are_shown_without_control_characters(document: Document) -> None:
    document["\x1b[2J\n\u202e"] = 1
    with pytest.raises(DataError, match=r"x1b") as caught:
        genotype_from_document(document)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(("length", "shown"), [(60, "k" * 60), (61, "'" + "k" * 59)])
def test_of_a_long_key_sixty_characters_are_shown(length: int, shown: str, document: Document) -> None:
    document["k" * length] = 1
    with pytest.raises(DataError, match=f"^genotype: {shown}: Extra inputs are not permitted"):
        genotype_from_document(document)


def test_too_many_edges_are_refused_early(document: Document) -> None:
    document["cells"]["normal"]["edges"] = [{"source": 0, "target": 2, "op": "conv_15"}] * 100_000
    with pytest.raises(DataError, match=r"cells\.normal\.edges: List should have at most 4096 items"):
        genotype_from_document(document)


def test_the_largest_cells_that_are_read_are_checked_in_bounded_time(document: Document) -> None:
    edges = [{"source": i, "target": j, "op": "conv_15"} for j in range(2, 66) for i in range(j)]
    document["cells"]["normal"]["edges"] = edges
    document["cells"]["reduce"]["edges"] = [
        {"source": i, "target": j, "op": "conv_15"} for j in range(2, 66) for i in (0, 1)
    ]
    document["cells"]["recurrent"]["states"] = [{"predecessor": 0, "activation": "tanh"}] * 64
    with pytest.raises(DataError, match="64 intermediate nodes, the space has 4"):
        genotype_from_document(document)


@given(json_values())
def test_any_json_value_is_a_genotype_or_one_data_error(value: object) -> None:
    with pytest.raises(DataError, match=r"^genotype: "):
        genotype_from_document(value)


def places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


@given(st.data())
@settings(max_examples=120)
def test_a_document_corrupted_anywhere_is_read_or_refused_with_a_data_error(data: st.DataObject) -> None:
    document = example()
    known = ["conv_15", "tanh", 0, 1, 5, 2**70, -1, "", "genotools/genotype", "genome-nas", {}, []]
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(places(document)[1:]))
        spoil = drop(*place) if data.draw(st.booleans()) else put(
            *place, value=data.draw(st.sampled_from(known) | json_values(4))
        )  # fmt: skip
        spoil(document)
        if not document:
            break
    digest_before = example()["digest"]
    try:
        genotype = genotype_from_document(copy.deepcopy(document))
    except DataError as error:
        message = str(error)
        assert message.startswith("genotype: ")
        assert len(message) < 5000
    else:  # the change was harmless
        assert genotype.digest == digest_before == document["digest"]


@given(st.data())
@settings(max_examples=100)
def test_text_cut_or_changed_anywhere_is_read_or_refused_with_a_data_error(data: st.DataObject) -> None:
    text = to_json(example())
    index = data.draw(st.integers(0, len(text) - 1))
    replacement = data.draw(st.sampled_from(["", "\x00", "{", "[", '"', ",", "é", "1e999", "NaN", text[:40]]))
    length = data.draw(st.sampled_from([0, 1, 5, len(text)]))
    spoiled = text[:index] + replacement + text[index + length :]
    try:
        genotype = Genotype.from_json(spoiled, where="here")
    except DataError as error:
        message = str(error)
        assert message.startswith("here: ")
    else:
        assert genotype.digest == example()["digest"]


def test_every_truncation_is_refused() -> None:
    text = to_json(example()).rstrip()
    for length in range(0, len(text), 7):
        with pytest.raises(DataError, match=r"^genotype: not valid JSON, line"):
            Genotype.from_json(text[:length])


def test_depth_is_refused_before_it_can_exhaust_the_stack(root: Path) -> None:
    code = (
        "from genotools.genotype import Genotype\n"
        "for text in ('[' * 10**6, '{\"meta\":' * 10**6, '[' * 10**6 + ']' * 10**6):\n"
        "    try: Genotype.from_json(text)\n"
        "    except ValueError as error: print(str(error)[:60])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "genotype: nested 1,000,000 levels deep, at most 64 are read.\n" * 3


# --- spaces -------------------------------------------------------------------------------------------------------


@given(search_spaces())
def test_space_round_trip(space: SearchSpace) -> None:
    text = space.to_json()
    again = space_from_document(parse_json(text, where="space"))
    assert again == space
    assert again.to_json() == text


def test_the_shipped_space_is_written_as_it_ships(tmp_path: Path) -> None:
    text = (resources.files("genotools.genotype") / "spaces" / "genome-nas.json").read_text(encoding="utf-8")
    assert GENOME_NAS.to_json() == text
    (tmp_path / "space.json").write_text(text, encoding="utf-8")
    assert SearchSpace.load(tmp_path / "space.json") == GENOME_NAS


SPACE_FAULTS: dict[str, tuple[Spoil, str]] = {
    "other format": (put("format", value="genotools/genotype"), "format: 'genotools/space' is expected"),
    "newer version": (put("version", value=3), "version: 3 is newer"),
    "no nodes": (put("normal", "n_nodes", value=0), r"normal\.n_nodes: Input should be greater"),
    "65 nodes": (put("reduce", "n_nodes", value=65), r"reduce\.n_nodes: Input should be less"),
    "in-degree 0": (put("normal", "in_degree", value=0), r"normal\.in_degree: Input should be greater"),
    "no ops": (put("normal", "ops", value=[]), r"normal\.ops: List should have at least 1"),
    "unknown op": (put("normal", "ops", 2, value="skip"), r"normal\.ops: unknown op 'skip'.*"),
    "op twice": (put("reduce", "ops", 1, value="conv_15"), r"reduce\.ops: 'conv_15' appears twice"),
    "unknown activation": (put("recurrent", "activations", 0, value="gelu"), "unknown activation 'gelu'"),
    "name missing": (drop("name"), "name: Field required"),
    "name with a line end": (put("name", value="a\nb"), "name: 'a.nb'; a name has 1 to 64 printable characters"),
    "extra key": (put("recurrent", "in_degree", value=1), r"recurrent\.in_degree: Extra inputs"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPACE_FAULTS)
def test_each_fault_of_a_space_is_named_with_its_file_and_key(name: str, tmp_path: Path) -> None:
    spoil, message = SPACE_FAULTS[name]
    document = copy.deepcopy(space_to_document(GENOME_NAS))
    spoil(document)
    (tmp_path / "space.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match=rf"(?s)space\.json: .*{message}"):
        SearchSpace.load(tmp_path / "space.json")


@given(json_values())
def test_any_json_value_is_a_space_or_one_data_error(value: object) -> None:
    with pytest.raises(DataError, match=r"^search space: "):
        space_from_document(value)


def test_documents_are_read_against_the_given_space(document: Document) -> None:
    small = SearchSpace(
        name="small", normal=GENOME_NAS.normal, reduce=GENOME_NAS.reduce,
        recurrent=type(GENOME_NAS.recurrent)(2, ("tanh",)),
    )  # fmt: skip
    with pytest.raises(DataError, match=r"cells\.recurrent: 8 states, the space has 2"):
        genotype_from_document(document, space=small)
    pair = ConvCell([(0, 2, "skip_connect"), (1, 2, "skip_connect")])
    other = Genotype(pair, pair, RecurrentCell([(0, "tanh")]), space="never-registered")
    with pytest.raises(DataError, match="unknown search space 'never-registered'"):
        genotype_from_document(genotype_to_document(other))


def test_each_cell_is_held_against_its_own_part_of_the_space(document: Document) -> None:
    ops = {edge["op"] for edge in document["cells"]["normal"]["edges"]}
    unused = tuple(op for op in GENOME_NAS.normal.ops if op not in ops)
    document["cells"]["reduce"] = document["cells"]["normal"]
    narrow = dataclasses.replace(GENOME_NAS.normal, ops=unused)
    for role, space in (
        ("normal", dataclasses.replace(GENOME_NAS, normal=narrow)),
        ("reduce", dataclasses.replace(GENOME_NAS, reduce=narrow)),
    ):
        with pytest.raises(DataError, match="unknown op") as caught:
            genotype_from_document(document, space=space)
        faults = str(caught.value).splitlines()[1:]
        assert [fault.split(":")[0] for fault in faults] == [f"  - cells.{role}"] * 8 + ["  - digest"]


def test_a_space_without_a_name_is_refused_even_where_another_is_given(document: Document) -> None:
    document["space"] = "a\nb"
    with pytest.raises(DataError, match=r"^genotype: space: 'a.nb' is no name; it has 1 to 64 printable"):
        genotype_from_document(document, space=GENOME_NAS)
