"""Every engine keeps the contract: the sampling ones by one suite, the one-shot ones by what they share with it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from genotools.data.store import SequenceStore
from genotools.files import write_json, write_text
from genotools.genotype import GENOME_NAS, Macro, SearchSpace
from genotools.search import Source, make_engine
from genotools.search.engine import Engine
from genotools.search.one_shot import Candidate, SearchInterrupted
from genotools.search.one_shot_engines import ONE_SHOT_ENGINES, get_one_shot_settings
from genotools.search.one_shot_run import read_candidates, search_one_shot
from genotools.search.registry import ENGINES
from genotools.testing.conformance import check_engine
from genotools.testing.landscape import Landscape

SmallEngines = dict[str, dict[str, Any]]

LANDSCAPE = Landscape(GENOME_NAS, seed=0)


def both(genotype: Any) -> tuple[float, ...]:
    """Two objectives; engines of one follow the first."""
    metrics = LANDSCAPE.metrics(genotype)
    return metrics["valid_auprc"], -metrics["params"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_a_sampling_engine_keeps_the_contract(name: str, small_engines: SmallEngines) -> None:
    def make(source: Source) -> Engine:
        return make_engine(name, source, small_engines[name])

    check_engine(make, both)


TRANSCRIPTS = """
import json, sys
from genotools.genotype import GENOME_NAS
from genotools.search import make_engine
from genotools.testing.conformance import transcript
from genotools.testing.landscape import Landscape

landscape = Landscape(GENOME_NAS, seed=0)
for name, settings in json.loads(sys.argv[1]).items():
    found = transcript(lambda source: make_engine(name, source, settings), landscape, n_rounds=5)
    print(name, json.dumps(found))
"""


def test_every_sampling_engine_asks_the_same_in_two_processes(small_engines: SmallEngines) -> None:
    def run(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", TRANSCRIPTS, json.dumps(small_engines)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first, second = run("1"), run("2")
    assert first == second
    assert [line.split()[0] for line in first.splitlines()] == list(ENGINES)


ONE_SHOT = """
import sys
from pathlib import Path
import torch
from genotools.data.store import SequenceStore
from genotools.files import read_json
from genotools.genotype import Macro, SearchSpace
from genotools.search import one_shot_run
from genotools.search.one_shot_engines import get_one_shot_settings

torch.set_num_threads(1)
one_shot_run.draw_alphas = lambda *_, **__: None  # takes longer than the search
folder = Path(sys.argv[1])
space = SearchSpace.load(folder / "space.json")
with SequenceStore.open(sys.argv[2]) as store:
    macro = Macro.from_document(read_json(folder / "macro.json"), where="macro")
    for name in sys.argv[3:]:
        settings = get_one_shot_settings(name, "quick").changed(epochs=1, steps_per_epoch=2, batch_size=4)
        one_shot_run.search_one_shot(name, space, store, folder / name, macro=macro, settings=settings, seed=4)
"""


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, store_path: Path, macro: Macro, small_space: SearchSpace
) -> dict[str, list[Candidate]]:
    """Return what every one-shot engine yields in a process of its own."""
    folder = tmp_path_factory.mktemp("one-shot")
    write_json(folder / "macro.json", macro.to_document())
    write_text(folder / "space.json", small_space.to_json())
    environment = {**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", ONE_SHOT, str(folder), str(store_path), *ONE_SHOT_ENGINES]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name: read_candidates(folder / name, space=small_space) for name in ONE_SHOT_ENGINES}


@pytest.mark.parametrize("name", ONE_SHOT_ENGINES)
def test_a_one_shot_engine_yields_legal_genotypes_the_same_when_stopped_and_in_two_processes(
    name: str,
    undisturbed: dict[str, list[Candidate]],
    store: SequenceStore,
    macro: Macro,
    small_space: SearchSpace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("genotools.search.one_shot_run.draw_alphas", lambda *_, **__: None)
    settings = get_one_shot_settings(name, "quick").changed(epochs=1, steps_per_epoch=2, batch_size=4)
    n_asked = 0

    def should_stop() -> bool:
        """Stop in the middle of the first epoch, and of a later one where there is one."""
        nonlocal n_asked
        n_asked += 1
        return n_asked in (2, 5)

    n_stops = 0
    while True:
        try:
            search_one_shot(
                name,
                small_space,
                store,
                tmp_path / "run",
                macro=macro,
                settings=settings,
                seed=4,
                resume=n_stops > 0,
                should_stop=should_stop,
            )
            break
        except SearchInterrupted:
            n_stops += 1
    assert n_stops == (1 if name == "darts" else 2)  # the one epoch of DARTS is over before the second
    candidates = read_candidates(tmp_path / "run", space=small_space)
    assert candidates == undisturbed[name]
    assert all(small_space.contains(candidate.genotype) for candidate in candidates)
    assert [candidate.is_choice for candidate in candidates].count(True) == 1


def test_a_space_of_ones_own_is_kept_to(small_space: SearchSpace, small_engines: SmallEngines) -> None:
    landscape = Landscape(small_space, seed=0)

    def make(source: Source) -> Engine:
        return make_engine("evolution", source, small_engines["evolution"])

    check_engine(make, landscape, space=small_space)
