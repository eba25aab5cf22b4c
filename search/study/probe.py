"""How long a step takes on this machine: a few steps of each kind of network, the fastest counts."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genotools.data.store import SequenceStore
from genotools.genotype.baselines import BASELINE_NAMES, BaselineName
from genotools.genotype.genotype import Genotype
from genotools.nn.alphas import Alphas
from genotools.nn.architecture import make_network
from genotools.nn.inference import fastest_inference
from genotools.nn.live_ops import LiveOps
from genotools.nn.supernet import Supernet, build_supernet
from genotools.search.study.cost import FORWARD, StepTime
from genotools.search.study.setup import StudyInputs, training_settings
from genotools.training.device import choose_device
from genotools.training.loss import prediction_loss
from genotools.training.optimiser import clipped_step, make_optimiser
from genotools.training.precision import autocast
from genotools.training.ranks import Ranks
from genotools.training.step import make_step

__all__ = ["step_times"]

N_STEPS = 3
N_CUDA_STEPS = 8
"""Enough for a step to be recorded and be started as a whole."""
MAX_S = 4.0
"""Once steps have taken as long, none follows."""
CPU_BATCH = 16
"""A core takes twice as long for twice as many windows from here on, so that more need not be tried."""
N_GENOTYPES = 3
"""Random ones; their mean stands for all that a search meets."""

Step = Callable[[Tensor, Tensor], object]


def step_times(inputs: StudyInputs, kinds: Sequence[tuple[str, int]]) -> dict[tuple[str, int], StepTime]:
    """Return the time of a step by kind of network and batch size: as the protocol gives it, or measured."""
    given: Mapping[str, float] = {str(key): float(value) for key, value in inputs.protocol.seconds.items()}
    found = {}
    before = torch.get_num_threads()
    torch.set_num_threads(inputs.protocol.threads)
    try:
        with SequenceStore.open(inputs.store_path) as store:
            for kind, batch_size in kinds:
                seconds = given.get(kind)
                found[kind, batch_size] = (
                    _measured(inputs, store, kind, batch_size)
                    if seconds is None
                    else StepTime(seconds, FORWARD * seconds)
                )
    finally:
        torch.set_num_threads(before)
    return found


def _measured(inputs: StudyInputs, store: SequenceStore, kind: str, batch_size: int) -> StepTime:
    if choose_device(inputs.device).type == "cpu" and batch_size > CPU_BATCH:
        few = _measured(inputs, store, kind, CPU_BATCH)
        return StepTime(*(seconds * batch_size / CPU_BATCH for seconds in few))
    probe = _Probe(inputs, store, batch_size, entrant=kind if kind in BASELINE_NAMES else "")
    if kind == "supernet":
        return probe.time(probe.of_supernet())
    if kind in BASELINE_NAMES:
        return probe.time(probe.of_network(BaselineName(kind)))
    make = probe.of_path if kind == "path" else probe.of_network
    sampled = (inputs.space.sample(rng=np.random.default_rng(seed)) for seed in range(N_GENOTYPES))
    times = [probe.time(make(genotype)) for genotype in sampled]
    return StepTime(*(float(mean) for mean in np.mean(times, axis=0)))


class _Passes(NamedTuple):
    """A step of training, and a prediction in evaluation mode."""

    step: Step
    predict: Callable[[Tensor], object]


class _Probe:
    """Makes networks and runs them on one batch, with the training of ``entrant``."""

    def __init__(self, inputs: StudyInputs, store: SequenceStore, batch_size: int, *, entrant: str) -> None:
        self._inputs, self._task, self._length = inputs, store.task, store.length
        self._device = choose_device(inputs.device)
        self._settings = training_settings(inputs.protocol, entrant, store.task, is_selection=False)
        window = torch.from_numpy(store.codes(store.rows("train")[:1]))
        self._codes = window.expand(batch_size, -1).contiguous().to(self._device)
        self._targets = torch.zeros(batch_size, len(store.names), device=self._device)

    def time(self, passes: _Passes) -> StepTime:
        """Return the seconds of the fastest of a few."""
        step = self._fastest(lambda: passes.step(self._codes, self._targets))
        with torch.inference_mode():
            return StepTime(step, self._fastest(lambda: passes.predict(self._codes)))

    def _fastest(self, run: Callable[[], object]) -> float:
        taken: list[float] = []
        n_steps = N_CUDA_STEPS if self._device.type == "cuda" else N_STEPS
        while len(taken) < 1 + n_steps and sum(taken) < MAX_S:
            started = time.perf_counter()
            run()
            if self._device.type == "cuda":
                torch.cuda.synchronize(self._device)
            taken.append(time.perf_counter() - started)
        return min(taken)

    def of_network(self, architecture: Genotype | BaselineName) -> _Passes:
        """Return a step of a network as a training has it that is not long enough to compile."""
        macro = self._inputs.macro if isinstance(architecture, Genotype) else None
        precision = self._settings.precision
        network = make_network(
            architecture, macro, self._task, length=self._length, seed=0, device=self._device
        )
        optimiser = make_optimiser(network, self._settings)
        step = make_step(network, optimiser, self._settings, device=self._device, ranks=Ranks.current())

        @cache
        def run() -> Callable[[Tensor], Tensor]:  # made after the last step: the weights stay from then on
            network.eval()
            return fastest_inference(network) if precision == "fp32" else network

        def predict(codes: Tensor) -> object:
            with autocast(self._device, precision):
                return run()(codes)

        return _Passes(step, predict)

    def of_supernet(self) -> _Passes:
        """Return a step of the weights of the whole supernet."""
        live = LiveOps.full(self._inputs.space)
        alphas = Alphas(live, generator=torch.Generator().manual_seed(0), device=self._device)
        supernet = build_supernet(live, self._inputs.macro, self._task, seed=0, device=self._device)

        def predict(codes: Tensor) -> Tensor:
            with alphas.frozen():
                return supernet.forward(codes, alphas)

        return _Passes(self._descending(supernet, predict), predict)

    def of_path(self, genotype: Genotype) -> _Passes:
        """Return a step on one path of the supernet."""
        live = LiveOps.full(self._inputs.space)
        supernet = build_supernet(live, self._inputs.macro, self._task, seed=0, device=self._device)

        def predict(codes: Tensor) -> Tensor:
            return supernet.forward_path(codes, genotype)

        return _Passes(self._descending(supernet, predict), predict)

    def _descending(self, supernet: Supernet, predict: Callable[[Tensor], Tensor]) -> Step:
        optimiser = make_optimiser(supernet, self._settings)

        def step(codes: Tensor, targets: Tensor) -> None:
            optimiser.zero_grad(set_to_none=True)
            loss = prediction_loss(predict(codes), targets, self._task.kind)
            loss.backward()  # type: ignore[no-untyped-call]
            clipped_step(optimiser, self._settings.clip_norm)

        return step
