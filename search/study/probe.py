"""How long a step takes on this machine: a few steps of each kind of network, the fastest counts."""

import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from genotools.data.store import SequenceStore
from genotools.genotype.baselines import BASELINE_NAMES, BaselineName
from genotools.nn.alphas import Alphas
from genotools.nn.architecture import make_network
from genotools.nn.live_ops import LiveOps
from genotools.nn.supernet import Supernet, build_supernet
from genotools.search.study.setup import StudyInputs, training_settings
from genotools.training.device import choose_device
from genotools.training.loss import prediction_loss
from genotools.training.optimiser import clipped_step, make_optimiser
from genotools.training.ranks import Ranks
from genotools.training.settings import TrainingSettings
from genotools.training.step import make_step

__all__ = ["step_seconds"]

N_STEPS = 3
MAX_S = 4.0
"""A kind whose first steps take as long is not measured again."""
N_GENOTYPES = 3
"""Random ones; their mean stands for all that a search meets."""

Step = Callable[[Tensor, Tensor], object]


def step_seconds(inputs: StudyInputs, kinds: Sequence[tuple[str, int]]) -> dict[tuple[str, int], float]:
    """Return the seconds of a training step by kind of network and batch size: as the protocol gives, or measured."""
    given: Mapping[str, float] = {str(key): float(value) for key, value in inputs.protocol.seconds.items()}
    found = {}
    before = torch.get_num_threads()
    torch.set_num_threads(inputs.protocol.threads)
    try:
        with SequenceStore.open(inputs.store_path) as store:
            for kind, batch_size in kinds:
                seconds = given.get(kind)
                if seconds is None:
                    seconds = _measured(inputs, store, kind, batch_size)
                found[kind, batch_size] = seconds
    finally:
        torch.set_num_threads(before)
    return found


def _measured(inputs: StudyInputs, store: SequenceStore, kind: str, batch_size: int) -> float:
    device = choose_device(inputs.device)
    settings = training_settings(inputs.protocol, "", store.task, is_selection=False)
    rows = np.resize(store.rows("train"), batch_size)
    codes = torch.from_numpy(store.codes(np.unique(rows)))[:1].expand(batch_size, -1).contiguous().to(device)
    targets = torch.zeros(batch_size, len(store.names), device=device)
    if kind == "supernet":
        return _time(_supernet_step(inputs, store, settings, device), codes, targets, device)
    if kind in BASELINE_NAMES:
        return _time(
            _network_step(inputs, store, settings, device, BaselineName(kind)), codes, targets, device
        )
    steps = (
        _path_step(inputs, store, settings, device, seed)
        if kind == "path"
        else _network_step(inputs, store, settings, device, None, seed)
        for seed in range(N_GENOTYPES)
    )
    return float(np.mean([_time(step, codes, targets, device) for step in steps]))


def _time(step: Step, codes: Tensor, targets: Tensor, device: torch.device) -> float:
    """Return the seconds of the fastest of a few steps after a first one."""
    taken = []
    for _ in range(1 + N_STEPS):
        started = time.perf_counter()
        step(codes, targets)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
        if taken[-1] > MAX_S:
            break
    return min(taken)


def _network_step(
    inputs: StudyInputs,
    store: SequenceStore,
    settings: TrainingSettings,
    device: torch.device,
    name: BaselineName | None,
    seed: int = 0,
) -> Step:
    architecture = name or inputs.space.sample(rng=np.random.default_rng(seed))
    macro = None if name else inputs.macro
    network = make_network(architecture, macro, store.task, length=store.length, seed=0, device=device)
    network.train()
    ranks = Ranks.current()
    return make_step(
        network, make_optimiser(network, settings), settings, device=device, ranks=ranks, capture=False
    )


def _supernet_step(
    inputs: StudyInputs, store: SequenceStore, settings: TrainingSettings, device: torch.device
) -> Step:
    live = LiveOps.full(inputs.space)
    alphas = Alphas(live, generator=torch.Generator().manual_seed(0), device=device)
    supernet = build_supernet(live, inputs.macro, store.task, seed=0, device=device)

    def predict(codes: Tensor) -> Tensor:
        with alphas.frozen():
            return supernet(codes, alphas)

    return _descending(supernet, predict, store, settings)


def _path_step(
    inputs: StudyInputs, store: SequenceStore, settings: TrainingSettings, device: torch.device, seed: int
) -> Step:
    genotype = inputs.space.sample(rng=np.random.default_rng(seed))
    supernet = build_supernet(LiveOps.full(inputs.space), inputs.macro, store.task, seed=0, device=device)
    return _descending(supernet, lambda codes: supernet.forward_path(codes, genotype), store, settings)


def _descending(
    supernet: Supernet, predict: Callable[[Tensor], Tensor], store: SequenceStore, settings: TrainingSettings
) -> Step:
    """Return a step of the weights."""
    optimiser = make_optimiser(supernet, settings)

    def step(codes: Tensor, targets: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        loss = prediction_loss(predict(codes), targets, store.task.kind)
        loss.backward()  # type: ignore[no-untyped-call]
        clipped_step(optimiser, settings.clip_norm)

    return step
