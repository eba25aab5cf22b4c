"""Training one network on one store.

An epoch is a fresh permutation of the training split, at most ``steps_per_epoch`` steps long, and one validation. All
randomness is a function of the seed, the epoch and the step, so a training that was stopped anywhere and resumed
ends, on a CPU with one thread, with the same weights bit for bit. On several threads and on CUDA devices, sums of
floats may be taken in another order and the last bits differ.

Nothing in the loop waits for the device: losses are summed there, and read about twice a second. On a CUDA device
the windows lie there, packed, where they fit, and a step is started as a whole
(:class:`~genotools.training.step.CapturedStep`). Several processes share every batch where they were joined
(:mod:`genotools.training.ranks`).

Reference: Scheppach et al., Neural Architecture Search for Genomic Sequence Data, section IV; early stopping compares
with the best epoch so far, and the best epoch's weights are kept.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.nn.network import GenomeNet
from genotools.nn.window_network import WindowNetwork
from genotools.training.divergence import DivergedError
from genotools.training.history import EpochRecord
from genotools.training.progress import StepReport, Training
from genotools.training.settings import TrainingSettings

__all__ = ["FitResult", "fit"]

STEPS_WORTH_COMPILING = 30_000
"""On an H200 compilation takes 99 s and saves 3.5 ms a step at the published size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """A history, and whether the training is over: all epochs done, or stopped early."""

    history: tuple[EpochRecord, ...]
    is_finished: bool

    @property
    def best(self) -> EpochRecord:
        """The epoch whose weights the network has."""
        return next(record for record in reversed(self.history) if record.is_best)


def fit(
    network: WindowNetwork,
    store: SequenceStore,
    settings: TrainingSettings,
    *,
    seed: int,
    device: str | torch.device = "cpu",
    checkpoint_path: Path | str | None = None,
    resume: bool = False,
    capture: bool = True,
    until_epoch: int | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_step: Callable[[StepReport], None] | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> FitResult:
    """Train ``network`` and leave it with the weights of its best epoch, in the mode and on the device it was.

    Parameters
    ----------
    network
        Trained in place. Its task must be the store's: not per position, and the same outputs by name.
    store
        Windows as long as the network's; a training and a validation split.
    settings
        Everything else, dropout rates included.
    seed
        Of the order of windows, their strands, and dropout.
    device
        Where to train.
    checkpoint_path
        File to save to after every epoch and when stopping; None saves nothing.
    resume
        Go on from ``checkpoint_path`` if it is there.
    capture
        Whether a CUDA device runs every step as one CUDA graph, which is the faster way; a long training's cells are
        compiled then, too.
    until_epoch
        Return once this many epochs are done; the schedule still spans ``settings.epochs``.
    should_stop
        Asked before every step; when it answers yes, a checkpoint is saved and TrainingInterrupted raised.
    on_step, on_epoch
        Called about twice a second, and after every epoch (once its checkpoint is on disk).

    Raises
    ------
    DataError
        If network, store and checkpoint do not belong together; lists what differs.
    DivergedError
        If loss, gradients or weights become NaN or infinite; names epoch, step and the rows of the batch. The network
        has the weights of the best epoch before, where there was one.
    TrainingInterrupted
        If ``should_stop`` said so.
    """
    _check_store(network, store, settings)
    device = torch.device(device)
    with _on_device(network, device):
        training = Training(network, store, settings, seed=seed, device=device, capture=capture)
        training.checkpoint_path = None if checkpoint_path is None else Path(checkpoint_path)
        training.should_stop = should_stop
        training.on_step = on_step
        if resume and training.checkpoint_path is not None and training.checkpoint_path.exists():
            training.restore(training.checkpoint_path)
        last_epoch = until_epoch or settings.epochs
        n_steps = last_epoch * training.n_steps if capture else 0
        try:
            with _compiled_if_it_pays(network, device, n_steps=n_steps):
                while not training.is_over and training.epoch < last_epoch:
                    record = training.run_epoch()
                    if on_epoch is not None:
                        on_epoch(record)
        except DivergedError as error:
            error.best_epoch = max((one.epoch for one in training.history if one.is_best), default=None)
            if error.best_epoch is not None:
                network.load_state_dict(training.best)
            raise
        network.load_state_dict(training.best)
        return FitResult(history=tuple(training.history), is_finished=training.is_over)


@contextmanager
def _compiled_if_it_pays(network: WindowNetwork, device: torch.device, *, n_steps: int) -> Iterator[None]:
    """Let ``torch.compile`` translate the cells for so many steps on a CUDA device, inside the block.

    That takes a minute or two and makes a recorded step about a seventh shorter.
    """
    is_long = device.type == "cuda" and n_steps >= STEPS_WORTH_COMPILING
    if not (is_long and isinstance(network, GenomeNet) and not network.is_compiled):
        yield
        return
    network.compile_parts()
    try:
        yield
    finally:
        network.uncompile_parts()


@contextmanager
def _on_device(network: WindowNetwork, device: torch.device) -> Iterator[None]:
    """Hold ``network`` on ``device``; afterwards its device and mode are what they were."""
    before, was_training = network.device, network.training
    network.to(device)
    try:
        yield
    finally:
        network.to(before).train(was_training)


def _check_store(network: WindowNetwork, store: SequenceStore, settings: TrainingSettings) -> None:
    """Refuse a network and a store that do not belong together, before any work."""
    task, faults = network.task, settings.faults_for(store.task)
    if (task.kind, task.one_strand) != (store.task.kind, store.task.one_strand) or task.per_position:
        strand = ", one_strand" if store.task.one_strand else ""
        faults.append(
            f"it holds labels of windows; the task must be {store.task.kind}{strand}, not per position."
        )
    if tuple(task.names) != store.names:
        faults.append(
            f"its {len(store.names)} labels are not the network's {task.n_outputs} outputs, by name."
        )
    if network.length != store.length:
        faults.append(f"its windows have {store.length} bp, the network takes {network.length} bp.")
    faults += [f"its split {split!r} is empty." for split in ("train", "valid") if not len(store.rows(split))]
    if faults:
        raise DataError.from_faults(store.path, faults)
