"""A one-shot engine: trains a supernet, stage after stage, and yields candidates.

DARTS, P-DARTS, CWP-DARTS and EDP-DARTS are this with other settings (:mod:`genotools.search.darts` and its
neighbours). Whatever is yielded is a function of settings, data and seed; a search that was stopped goes on from its
checkpoint, a single file that is replaced after every epoch and when somebody asks to stop.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from genotools.data.store import SequenceStore
from genotools.errors import DataError, GenotoolsError
from genotools.files import parse_json
from genotools.formats import ONE_SHOT_CHECKPOINT
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.space import SearchSpace
from genotools.nn.alphas import Alphas
from genotools.nn.live_ops import ROLES, LiveOp, LiveOps, Role
from genotools.nn.supernet import Supernet, build_supernet
from genotools.nn.supernet_memory import SupernetMemory, supernet_memory
from genotools.nn.supernet_plain import build_plain_supernet
from genotools.search.collapse import Collapse, watch
from genotools.search.derive import Probs, derive, edges_to_drop, ops_to_drop, skip_limited
from genotools.search.halves import split_halves
from genotools.search.one_shot_settings import OneShotSettings, SearchStage, Selection
from genotools.search.perturbation import HeldOutLoss, select_by_perturbation, with_none_switched_off
from genotools.search.supernet_training import EpochLosses, StageTraining, StepPlace
from genotools.training.divergence import placed
from genotools.training.seeds import child_seed
from genotools.training.state_files import read_state, write_state

__all__ = ["Candidate", "EpochEnd", "OneShotEngine", "RoundEnd", "SearchInterrupted", "pruned"]

WEIGHTS, ALPHAS, HALVES, PERTURBATION = range(30, 34)
"""Branches of the tree of seeds; their numbers are part of what makes a run repeatable."""

TUNING_RATE = 0.1
"""Of the first learning rates, in the steps between decisions of the perturbation."""


class SearchInterrupted(GenotoolsError):
    """The search was asked to stop and did so between two steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnd:
    """What is known when an epoch ends; ``alphas`` by cell and ``(source, target, op)``."""

    losses: EpochLosses
    collapse: Collapse
    alphas: dict[Role, dict[LiveOp, float]]
    n_steps: int
    n_alpha_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A genotype and where it comes from; stage and epoch count from 1.

    ``max_skips`` is the limit it was derived under, None for none. ``is_choice`` marks the engine's own answer, the
    last one it yields. ``epoch_end`` is there for the candidate of an epoch, ``held_out_loss`` and ``place``, a
    number from 1, where candidates are told apart by their losses.
    """

    genotype: Genotype
    stage: int
    epoch: int
    selection: Selection = "argmax"
    max_skips: int | None = None
    is_choice: bool = False
    epoch_end: EpochEnd | None = None
    held_out_loss: float | None = None
    place: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundEnd:
    """What is known when a round of removals ends: live pairs of each cell, and the loss without each proposal."""

    stage: int
    epoch: int
    n_live: Mapping[Role, int]
    losses: Mapping[str, float]
    n_steps: int
    seconds: float


class OneShotEngine:
    """A gradient-based search by weight sharing.

    Parameters
    ----------
    settings
        What makes it DARTS, P-DARTS, CWP-DARTS or EDP-DARTS.
    space
        Every op of it, and ``none``, is live on every edge at first.
    store
        Windows as long as the macro's; a training split, and a validation split where the alphas learn from it.
    macro
        The frame around the cells.
    seed
        Decides everything random.
    device
        Where to train.
    checkpoint_path
        Where the state is kept; None keeps none.
    checkpoint_cells
        Whether to save memory by computing conv cells twice.
    should_stop
        Asked before every step; when it answers yes, the state is saved and SearchInterrupted raised.
    on_step
        Called about twice a second.
    on_decision
        Called after every decision of the perturbation with the number made, and of all.
    """

    def __init__(
        self,
        settings: OneShotSettings,
        space: SearchSpace,
        store: SequenceStore,
        macro: Macro,
        *,
        seed: int,
        device: str | torch.device = "cpu",
        checkpoint_path: Path | None = None,
        checkpoint_cells: bool = False,
        should_stop: Callable[[], bool] = lambda: False,
        on_step: Callable[[StepPlace], None] | None = None,
        on_decision: Callable[[int, int], None] = lambda n_done, n_decisions: None,
    ) -> None:
        if macro.length != store.length:
            raise DataError(f"{store.path}: windows of {store.length} bp, the macro takes {macro.length} bp.")
        self.settings, self.space, self.store, self.macro = settings, space, store, macro
        self.seed, self.device = seed, torch.device(device)
        self.checkpoint_path = checkpoint_path
        self.checkpoint_cells = checkpoint_cells
        self.should_stop, self.on_step, self.on_decision = should_stop, on_step, on_decision
        self.task = store.task
        self.halves = split_halves(store, settings.alpha_data, seed=child_seed(seed, HALVES))

    def memory(self) -> SupernetMemory:
        """Return what a weight step of the first stage needs; later stages need less, a second order needs more."""
        return supernet_memory(
            LiveOps.full(self.space),
            self.macro,
            self.task,
            max(2, min(self.settings.weights.batch_size, len(self.halves.weights))),
            checkpoint_cells=self.checkpoint_cells,
        )

    def candidates(self, *, resume: bool = False) -> Iterator[Candidate]:
        """Yield the genotype of every epoch, of every limit on skips at the end, and last the choice.

        With ``resume`` the search goes on from its checkpoint, if there is one. The state after an epoch is saved
        when the next candidate is asked for, so what a reader wrote down before is never missing.

        Raises
        ------
        DivergedError
            If losses, gradients, weights or alphas are no longer finite; names stage, epoch, step and rows.
        SearchInterrupted
            If ``should_stop`` said so.
        DataError
            If the checkpoint is damaged.
        """
        training = self._restored() if resume else None
        training = training or self._start(0, LiveOps.full(self.space))
        while True:
            yield from self._train(training)
            if training.stage + 1 == len(self.settings.stages):
                break
            training = self._next(training)
        yield from self._choose(training)

    def _train(self, training: StageTraining) -> Iterator[Candidate]:
        while not training.is_over:
            n_alpha_steps = training.n_steps if training.trains_alphas else 0
            losses = training.run_epoch(
                before_step=lambda: self._stop_if_asked(training), on_step=self.on_step
            )
            probs = _probs(training.alphas)
            genotype = derive(self.space, probs)
            end = EpochEnd(
                losses=losses,
                collapse=watch(genotype, probs),
                alphas={role: training.alphas.values(role) for role in ROLES},
                n_steps=training.n_steps,
                n_alpha_steps=n_alpha_steps,
            )
            yield Candidate(genotype=genotype, stage=training.stage + 1, epoch=training.epoch, epoch_end=end)
            self._save(training)

    def _choose(self, training: StageTraining) -> Iterator[Candidate]:
        """Yield what every limit on skips gives, and the choice."""
        stage, epoch = training.stage + 1, training.epoch
        probs = _probs(training.alphas)
        for limit, genotype in skip_limited(self.space, probs).items():
            yield Candidate(genotype=genotype, stage=stage, epoch=epoch, max_skips=limit)
        if self.settings.select == "argmax":
            max_skips = self.settings.max_skips
            genotype = derive(self.space, probs, max_skips=max_skips)
            yield Candidate(genotype=genotype, stage=stage, epoch=epoch, max_skips=max_skips, is_choice=True)
            return
        yield Candidate(
            genotype=self._perturb(training),
            stage=stage,
            epoch=epoch,
            selection="perturbation",
            is_choice=True,
        )

    def _perturb(self, finished: StageTraining) -> Genotype:
        """Choose by perturbation; a kill meanwhile starts it again, from the finished supernet."""
        supernet, alphas = with_none_switched_off(finished.supernet, finished.alphas)
        tuning = self._stage_training(supernet, alphas, finished.stage)
        for group in tuning.optimiser.param_groups:
            group["lr"] *= TUNING_RATE
        loss = HeldOutLoss(
            self.store,
            self.halves.alphas,
            n_batches=self.settings.perturbation_batches,
            batch_size=self.settings.weights.batch_size,
            device=self.device,
        )

        def after_decision(n_done: int, n_decisions: int) -> None:
            if self.should_stop():
                raise SearchInterrupted(
                    "The search stopped while it chose; the finished supernet is saved, and resuming chooses anew."
                )
            if n_done < n_decisions:
                tuning.tune(n_done, n_steps=self.settings.perturbation_steps)
            self.on_decision(n_done, n_decisions)

        rng = np.random.default_rng(child_seed(self.seed, PERTURBATION))
        with placed(stage=finished.stage + 1, epoch=finished.epoch):
            return select_by_perturbation(
                self.space, supernet, alphas, loss, rng=rng, after_decision=after_decision
            )

    def _start(self, stage: int, live: LiveOps) -> StageTraining:
        """Return a stage with fresh weights and alphas."""
        generator = torch.Generator().manual_seed(child_seed(self.seed, ALPHAS, stage) % 2**63)
        alphas = Alphas(live, generator=generator, device=self.device)
        return self._stage_training(self._build(live, stage), alphas, stage)

    def _next(self, before: StageTraining) -> StageTraining:
        """Return the stage after ``before``, with what it prunes gone."""
        live = pruned(before.alphas, before.plan)
        stage = before.stage + 1
        if self.settings.carry == "none":
            return self._start(stage, live)
        supernet = self._build(live, stage)
        supernet.load_from(before.supernet)
        return self._stage_training(supernet, before.alphas.carried(live), stage)

    def _build(self, live: LiveOps, stage: int) -> Supernet:
        # The fast supernet cannot be differentiated twice.
        build = build_plain_supernet if self.settings.order == "second" else build_supernet
        return build(
            live,
            self.macro,
            self.task,
            seed=child_seed(self.seed, WEIGHTS, stage),
            device=self.device,
            checkpoint_cells=self.checkpoint_cells,
        )

    def _stage_training(self, supernet: Supernet, alphas: Alphas, stage: int) -> StageTraining:
        return StageTraining(
            supernet,
            alphas,
            self.store,
            self.halves,
            self.settings,
            stage=stage,
            seed=self.seed,
            device=self.device,
        )

    def _stop_if_asked(self, training: StageTraining) -> None:
        if self.should_stop():
            training.check_finite()
            training.settle()
            training.check_weights()
            self._save(training)
            saved = "nothing was saved" if self.checkpoint_path is None else "a checkpoint was saved"
            raise SearchInterrupted(
                f"The search stopped in stage {training.stage + 1}, epoch {training.epoch + 1}, "
                f"after step {training.step}; {saved}."
            )

    def _save(self, training: StageTraining) -> None:
        if self.checkpoint_path is None:
            return
        values = {
            "place": {"stage": training.stage, "epoch": training.epoch, "step": training.step},
            "live": training.supernet.live.to_document(),
        }
        write_state(self.checkpoint_path, ONE_SHOT_CHECKPOINT, training.state(), values)

    def _restored(self) -> StageTraining | None:
        """Return the stage of the checkpoint, None where there is none."""
        path = self.checkpoint_path
        if path is None or not path.exists():
            return None
        return read_state(path, ONE_SHOT_CHECKPOINT, self._parsed)

    def _parsed(self, path: Path, metadata: Mapping[str, str], tensors: dict[str, Tensor]) -> StageTraining:
        match parse_json(metadata.get("place", "null"), where=f"{path}: place"):
            case {"stage": int(stage), "epoch": int(epoch), "step": int(step)} if (
                0 <= stage < len(self.settings.stages) and min(epoch, step) >= 0
            ):
                pass
            case place:
                raise DataError(f"{path}: place: {place!r} is no place of this search.")
        document = parse_json(metadata.get("live", "null"), where=f"{path}: live")
        training = self._start(stage, LiveOps.from_document(document, where=f"{path}: live"))
        try:
            training.restore(tensors, epoch=epoch, step=step)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        return training


def pruned(alphas: Alphas, plan: SearchStage) -> LiveOps:
    """Return what is still live once the weakest ops, then the weakest edges of a finished stage are gone.

    Edges are compared by the probabilities before any op went.
    """
    live = alphas.live
    for role in ROLES:
        probs = alphas.probs(role)
        is_recurrent = role == "recurrent"
        n_ops = plan.recurrent_ops if is_recurrent else plan.conv_ops
        n_edges = plan.recurrent_edges if is_recurrent else plan.conv_edges
        if n_ops is not None:
            live = live.drop(role, ops_to_drop(probs, n_ops))
        if n_edges is not None:
            live = live.drop_edges(role, edges_to_drop(probs, n_edges))
    return live


def _probs(alphas: Alphas) -> Probs:
    return Probs(alphas.probs("normal"), alphas.probs("reduce"), alphas.probs("recurrent"))
