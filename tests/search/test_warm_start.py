"""Genotypes of earlier runs, best first, and which data are like which."""

import itertools
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genotools.data.encoding import decode, reverse_complement
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.files import write_json
from genotools.formats import SEARCH
from genotools.genotype import GENOME_NAS, SearchSpace
from genotools.genotype.documents import genotype_to_document
from genotools.search import search
from genotools.search.journal import Journal
from genotools.search.warm_start import (
    DESCRIPTORS,
    descriptors,
    distance,
    genotypes_of_run,
    most_similar,
    write_descriptors,
)
from genotools.testing.faults import FaultyEvaluator


def store_of(
    path: Path, *, length: int = 60, shares: tuple[float, ...] = (0.25,) * 4, rate: float = 0.3
) -> Path:
    rng = np.random.default_rng(0)
    codes = rng.choice(4, size=(300, length), p=shares).astype(np.uint8)
    labels = (rng.random((300, 3)) < rate).astype(np.uint8)
    splits = np.repeat([0, 1], [250, 50])
    write_store(path, codes=codes, labels=labels, names=("a", "b", "c"), splits=splits, provenance={})
    return path


def described(path: Path) -> dict[str, object]:
    with SequenceStore.open(path) as store:
        return descriptors(store)


def test_a_sampling_run_gives_its_best_first(tmp_path: Path) -> None:
    result = search("random", GENOME_NAS, FaultyEvaluator(fails={2}), tmp_path / "run", seed=0, n_trials=8)
    expected = sorted(
        (trial for trial in result.trials if trial.score is not None), key=lambda trial: -(trial.score or 0)
    )
    found, n_outside = genotypes_of_run(tmp_path / "run", 4, GENOME_NAS)
    assert [genotype.digest for genotype in found] == [trial.genotype.digest for trial in expected[:4]]
    assert n_outside == 0


def test_genotypes_of_another_space_are_left_out_and_counted(
    tmp_path: Path, small_space: SearchSpace
) -> None:
    rng = np.random.default_rng(0)
    for number in range(3):
        GENOME_NAS.sample(rng=rng).save(tmp_path / f"{number}.json")
    assert genotypes_of_run(tmp_path, 10, small_space) == ([], 3)
    assert len(genotypes_of_run(tmp_path, 10, GENOME_NAS)[0]) == 3
    assert len(genotypes_of_run(tmp_path / "1.json", 10, GENOME_NAS)[0]) == 1


def test_a_run_in_a_space_of_ones_own_needs_no_registration(tmp_path: Path, small_space: SearchSpace) -> None:
    search("random", small_space, FaultyEvaluator(), tmp_path / "run", seed=0, n_trials=4)
    assert len(genotypes_of_run(tmp_path / "run", 10, small_space)[0]) == 4
    best = tmp_path / "run" / "best.genotype.json"
    assert len(genotypes_of_run(best, 10, small_space)[0]) == 1
    assert genotypes_of_run(tmp_path / "run", 10, GENOME_NAS) == ([], 4)


def test_the_answer_of_a_search_comes_first_even_where_its_score_is_not_the_highest(tmp_path: Path) -> None:
    result = search("random", GENOME_NAS, FaultyEvaluator(), tmp_path / "run", seed=0, n_trials=5)
    worst = min(result.trials, key=lambda trial: trial.score or 0)
    assert worst.genotype != result.best.genotype
    worst.genotype.save(result.best_path, force=True)
    found, _ = genotypes_of_run(tmp_path / "run", 10, GENOME_NAS)
    assert found[:2] == [worst.genotype, result.best.genotype]
    assert len(found) == 5


def test_trials_of_larger_budgets_come_before_better_ones_of_smaller(tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = search("random", GENOME_NAS, FaultyEvaluator(), run, seed=0, n_trials=3)
    result.best_path.unlink()
    budgets = {trial.number: number for number, trial in enumerate(result.trials, start=1)}
    rewrite(run, lambda event: event | {"budget_epochs": budgets[event["trial"]]})
    found, _ = genotypes_of_run(run, 10, GENOME_NAS)
    assert found == [trial.genotype for trial in reversed(result.trials)]


def test_journals_of_version_1_are_read(tmp_path: Path) -> None:
    run = tmp_path / "run"
    search("random", GENOME_NAS, FaultyEvaluator(fails={1}), run, seed=0, n_trials=5)
    expected = genotypes_of_run(run, 10, GENOME_NAS)
    later = ("scores", "budget_epochs", "continues", "origin")

    def as_version_1(event: dict[str, Any]) -> dict[str, Any]:
        score = event["scores"] and event["scores"][0]
        return {name: value for name, value in event.items() if name not in later} | {"score": score}

    rewrite(run, as_version_1)
    assert genotypes_of_run(run, 10, GENOME_NAS) == expected
    assert len(expected[0]) == 4


def test_a_search_that_was_stopped_before_its_first_trial_has_nothing_to_give(tmp_path: Path) -> None:
    write_json(tmp_path / "config.json", SEARCH.header)
    (tmp_path / "journal.jsonl").touch()
    assert genotypes_of_run(tmp_path, 10, GENOME_NAS) == ([], 0)


def test_a_one_shot_run_gives_its_choice_and_then_the_latest_candidates(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    drawn = [GENOME_NAS.sample(rng=rng) for _ in range(3)]
    journal = Journal(tmp_path / "journal.jsonl")
    for epoch, genotype in enumerate([drawn[0], drawn[1], drawn[0], drawn[2]]):
        values = {"stage": 0, "epoch": epoch, "selection": "argmax", "max_skips": None}
        values |= {"is_choice": epoch == 3, "genotype": genotype_to_document(genotype)}
        journal.append("candidate" if epoch == 3 else "epoch", values)
    found, n_outside = genotypes_of_run(tmp_path, 10, GENOME_NAS)
    assert (found, n_outside) == ([drawn[2], drawn[0], drawn[1]], 0)


def test_a_damaged_trial_is_named(tmp_path: Path) -> None:
    run = tmp_path / "run"
    search("random", GENOME_NAS, FaultyEvaluator(), run, seed=0, n_trials=2)
    rewrite(run, lambda event: {name: value for name, value in event.items() if name != "genotype"})
    with pytest.raises(DataError, match=r"journal.jsonl: a trial is incomplete: KeyError\('genotype'\)"):
        genotypes_of_run(run, 3, GENOME_NAS)


def rewrite(run: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write the journal of a run with every event changed."""
    path = run / "journal.jsonl"
    events = [change(json.loads(line)) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))


def test_a_folder_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither a search, nor a genotype file"):
        genotypes_of_run(tmp_path, 3, GENOME_NAS)


def test_a_spectrum_counts_both_strands(tmp_path: Path) -> None:
    codes = np.zeros((10, 8), dtype=np.uint8)  # AAAAAAAA, and so TTTTTTTT
    labels = np.tile([1, 0], 5).astype(np.uint8)[:, None]
    write_store(
        tmp_path / "a.h5",
        codes=codes,
        labels=labels,
        names=("x",),
        splits=np.zeros(10, np.int64),
        provenance={},
    )
    found = described(tmp_path / "a.h5")
    kmers = found["kmers"]
    assert isinstance(kmers, list)
    assert (kmers[0], kmers[-1], sum(kmers)) == (0.5, 0.5, 1.0)
    assert (found["gc"], found["label_rates"]) == (0.0, [0.5, 0.5, 0.5])


def test_a_spectrum_is_that_of_counting_words(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 5, size=(20, 30)).astype(np.uint8)  # a fifth of the bases is unknown
    labels = np.tile([1, 0], 10).astype(np.uint8)[:, None]
    splits = np.zeros(20, np.int64)
    write_store(tmp_path / "a.h5", codes=codes, labels=labels, names=("x",), splits=splits, provenance={})
    counts = dict.fromkeys(map("".join, itertools.product("ACGT", repeat=4)), 0)
    for row in codes:
        for text in (decode(row), decode(reverse_complement(row))):
            for start in range(len(text) - 3):
                if "N" not in text[start : start + 4]:
                    counts[text[start : start + 4]] += 1
    expected = np.array(list(counts.values())) / sum(counts.values())
    assert described(tmp_path / "a.h5")["kmers"] == pytest.approx(expected, abs=1e-8)


def test_windows_shorter_than_a_word_can_be_described(tmp_path: Path) -> None:
    assert described(store_of(tmp_path / "a.h5", length=2))["kmers"] == [1 / 256] * 256


def test_of_long_windows_fewer_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store_of(tmp_path / "a.h5")
    whole = described(path)
    monkeypatch.setattr("genotools.search.warm_start.MAX_BASES", 60)  # one window
    one = described(path)
    kmers = np.array(one["kmers"])
    assert round(1 / kmers[kmers > 0].min()) == 114  # 57 words of 4 in 60 bp, on both strands
    assert one["label_rates"] == whole["label_rates"]


def test_the_distance_of_spectra_is_three_times_the_root_of_their_divergence(tmp_path: Path) -> None:
    base = described(store_of(tmp_path / "a.h5"))
    one, other = ([1.0, *[0.0] * 255], [0.0, 1.0, *[0.0] * 254])
    assert distance(base | {"kmers": one}, base | {"kmers": other}) == pytest.approx(3)  # disjoint: 1 bit
    half = [0.5, 0.5, *[0.0] * 254]
    expected = 3 * math.sqrt(0.5 * math.log2(4 / 3) + 0.5 * (0.5 * math.log2(2 / 3) + 0.5))
    assert distance(base | {"kmers": one}, base | {"kmers": half}) == pytest.approx(expected)
    assert distance(base, base | {"length_bp": 600}) == pytest.approx(1)  # a factor of ten


def test_a_distance_is_none_to_itself_symmetric_and_grows_with_every_difference(tmp_path: Path) -> None:
    base = described(store_of(tmp_path / "base.h5"))
    assert distance(base, base) == 0
    others = {
        "length": described(store_of(tmp_path / "length.h5", length=120)),
        "bases": described(store_of(tmp_path / "bases.h5", shares=(0.4, 0.1, 0.1, 0.4))),
        "labels": described(store_of(tmp_path / "labels.h5", rate=0.03)),
    }
    for other in others.values():
        assert distance(base, other) == distance(other, base) > 0.2
    slightly = described(store_of(tmp_path / "slightly.h5", shares=(0.3, 0.2, 0.2, 0.3)))
    assert distance(base, slightly) < distance(base, others["bases"])


def test_the_most_similar_run_is_found_and_others_without_a_description_are_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [tmp_path / name for name in ("near", "far", "nothing")]
    for folder, length in zip(folders, (64, 200, None), strict=True):
        folder.mkdir()
        if length is not None:
            with SequenceStore.open(store_of(tmp_path / f"{folder.name}.h5", length=length)) as store:
                write_descriptors(folder / DESCRIPTORS, store)
    own = described(store_of(tmp_path / "own.h5"))
    with caplog.at_level(logging.INFO, logger="genotools"):
        nearest, how_far = most_similar(own, folders)
    assert caplog.messages == [f"{tmp_path / 'nothing'}: no data.json in it, passed over."]
    assert nearest == tmp_path / "near"
    assert 0 < how_far < 0.5
    with pytest.raises(DataError, match=r"no run with a data.json among nothing"):
        most_similar(own, folders[2:])
    (tmp_path / "near" / DESCRIPTORS).write_text('{"format": "genotools/data-descriptors", "version": 1}')
    with pytest.raises(DataError, match=r"(?s)not the description of a data set.*kmers: Field required"):
        most_similar(own, folders)
