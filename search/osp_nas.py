"""OSP-NAS: one supernet, pruned until a single genotype is left, by what the loss says of each removal.

Random (edge, op) pairs are live, summed without weights. In every round some pairs of each cell are proposed for
removal, in triples of one a cell; the triple whose absence raises the held-out loss most stays, the others go, and
the weights are trained on. When no cell has more than one pair too many, every way to remove the last ones is judged,
and the one with the lowest loss is the answer; the others are candidates too.

The loss is taken by the statistics of the batch, since running ones lag behind what is taken away. The search is a
function of settings, data and seed, and goes on from a checkpoint that is replaced after every epoch.

Reference: the code published with Scheppach et al.; the paper does not describe it.
"""

import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from genotools.data.store import SequenceStore
from genotools.errors import DataError
from genotools.genotype.cells import ConvCell, RecurrentCell
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.space import SearchSpace
from genotools.nn.live_ops import ROLES, LiveOp, LiveOps, Role
from genotools.nn.supernet import build_supernet
from genotools.nn.supernet_memory import SupernetMemory, supernet_memory
from genotools.search.halves import split_halves
from genotools.search.one_shot import Candidate, RoundEnd, SearchInterrupted
from genotools.search.osp_settings import OspSettings
from genotools.search.path_training import PathTraining, SavedTraining
from genotools.search.perturbation import HeldOutLoss
from genotools.search.supernet_training import StepPlace
from genotools.training.divergence import placed
from genotools.training.seeds import child_seed

__all__ = ["OspNas", "initial_live", "n_required", "removable"]

MASK, WEIGHTS, HALVES, PROPOSALS, TRAINING = range(50, 55)
"""Branches of the tree of seeds; their numbers are part of what makes a run repeatable."""

REPORT_EVERY_S = 0.5


class OspNas:
    """A search by removing ops; takes what :class:`~genotools.search.one_shot.OneShotEngine` takes."""

    def __init__(
        self,
        settings: OspSettings,
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
        self.checkpoint_path, self.checkpoint_cells = checkpoint_path, checkpoint_cells
        self.should_stop, self.on_step, self.on_decision = should_stop, on_step, on_decision
        self._reported = 0.0
        self.task = store.task
        self.halves = split_halves(store, settings.alpha_data, seed=child_seed(seed, HALVES))
        self.loss = HeldOutLoss(
            store,
            self.halves.alphas,
            n_batches=settings.loss_batches,
            batch_size=settings.weights.batch_size,
            device=self.device,
        )

    def initial(self) -> LiveOps:
        """Return what is live at first."""
        rng = np.random.default_rng(child_seed(self.seed, MASK))
        return initial_live(self.space, self.settings.n_initial, rng=rng)

    def memory(self) -> SupernetMemory:
        """Return what a step needs before the first removal."""
        batch = max(2, min(self.settings.weights.batch_size, len(self.halves.weights)))
        return supernet_memory(
            self.initial(), self.macro, self.task, batch, checkpoint_cells=self.checkpoint_cells
        )

    def candidates(self, *, resume: bool = False) -> Iterator[Candidate | RoundEnd]:
        """Yield what every round removed, then the genotype of every last removal, and last the choice.

        With ``resume`` the search goes on from its checkpoint, if there is one.

        Raises
        ------
        DivergedError
            If losses, gradients or weights are no longer finite; names round, epoch, step and rows.
        SearchInterrupted
            If ``should_stop`` said so.
        DataError
            If the checkpoint is damaged.
        """
        training = self._restored() if resume else None
        training = training or self._training(self.initial(), 0)
        while True:
            started = time.perf_counter()
            n_steps = self._train(training)
            live = training.supernet.live
            if not any(surplus(live, self.space, role) > 1 for role in ROLES):
                yield self._round_end(training, {}, n_steps, started)
                break
            losses, left = self._remove(training)
            yield self._round_end(training, losses, n_steps, started)
            training = self._next(training, left)
        yield from self._choose(training)

    def _train(self, training: PathTraining) -> int:
        """Train what is left of the round; return the steps of the whole round."""
        epochs, live = self.settings.epochs_in(training.round), training.supernet.live
        parts = [live] * training.n_steps()
        while training.epoch < epochs:
            training.run_epoch(
                parts,
                seed=child_seed(self.seed, TRAINING, training.round),
                schedule_epoch=training.epoch,
                before_step=lambda: self._before_step(training, epochs),
            )
        return epochs * len(parts)

    def _before_step(self, training: PathTraining, n_epochs: int) -> None:
        if self.should_stop():
            training.save()
            saved = "nothing was saved" if self.checkpoint_path is None else "a checkpoint was saved"
            raise SearchInterrupted(
                f"The search stopped in round {training.round}, epoch {training.epoch + 1}, "
                f"after step {training.step}; {saved}."
            )
        now = time.perf_counter()
        if self.on_step is not None and training.step and now - self._reported > REPORT_EVERY_S:
            self._reported = now
            self.on_step(
                StepPlace(
                    stage=training.round + 1,
                    n_stages=training.round + 1,
                    epoch=training.epoch + 1,
                    n_epochs=n_epochs,
                    step=training.step,
                    n_steps=training.n_steps(),
                    loss=training.loss_so_far(),
                )
            )

    def _remove(self, training: PathTraining) -> tuple[dict[str, float], LiveOps]:
        """Return the loss without each triple, and what is live once all but the most missed one are gone."""
        live = training.supernet.live
        rng = np.random.default_rng(child_seed(self.seed, PROPOSALS, training.round))
        proposed = {role: self._proposals(live, role, rng=rng) for role in ROLES}
        n_triples = max(map(len, proposed.values()))
        losses = []
        for number in range(n_triples):
            without = live
            for role, entries in proposed.items():
                if number < len(entries):
                    without = without.drop(role, [entries[number]])
            losses.append(self._loss_of(training, without))
            self.on_decision(number + 1, n_triples)
        missed = int(np.argmax(losses))
        for role, entries in proposed.items():
            kept = min(missed, len(entries) - 1)  # a cell with fewer proposals keeps its last
            live = live.drop(role, [entry for index, entry in enumerate(entries) if index != kept])
        named = {
            " ".join(_name(role, entries[n]) for role, entries in proposed.items() if n < len(entries)): loss
            for n, loss in enumerate(losses)
        }
        return named, live

    def _proposals(self, live: LiveOps, role: Role, *, rng: np.random.Generator) -> list[LiveOp]:
        """Return (edge, op) pairs that can all be removed together but for one that stays too many."""
        entries: list[LiveOp] = []
        n_proposed = min(self.settings.n_proposed, surplus(live, self.space, role))
        while len(entries) < n_proposed:
            choices = removable(live, self.space, role)
            entries.append(choices[int(rng.integers(len(choices)))])
            live = live.drop(role, entries[-1:])
        return entries

    def _choose(self, training: PathTraining) -> Iterator[Candidate]:
        """Yield the genotype of every way to remove what is too many, and the one of the lowest loss."""
        live = training.supernet.live
        ways = [_last_removals(live, self.space, role) for role in ROLES]
        best: tuple[float, Genotype] | None = None
        n_ways = np.prod([len(way) for way in ways])
        for number, removals in enumerate(itertools.product(*ways), start=1):
            left = live
            for role, removal in zip(ROLES, removals, strict=True):
                left = left.drop(role, removal)
            loss, genotype = self._loss_of(training, left), genotype_of(left, self.space)
            yield Candidate(
                genotype=genotype,
                stage=training.round + 1,
                epoch=training.epoch,
                selection="removal",
                held_out_loss=loss,
                place=number,
            )
            self.on_decision(number, int(n_ways))
            if best is None or loss < best[0]:
                best = loss, genotype
        assert best is not None
        yield Candidate(
            genotype=best[1],
            stage=training.round + 1,
            epoch=training.epoch,
            selection="removal",
            held_out_loss=best[0],
            is_choice=True,
        )

    def _loss_of(self, training: PathTraining, live: LiveOps) -> float:
        if self.should_stop():
            raise SearchInterrupted("The search stopped between two decisions; resuming decides anew.")
        supernet = training.supernet
        with placed(round=training.round + 1):
            return self.loss.of(supernet, lambda codes: supernet.forward_subset(codes, live))

    def _round_end(
        self, training: PathTraining, losses: Mapping[str, float], n_steps: int, started: float
    ) -> RoundEnd:
        return RoundEnd(
            stage=training.round + 1,
            epoch=training.epoch,
            n_live={role: n_ops(training.supernet.live, role) for role in ROLES},
            losses=losses,
            n_steps=n_steps,
            seconds=round(time.perf_counter() - started, 3),
        )

    def _training(self, live: LiveOps, number: int) -> PathTraining:
        """Return a round with fresh weights."""
        supernet = build_supernet(
            live,
            self.macro,
            self.task,
            seed=child_seed(self.seed, WEIGHTS),
            device=self.device,
            checkpoint_cells=self.checkpoint_cells,
        )
        training = PathTraining(
            supernet,
            self.store,
            self.halves.weights,
            self.settings.weights_in(number),
            device=self.device,
            path=self.checkpoint_path,
        )
        supernet.set_dropout(head=self.settings.head_dropout)
        training.round = number
        return training

    def _next(self, before: PathTraining, live: LiveOps) -> PathTraining:
        """Return the next round, with the weights of what is left."""
        training = self._training(live, before.round + 1)
        training.supernet.load_from(before.supernet)
        return training

    def _restored(self) -> PathTraining | None:
        """Return the round of the checkpoint, None where there is none."""
        saved = None if self.checkpoint_path is None else SavedTraining.read(self.checkpoint_path)
        if saved is None:
            return None
        training = self._training(saved.live, saved.round)
        training.restore(saved)
        return training


def n_required(space: SearchSpace, role: Role) -> int:
    """Return the (edge, op) pairs of one cell of a genotype."""
    if role == "recurrent":
        return space.recurrent.n_states
    return sum((space.normal if role == "normal" else space.reduce).in_degrees())


def n_ops(live: LiveOps, role: Role) -> int:
    """Return the live (edge, op) pairs of a cell."""
    return sum(len(edge.ops) for edge in live.edges(role))


def surplus(live: LiveOps, space: SearchSpace, role: Role) -> int:
    """Return how many pairs of a cell are too many for a genotype."""
    return n_ops(live, role) - n_required(space, role)


def removable(live: LiveOps, space: SearchSpace, role: Role) -> list[LiveOp]:
    """Return the pairs without which every node still has the in-edges that a genotype needs."""
    degree = 1 if role == "recurrent" else (space.normal if role == "normal" else space.reduce).in_degree
    edges = live.edges(role)
    n_edges = {edge.target: sum(other.target == edge.target for other in edges) for edge in edges}
    found = []
    for edge in edges:
        needed = degree if role == "recurrent" else min(degree, edge.target)
        if len(edge.ops) > 1 or n_edges[edge.target] > needed:
            found += [LiveOp(edge.source, edge.target, op) for op in edge.ops]
    return found


def initial_live(space: SearchSpace, n_initial: int, *, rng: np.random.Generator) -> LiveOps:
    """Return random pairs, ``n_initial`` in each cell or all there are, with which every node has its in-edges."""
    live = LiveOps.full(space, with_none=False)
    for role in ROLES:
        n_kept = max(n_initial, n_required(space, role))
        while n_ops(live, role) > n_kept:
            choices = removable(live, space, role)
            live = live.drop(role, [choices[int(rng.integers(len(choices)))]])
    return live


def genotype_of(live: LiveOps, space: SearchSpace) -> Genotype:
    """Return the genotype of live ops of which there are just enough."""
    conv = [ConvCell([(one.source, one.target, one.op) for one in live.each(role)]) for role in ROLES[:2]]
    states = RecurrentCell((one.source, one.op) for one in live.each("recurrent"))
    return Genotype(conv[0], conv[1], states, space=space.name)


def _last_removals(live: LiveOps, space: SearchSpace, role: Role) -> list[list[LiveOp]]:
    """Return every way to remove what is too many: one pair, or nothing."""
    return [[entry] for entry in removable(live, space, role)] if surplus(live, space, role) else [[]]


def _name(role: Role, entry: LiveOp) -> str:
    return f"{role}:{entry.source}->{entry.target}:{entry.op}"
