"""kill -9 at ten random moments, each time resumed: the search ends with the journal of an undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genotools.files import write_json
from genotools.genotype import Macro

N_KILLS = 10

EVOLUTION = """
evaluator = FaultyEvaluator(seconds=0.05)
settings = {"population": 8, "tournament": 3, "children": 2}
search("evolution", GENOME_NAS, evaluator, folder, seed=1, n_trials=80, settings=settings, resume=resume)
"""

BONAS = """
training = TrainingSettings(epochs=6, steps_per_epoch=2, batch_size=8, lr=0.1, recurrent_lr=1.0)
settings = {"n_initial": 4, "round_size": 3, "n_candidates": 20, "gcn_epochs": 5}
with SequenceStore.open(store_path) as store:
    macro = Macro.from_document(read_json(macro_path), where="macro", length=store.length)
    evaluator = SharedWeightsEvaluator(store, GENOME_NAS, macro, training, keep="round")
    search("bonas", GENOME_NAS, evaluator, folder, seed=1, n_trials=16, settings=settings, resume=resume)
"""

PROGRAM = """
import sys
from pathlib import Path
import torch
from genotools.data.store import SequenceStore
from genotools.files import read_json
from genotools.genotype import GENOME_NAS, Macro
from genotools.search import search
from genotools.search.shared_weights import SharedWeightsEvaluator
from genotools.testing.faults import FaultyEvaluator
from genotools.training.settings import TrainingSettings
torch.set_num_threads(1)
folder, store_path, macro_path = map(Path, sys.argv[1:])
resume = folder.exists()
print("ready", flush=True)
"""


class Search:
    """A search in a process of its own."""

    def __init__(self, code: str, folder: Path, store: Path, macro: Path) -> None:
        arguments = [sys.executable, "-c", PROGRAM + code, str(folder), str(store), str(macro)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.started = time.monotonic()

    def finish(self) -> float:
        """Wait for the end; return the seconds it took."""
        self.process.communicate()
        assert self.process.returncode == 0
        return time.monotonic() - self.started

    def kill_after(self, seconds: float) -> bool:
        """Kill it after some time; return whether it was still running."""
        try:
            self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
        self.process.communicate()
        return self.process.returncode == -signal.SIGKILL


def journal_of(folder: Path) -> list[dict[str, Any]]:
    whole_lines, _, _ = (folder / "journal.jsonl").read_text().rpartition("\n")  # the last may be torn
    lines = [json.loads(line) for line in whole_lines.splitlines()]
    times = ("seconds", "elapsed")
    return [{key: value for key, value in line.items() if key not in times} for line in lines]


@pytest.mark.slow
@pytest.mark.parametrize("code", [EVOLUTION, BONAS], ids=["evolution", "bonas"])
def test_ten_kills_change_nothing(code: str, tmp_path: Path, store_path: Path, macro: Macro) -> None:
    macro_path = tmp_path / "macro.json"
    write_json(macro_path, macro.to_document())
    seconds = Search(code, tmp_path / "whole", store_path, macro_path).finish()
    rng = np.random.default_rng(0)
    n_kills, n_finished, n_ended = 0, 0, []
    while n_kills < N_KILLS:
        folder = tmp_path / f"cut-{n_finished}"
        # From before the first trial to far into the search; where it ends in spite of it all, another one starts.
        if Search(code, folder, store_path, macro_path).kill_after(float(rng.uniform(0, 0.6 * seconds))):
            n_kills += 1
            journal = folder / "journal.jsonl"
            n_ended.append(len(journal_of(folder)) if journal.exists() else 0)
        else:
            n_finished += 1
    Search(code, tmp_path / f"cut-{n_finished}", store_path, macro_path).finish()
    assert any(n_ended), "no kill came after a trial had ended"
    for number in range(n_finished + 1):
        folder = tmp_path / f"cut-{number}"
        assert journal_of(folder) == journal_of(tmp_path / "whole")
        for name in ("best.genotype.json", "checkpoint/engine.json"):
            assert (folder / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
