"""Several ranks, each a process of its own, against what one process does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from genotools.errors import DataError
from genotools.training.ranks import Ranks, folder_of_rank, joined_ranks

# What every rank does; it prints one line of JSON.
PROGRAM = """
import json, sys
import torch
import torch.distributed as dist
from pathlib import Path
from genotools.cli._ranks import rank_setting
from genotools.data.store import SequenceStore
from genotools.errors import GenotoolsError
from genotools.genotype import Genotype, Macro, Task
from genotools.nn import build
from genotools.training.settings import TrainingSettings
from genotools.training.trainer import fit
from genotools.training.weights import model_digest

torch.set_num_threads(1)
store_path, genotype_path, folder = map(Path, sys.argv[1:])
with rank_setting("auto", folder) as setting, SequenceStore.open(store_path) as store:
    ranks, found = setting.ranks, {}
    tensors = [torch.full((3,), float(ranks.rank)), torch.full((2, 2), 4.0 * ranks.rank, dtype=torch.float64)]
    ranks.average(tensors)
    found["means"] = [tensor.flatten().tolist() for tensor in tensors]
    found["any"] = [ranks.any(ranks.rank == 1, setting.device), ranks.any(False, setting.device)]
    try:
        ranks.check_equal(str(ranks.rank), "numbers")
    except GenotoolsError as error:
        found["differ"] = str(error)
    network = build(Genotype.load(genotype_path), Macro(length=60, channels=2), Task(4, names=store.names), seed=0)
    settings = TrainingSettings(epochs=2, steps_per_epoch=4, batch_size=16, lr=0.05, patience=None)
    result = fit(network, store, settings, seed=1)
    found["digest"] = model_digest(network)
    found["losses"] = [record.train_loss for record in result.history]
    found["valid"] = [record.valid["auroc"] for record in result.history]
    found["is_own_folder"] = setting.folder == folder
    found["rank"] = ranks.rank
    lines = [None] * ranks.world_size
    dist.all_gather_object(lines, found)
    if ranks.is_first:
        print(json.dumps(lines))
"""


@pytest.fixture(scope="module")
def outcome(
    store_path: Path, genotype_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[dict[str, object]]:
    folder = tmp_path_factory.mktemp("ranks")
    program = folder / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(program)]
    arguments = [str(store_path), str(genotype_path), str(folder / "run")]
    done = subprocess.run([sys.executable, *command, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def genotype_path(genotype: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("genotype") / "g.json"
    genotype.save(path)  # type: ignore[attr-defined]
    return path


@pytest.mark.slow
def test_tensors_become_their_mean(outcome: list[dict[str, object]]) -> None:
    assert [found["means"] for found in outcome] == [[[0.5] * 3, [2.0] * 4]] * 2


@pytest.mark.slow
def test_one_rank_that_stops_stops_all_and_other_digests_are_noticed(
    outcome: list[dict[str, object]],
) -> None:
    assert [found["any"] for found in outcome] == [[True, False]] * 2
    assert [found["differ"] for found in outcome] == ["numbers differ between ranks: 0, 1."] * 2


@pytest.mark.slow
def test_all_ranks_end_with_the_same_weights_and_history(outcome: list[dict[str, object]]) -> None:
    first, second = outcome
    assert first["digest"] == second["digest"]
    assert first["losses"] == second["losses"]
    assert first["valid"] == second["valid"]
    assert [found["rank"] for found in outcome] == [0, 1]


@pytest.mark.slow
def test_only_the_first_rank_works_in_the_folder_itself(outcome: list[dict[str, object]]) -> None:
    assert [found["is_own_folder"] for found in outcome] == [True, False]


def test_a_single_process_is_the_only_rank(tmp_path: Path) -> None:
    with joined_ranks("auto") as (ranks, device), folder_of_rank(ranks, tmp_path) as folder:
        assert (ranks, device, folder) == (Ranks(0, 1), "auto", tmp_path)
    tensor = torch.ones(2)
    ranks.average([tensor])
    ranks.sum(tensor)
    assert tensor.tolist() == [1, 1]


def test_shares_are_a_partition_in_order() -> None:
    for n in (0, 1, 7, 16):
        shares = [Ranks(rank, 3).share(n) for rank in range(3)]
        assert [i for share in shares for i in range(n)[share]] == list(range(n))
        sizes = [share.stop - share.start for share in shares]
        assert max(sizes) - min(sizes) <= 1


def test_a_batch_that_cannot_be_shared_is_refused() -> None:
    with pytest.raises(DataError, match="batch_size 10 cannot be shared equally by 4 ranks"):
        Ranks(0, 4).check_batch_size(10)


def test_one_device_for_all_ranks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(DataError, match="'cuda:0' is one device for all ranks"), joined_ranks("cuda:0"):
        pass
