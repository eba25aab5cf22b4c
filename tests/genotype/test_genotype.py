"""Genotypes as values: equal by form, unchangeable, with notes that do not count."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import genotools
from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCell, Genotype, RecurrentCell
from genotools.testing.strategies import genotypes

Shuffle = Callable[[Genotype, np.random.Generator], Genotype]


@given(genotypes(), genotypes(), st.integers(0, 2**32))
def test_equality_digest_and_hash_agree(first: Genotype, second: Genotype, seed: int) -> None:
    for other in (second, first.canonical(), first.with_meta(seed=seed)):
        assert (first == other) == (first.digest == other.digest)
        if first == other:
            assert hash(first) == hash(other)
    assert first == first.canonical()
    assert first != first.digest
    assert len({first, first.canonical(), first.with_meta(seed=seed)}) == 1


def test_different_genotypes_have_different_hashes() -> None:
    rng = np.random.default_rng(0)
    assert len({hash(GENOME_NAS.sample(rng=rng)) for _ in range(100)}) == 100


@given(genotypes())
def test_canonical_form_is_idempotent_and_keeps_space_and_notes(genotype: Genotype) -> None:
    canonical = genotype.canonical()
    assert canonical.canonical().to_json() == canonical.to_json()
    assert canonical.digest == genotype.digest
    assert (canonical.space, canonical.meta) == (genotype.space, genotype.meta)


def test_shuffled_genotypes_are_equal(shuffled: Shuffle) -> None:
    rng = np.random.default_rng(0)
    genotype = GENOME_NAS.sample(rng=rng)
    others = [shuffled(genotype, rng) for _ in range(50)]
    assert len({genotype, *others}) == 1
    assert len({other.normal.edges for other in others}) > 40


def test_genotypes_cannot_be_changed() -> None:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(0)).with_meta(notes=["a"], run={"seed": 1})
    for name in ("normal", "reduce", "recurrent", "space", "digest", "meta", "colour"):
        with pytest.raises(AttributeError):
            setattr(genotype, name, None)
    with pytest.raises(TypeError, match="does not support item assignment"):
        genotype.meta["notes"] = 1  # type: ignore[index]
    run = genotype.meta["run"]
    assert isinstance(run, dict)
    run["seed"] = 2
    assert genotype.meta["run"] == {"seed": 1}


def test_notes_are_copied_when_given() -> None:
    notes = {"list": [1]}
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(0)).with_meta(**notes)
    notes["list"].append(2)
    assert genotype.meta == {"list": [1]}
    assert genotype.with_meta(more=True).meta == {"list": [1], "more": True}


def test_genotypes_can_be_copied_and_sent_to_other_processes() -> None:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(0)).with_meta(a={"b": 1})
    assert genotype.normal.graph is not None
    for other in (copy.copy(genotype), copy.deepcopy(genotype), pickle.loads(pickle.dumps(genotype))):  # noqa: S301
        assert other.to_json() == genotype.to_json()


def test_cells_of_the_wrong_kind_are_refused() -> None:
    pair, state = ConvCell([(0, 2, "skip_connect"), (1, 2, "skip_connect")]), RecurrentCell([(0, "tanh")])
    with pytest.raises(TypeError, match=r"^recurrent must be a RecurrentCell, not ConvCell"):
        Genotype(pair, pair, pair)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^reduce must be a ConvCell, not RecurrentCell"):
        Genotype(pair, state, state)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^normal must be a ConvCell, not RecurrentCell"):
        Genotype(state, pair, state)  # type: ignore[arg-type]


def test_the_name_of_a_space_has_1_to_64_printable_characters() -> None:
    cells = (ConvCell([(0, 2, "skip_connect")]), ConvCell([(0, 2, "conv_15")]), RecurrentCell([(0, "tanh")]))
    for name in ("x", "é" * 64):
        genotype = Genotype(*cells, space=name)
        assert {one.space for one in (genotype, genotype.canonical(), genotype.with_meta(a=1))} == {name}
    for name, shown in (("", ""), ("x" * 65, "x" * 60), ("a\nb", r"a\\nb"), ("\x1b[2J", r"\\x1b\[2J")):
        with pytest.raises(
            DataError, match=rf"^space: '{shown}' is no name; it has 1 to 64 printable characters"
        ):
            Genotype(*cells, space=name)


def test_circular_and_bottomless_notes_are_refused() -> None:
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(0))
    circle: list[object] = []
    circle.append(circle)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    for bad in (circle, deep):
        with pytest.raises(DataError, match="meta"):
            genotype.with_meta(bad=bad)


def test_the_everyday_names_are_at_the_top() -> None:
    assert genotools.Genotype is Genotype
    assert genotools.GENOME_NAS is GENOME_NAS
    assert "Genotype" in dir(genotools)
    for module, name in ((genotools, "genotools"), (genotools.genotype, "genotools.genotype")):
        with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nonsense'"):
            _ = module.nonsense
