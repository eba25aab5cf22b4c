"""Genotypes of earlier runs, best first, and which data are like which."""

from pathlib import Path

import numpy as np
import pytest

from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, SearchSpace
from genotools.search import search
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
    tmp_path: Path,
) -> None:
    folders = [tmp_path / name for name in ("near", "far", "nothing")]
    for folder, length in zip(folders, (64, 200, None), strict=True):
        folder.mkdir()
        if length is not None:
            with SequenceStore.open(store_of(tmp_path / f"{folder.name}.h5", length=length)) as store:
                write_descriptors(folder / DESCRIPTORS, store)
    own = described(store_of(tmp_path / "own.h5"))
    nearest, how_far = most_similar(own, folders)
    assert nearest == tmp_path / "near"
    assert 0 < how_far < 0.5
    with pytest.raises(DataError, match=r"no run with a data.json among nothing"):
        most_similar(own, folders[2:])
    (tmp_path / "near" / DESCRIPTORS).write_text('{"format": "genotools/data-descriptors", "version": 1}')
    with pytest.raises(DataError, match=r"(?s)not the description of a data set.*kmers: Field required"):
        most_similar(own, folders)
