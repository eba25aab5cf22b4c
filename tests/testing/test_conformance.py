"""Does the contract catch what breaks it? Random search, made wrong in one way each."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest

from genotools.errors import DataError
from genotools.genotype import GENOME_NAS, ConvCellSpace, Genotype, RecurrentCellSpace, SearchSpace
from genotools.search import ENGINES, EnginePreset, Proposal, Round, Source, Trial
from genotools.search.engine import Engine
from genotools.search.random_search import RandomSearch
from genotools.testing.conformance import check_engine, check_reproducible, transcript
from genotools.testing.landscape import Landscape

LANDSCAPE = Landscape(GENOME_NAS, seed=0)
FOREIGN = SearchSpace(
    name="genome-nas",
    normal=ConvCellSpace(3, 2, GENOME_NAS.normal.ops),
    reduce=GENOME_NAS.reduce,
    recurrent=RecurrentCellSpace(8, GENOME_NAS.recurrent.activations),
)


class Small(RandomSearch):
    """As it should be, four trials a round."""

    def __init__(self, source: Source, *, round_size: int = 4) -> None:
        super().__init__(source, round_size=round_size)
        self.told: list[Trial] = []

    def tell(self, trials: Sequence[Trial]) -> None:
        self.told += trials


def asked(engine: RandomSearch, **changes: Any) -> Round:
    """Return the engine's round with every proposal changed."""
    return Round(
        proposals=tuple(replace(proposal, **changes) for proposal in RandomSearch.ask(engine).proposals)
    )


class WithoutQuick(Small):
    presets: ClassVar[Mapping[str, EnginePreset]] = {"paper": EnginePreset()}


class PresetOfAnother(Small):
    presets: ClassVar[Mapping[str, EnginePreset]] = {
        "paper": EnginePreset(settings={"population": 100}),
        "quick": EnginePreset(),
    }


class OtherSpace(Small):
    def ask(self) -> Round:
        return asked(self, genotype=FOREIGN.sample(rng=self._source.rng))


class PastTheSource(Small):
    """Draws from the space itself: neither constraints nor warm starts reach it."""

    def ask(self) -> Round:
        drawn = (GENOME_NAS.sample(rng=self._source.rng) for _ in range(4))
        return Round(proposals=tuple(Proposal(genotype=genotype) for genotype in drawn))


class LateWarmStart(Small):
    """Gives out the warm starts, but something else before them."""

    def ask(self) -> Round:
        return Round(proposals=super().ask().proposals[::-1])


class Repeating(Small):
    def ask(self) -> Round:
        again = tuple(Proposal(genotype=trial.genotype) for trial in self.told[:1])
        return Round(proposals=super().ask().proposals + again)


class ContinuingTooLate(Small):
    """Goes on with a trial of which it never said that it would."""

    def ask(self) -> Round:
        more = tuple(
            Proposal(genotype=trial.genotype, continues=trial.number, budget_epochs=len(self.told))
            for trial in self.told[:1]
        )
        return Round(proposals=asked(self, budget_epochs=1).proposals + more)


class ContinuingAnother(ContinuingTooLate):
    def ask(self) -> Round:
        more = tuple(
            Proposal(genotype=self._source.sample(), continues=trial.number) for trial in self.told[:1]
        )
        return Round(proposals=asked(self).proposals + more)

    def continuable(self) -> set[int]:
        return {trial.number for trial in self.told}


class OwnRandomness(Small):
    shared: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def ask(self) -> Round:
        return asked(self, origin={"luck": int(self.shared.integers(1 << 40))})


class Forgetful(Small):
    """Depends on how often it was told, and does not keep that."""

    def ask(self) -> Round:
        return asked(self, origin={"told": len(self.told)})


class HalfLoaded(Small):
    """Keeps everything and loads less."""

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "n_told": len(self.told)}


class StateOfGenotypes(Small):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "told": [trial.genotype for trial in self.told]}


class StateWithNumbersForKeys(Small):
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "told": {trial.number: trial.score for trial in self.told}}


class ChangedByItsState(Small):
    def state_dict(self) -> dict[str, Any]:
        self._source.rng.random()
        return super().state_dict()


class TrustingInScores(Small):
    def tell(self, trials: Sequence[Trial]) -> None:
        self.best = max(trial.scores for trial in trials if trial.scores is not None)


class ChoosingWhatFailed(Small):
    def choice(self) -> int | None:
        failed = [trial.number for trial in self.told if trial.scores is None]
        return failed[0] if failed else None


class Endless(Small):
    """Never ends: it asks for the last one again, with a larger budget."""

    def ask(self) -> Round:
        found = asked(self, budget_epochs=1).proposals
        last = [trial for trial in self.told if trial.genotype == self.told[-1].genotype]
        return Round(
            proposals=found
            or (Proposal(genotype=last[0].genotype, budget_epochs=1 + (last[-1].budget_epochs or 0)),)
        )


class OwnPaths(Small):
    shared: ClassVar[np.random.Generator] = np.random.default_rng(0)

    def ask(self) -> Round:
        return replace(asked(self), paths=(GENOME_NAS.sample(rng=self.shared),))


class ForeignPaths(Small):
    def ask(self) -> Round:
        return replace(asked(self), paths=(FOREIGN.sample(rng=self._source.rng),))


class OriginOfObjects(Small):
    def ask(self) -> Round:
        return asked(self, origin={"parents": (1, 2)})


@pytest.fixture(autouse=True)
def registered(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engine under test be the one of its name."""
    values = getattr(getattr(request.node, "callspec", None), "params", {})
    monkeypatch.setitem(ENGINES, "random", values.get("engine", Small))
    monkeypatch.setattr("genotools.testing.conformance.MAX_ROUNDS", 40)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (WithoutQuick, "engine 'random' has no preset 'quick'. Known: paper"),
        (PresetOfAnother, "no setting 'population'. Known: round_size"),
        (
            OtherSpace,
            "round 1, trial 0, genotype [0-9a-f]{12}: not of space 'genome-nas': cells.normal: 3 int",
        ),
        (PastTheSource, "genotype [0-9a-f]{12}: the constraints refuse this genotype"),
        (LateWarmStart, "the first trials are .*, they must be the warm starts"),
        (Repeating, "round 2, trial 8, .*: proposed before with a budget of None epochs, now of None"),
        (ContinuingTooLate, r"round 2, trial 8, .*: continues trial 0, which was not continuable\(\) after"),
        (ContinuingAnother, "continues trial 0, which is of genotype"),
        (OwnRandomness, "two runs with the same seed, round 1, proposal 0: .*'luck'"),
        (OwnPaths, "two runs with the same seed, round 1, proposal 4"),
        (ForeignPaths, "round 1, a path, genotype [0-9a-f]{12}: not of space 'genome-nas'"),
        (Forgetful, "went through its state after every round, round 2, proposal 0: .*'told': 4"),
        (HalfLoaded, "after round 1: the state of an engine that was given one is another one"),
        (
            StateOfGenotypes,
            "after round 1: the state of the engine is not JSON values: Object of type Genotype",
        ),
        (StateWithNumbersForKeys, r"holds what JSON turns into something else, in \['told'\]"),
        (ChangedByItsState, "two runs with the same seed, round 2, proposal 0"),
        (ChoosingWhatFailed, "after round 1: it chooses trial 0, which did not finish"),
        (Endless, "40 rounds in a space of 32 genotypes: it must end with a round without proposals"),
        (OriginOfObjects, r"its origin \{'parents': \(1, 2\)\} is not JSON values"),
    ],
)
def test_what_breaks_the_contract_is_named(engine: type[Engine], message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        check_engine(engine, LANDSCAPE, n_rounds=3)


def test_what_an_engine_raises_when_trials_fail_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "random", TrustingInScores)
    with pytest.raises(ValueError, match=r"max.* empty"):
        check_engine(TrustingInScores, LANDSCAPE, n_rounds=3)


def test_an_engine_that_does_not_listen_to_its_seed_is_named() -> None:
    def seedless(source: Source) -> Small:
        del source
        return Small(Source(GENOME_NAS, rng=np.random.default_rng(0)))

    with pytest.raises(AssertionError, match="another seed asks for the same"):
        check_reproducible(seedless, LANDSCAPE, GENOME_NAS, 2)


def test_a_name_that_means_another_class_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "random", RandomSearch)
    with pytest.raises(AssertionError, match="'random' is registered for another class"):
        check_engine(Small, LANDSCAPE)


def test_a_space_of_few_genotypes_is_refused() -> None:
    cells = ConvCellSpace(1, 2, ("max_pool_5",))
    space = SearchSpace(name="one", normal=cells, reduce=cells, recurrent=RecurrentCellSpace(1, ("tanh",)))
    with pytest.raises(DataError, match="space 'one' is too small to check an engine on"):
        check_engine(Small, LANDSCAPE, space=space)


def test_an_engine_that_keeps_to_it_passes() -> None:
    check_engine(Small, LANDSCAPE)


def test_several_objectives_are_told_in_order() -> None:
    engines: list[Small] = []

    def make(source: Source) -> Small:
        engines.append(Small(source))
        return engines[-1]

    def score(genotype: Genotype) -> tuple[float, float]:
        return LANDSCAPE(genotype), -float(len(genotype.digest))

    transcript(make, score, n_rounds=1)
    assert [trial.scores for trial in engines[0].told] == [
        (LANDSCAPE(trial.genotype), -64.0) for trial in engines[0].told
    ]


def test_a_transcript_names_every_trial() -> None:
    source = Source(GENOME_NAS, rng=np.random.default_rng(5))
    expected = [[genotype.digest for genotype in source.samples(4)] for _ in range(3)]
    found = transcript(Small, LANDSCAPE, seed=5, n_rounds=3)
    assert [[trial["digest"] for trial in one] for one in found] == expected
    first = found[0][0]
    genotype = GENOME_NAS.sample(rng=np.random.default_rng(5))
    assert first["cells"][0] == [list(edge) for edge in genotype.normal.edges]
    assert (first["budget_epochs"], first["continues"], first["origin"]) == (None, None, {})
