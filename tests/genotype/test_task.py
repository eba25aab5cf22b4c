"""Tasks: names for every output, and documents that come back."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.genotype import Task, TaskKind


def test_outputs_are_named_by_number_unless_names_are_given() -> None:
    assert Task(3).names == ("output_0", "output_1", "output_2")
    assert Task(2, names=["a", "b"]).names == ("a", "b")
    assert Task(1).kind is TaskKind.MULTILABEL
    assert Task(1, TaskKind("counts")).kind is TaskKind.COUNTS


def test_numbers_that_do_not_fit_are_refused() -> None:
    for n_outputs in (0, 1_000_001):
        with pytest.raises(DataError, match=f"task: {n_outputs} outputs, from 1 to 1,000,000 are possible"):
            Task(n_outputs)
    assert Task(1_000_000).names[-1] == "output_999999"
    with pytest.raises(DataError, match="task: 1 names for 2 outputs"):
        Task(2, names=["a"])


@given(
    st.lists(st.text(max_size=5), min_size=1, max_size=5),
    st.sampled_from(TaskKind),
    st.booleans(),
    st.booleans(),
)
def test_a_task_comes_back_from_its_document(
    names: list[str], kind: TaskKind, per_position: bool, one_strand: bool
) -> None:
    task = Task(len(names), kind, names=names, per_position=per_position, one_strand=one_strand)
    document = task.to_document()
    assert Task.from_document(json.loads(json.dumps(document))) == task
    assert ("one_strand" in document) is one_strand


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "ranking"}, "kind: Input should be 'multilabel'"),
        ({"n_outputs": 0}, "n_outputs: Input should be greater"),
        ({"n_outputs": "2"}, "n_outputs: Input should be a valid integer"),
        ({"names": ["a", 1]}, r"names\.1: Input should be a valid string"),
        ({"names": ["a"]}, "task: 1 names for 2 outputs"),
        ({"colour": "red"}, "colour: Extra inputs"),
    ],
)
def test_each_fault_of_a_document_is_named(change: dict[str, object], message: str) -> None:
    document = {**Task(2, names=["a", "b"]).to_document(), **change}
    with pytest.raises(DataError, match=f"^here: {message}"):
        Task.from_document(document, where="here")
    with pytest.raises(DataError, match=f"^task: {message}"):
        Task.from_document(document)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(DataError, match=r"^here: document: Input should be a valid dictionary"):
        Task.from_document([], where="here")
