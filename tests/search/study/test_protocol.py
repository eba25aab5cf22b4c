"""Protocols: what is read, what is refused and how, and the tasks that follow."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genotools.errors import DataError
from genotools.genotype.baselines import BASELINE_NAMES
from genotools.search.one_shot_engines import ONE_SHOT_ENGINES
from genotools.search.registry import ENGINES
from genotools.search.study.protocol import (
    Protocol,
    genotype_name,
    load_protocol,
    protocol_from_document,
    protocol_names,
)
from genotools.search.study.tasks import Phase, plan_tasks

HEAD: dict[str, Any] = {"format": "genotools/study", "version": 1}


def protocol(**keys: Any) -> Protocol:
    return protocol_from_document({**HEAD, **keys}, where="p.toml")


def test_shipped_protocols_are_found_by_name() -> None:
    assert protocol_names() == ["demo", "paper", "yeast-small"]
    for name in protocol_names():
        assert load_protocol(name).entrants()


def test_the_small_study_has_every_engine_and_baseline() -> None:
    small = load_protocol("yeast-small")
    assert set(small.engines) == {*ENGINES, *ONE_SHOT_ENGINES}
    assert set(small.baselines) == set(BASELINE_NAMES)
    assert min(small.searches, small.evaluations) >= 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.toml: format: 'genotools/study' is expected, found nothing"),
        ('format = "genotools/study"\nversion = 2\n', "version: 2 is newer than this genotools reads"),
        ("searches = [1\nx", r"p.toml: not TOML: .*line 4"),
        ("kmer = true\nserches = 3", "'serches': no such key"),
        ("kmer = true\nsearches = 0", "searches: Input should be greater than or equal to 1"),
        ("kmer = true\nsearches = true", "searches: Input should be a valid integer"),
        ("searches = 3", "no entrant: give engines, baselines, genotypes or kmer"),
        ('baselines = ["deepsee"]', "baselines: 'deepsee' is not one of deepsea, danq"),
        ('baselines = ["danq", "danq"]', "danq: two entrants of one name"),
        ("[engines.random]\nepoch = 3", r"'engines.random.epoch': no such key"),
        ("[engines.random]\ntrials = 2.5", r"engines.random.trials: Input should be a valid integer"),
        ('[engines."../x"]', r"engines.../x.*pattern"),
        ("kmer = true\n[own_training.danq]", "own_training.danq: no entrant of that name"),
        ("kmer = true\n[seconds]\nnetwork = 0", "seconds.network: Input should be greater than 0"),
        ("kmer = true\n[training]\nlr = nan", "training.lr"),
        ("seed = " + "9" * 5000, "not TOML: Exceeds the limit"),
        ("kmer = true\nsearches = 1000000000", "searches: Input should be less than or equal to 10000"),
    ],
)
def test_faults_name_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    head = 'format = "genotools/study"\nversion = 1\n' if text and not text.startswith("format") else ""
    (tmp_path / "p.toml").write_text(head + text)
    with pytest.raises(DataError, match=message) as found:
        load_protocol(str(tmp_path / "p.toml"))
    assert "p.toml" in str(found.value)


def test_an_unknown_name_and_a_missing_file_are_told() -> None:
    with pytest.raises(DataError, match=r"no protocol 'papers'. Known: demo, paper, yeast-small, or a .toml"):
        load_protocol("papers")
    with pytest.raises(DataError, match=r"missing.toml: No such file"):
        load_protocol("missing.toml")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ),
    st.sampled_from(sorted(Protocol.model_fields)),
)
def test_any_value_of_a_key_is_read_or_refused_in_words(value: Any, key: str) -> None:
    try:
        found = protocol(**{"kmer": True, key: value}).entrants()
    except DataError as error:
        found = [str(error)]
    assert found
    assert found[0].startswith("p.toml: ") or found[-1] == "kmer-6" or key == "kmer"


ENGINE_NAMES = st.lists(st.sampled_from(sorted([*ENGINES, *ONE_SHOT_ENGINES])), unique=True, max_size=4)


@given(
    ENGINE_NAMES, st.lists(st.sampled_from(BASELINE_NAMES), unique=True), st.integers(1, 4), st.integers(1, 4)
)
def test_the_plan_has_every_task_once_after_what_it_waits_for(
    engines: list[str], baselines: list[str], searches: int, evaluations: int
) -> None:
    made = protocol(
        engines={name: {} for name in engines},
        baselines=baselines,
        kmer=True,
        searches=searches,
        evaluations=evaluations,
    )
    tasks = plan_tasks(made)
    n = len(engines)
    assert len(tasks) == 2 * n * searches + (n + len(baselines)) * evaluations + 1
    seen: set[str] = set()
    for task in tasks:
        assert task.name not in seen
        assert seen.issuperset(task.waits_for)
        seen.add(task.name)
        n_before = {Phase.SEARCH: 0, Phase.SELECTION: 1, Phase.EVALUATION: searches}[task.phase]
        assert len(task.waits_for) == (n_before if task.entrant in engines else 0)
    assert len({task.seed for task in tasks}) == len(tasks)


def test_another_engine_changes_nobodys_seeds() -> None:
    few = {task.name: task.seed for task in plan_tasks(protocol(engines={"random": {}}))}
    more = {task.name: task.seed for task in plan_tasks(protocol(engines={"darts": {}, "random": {}}))}
    assert few.items() <= more.items()
    other = {task.name: task.seed for task in plan_tasks(protocol(engines={"random": {}}, seed=1))}
    assert not few.items() & other.items()


def test_plans_of_one_entrant_come_before_those_of_all() -> None:
    made = protocol(
        search={"steps": 5, "batch_size": 8},
        engines={"darts": {"steps": 7}, "second": {"engine": "darts", "order": "second"}},
        training={"epochs": 9, "lr": 0.1},
        selection={"epochs": 2},
        own_training={"darts": {"lr": 0.3}},
    )
    assert (made.engine_plan("darts").steps, made.engine_plan("darts").batch_size) == (7, 8)
    assert (made.engine_plan("second").engine, made.engine_plan("second").steps) == ("darts", 5)
    plan = made.training_plan("darts", is_selection=True)
    assert (plan.epochs, plan.lr) == (2, 0.3)
    assert made.training_plan("second", is_selection=False).lr == 0.1


@given(st.text(min_size=1, max_size=30))
def test_names_of_genotypes_are_names_of_folders(text: str) -> None:
    assert "/" not in genotype_name(text)
    assert genotype_name(text)
    assert genotype_name("some/Best.genotype.json") == "best"
    assert genotype_name(text) not in (".", "..")
    assert [genotype_name(dots) for dots in (".", "..", "a/..", "...json")] == ["genotype"] * 4
