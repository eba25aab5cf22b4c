"""A training from beginning to end, and its folder.

======================= ==================================================================================
``config.json``         settings, architecture, task, seed, digest of the data, version of genotools
``genotype.json``       what is trained, in the numbering its weights are named by; of a hand-designed network
                        ``baseline.json``
``history.jsonl``       one line an epoch
``checkpoint/``         the state of the training, replaced after every epoch, removed at the end
``weights.safetensors`` the best epoch's weights, once training is over; alone enough to rebuild the network
``curves.png``          the history as a picture, where matplotlib is installed
``result.json``         best epoch, metrics on the validation and the test split, time; written last
``diverged.json``       instead of it, where numbers were no longer finite: epoch, step, the rows of the batch
======================= ==================================================================================
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

import genotools
from genotools.data.store import SequenceStore
from genotools.data.strands import default_strands
from genotools.errors import DataError, MissingExtraError, OutputExistsError
from genotools.files import check_can_continue, claimed, read_json, write_json
from genotools.formats import TRAINING, TRAINING_RESULT
from genotools.genotype.baselines import BaselineName
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.nn.architecture import ARCHITECTURE_KEYS, make_network
from genotools.nn.baselines import Baseline
from genotools.nn.window_network import WindowNetwork
from genotools.training.checkpoint import check_identity, load_checkpoint
from genotools.training.device import choose_device
from genotools.training.divergence import RECORD, DivergedError, recorded
from genotools.training.evaluate import describe_strands, evaluate
from genotools.training.history import EpochRecord, append_history, write_history
from genotools.training.predictor import WEIGHTS_NAME, TorchPredictor
from genotools.training.progress import StepReport, training_identity
from genotools.training.ranks import Ranks
from genotools.training.seeds import INITIAL_WEIGHTS, child_seed
from genotools.training.settings import TrainingSettings
from genotools.training.trainer import FitResult, fit
from genotools.training.weights import model_digest, save_weights

__all__ = ["Reporter", "TrainingResult", "train"]

CONFIG, GENOTYPE, BASELINE, HISTORY, CURVES, RESULT = (
    "config.json",
    "genotype.json",
    "baseline.json",
    "history.jsonl",
    "curves.png",
    "result.json",
)
CHECKPOINT = Path("checkpoint") / "state.safetensors"
LOCK = ".lock"


class Reporter:
    """Hears how a training goes; this one keeps silent. Override what is of interest."""

    def on_start(self, network: WindowNetwork, store: SequenceStore, device: torch.device) -> None:
        """Hear what is about to be trained."""

    def on_step(self, report: StepReport) -> None:
        """Hear about progress, about twice a second."""

    def on_epoch(self, record: EpochRecord) -> None:
        """Hear about a finished epoch."""

    def on_message(self, message: str) -> None:
        """Hear a sentence for a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """What came out of a training.

    Parameters
    ----------
    folder
        Where everything lies.
    genotype_digest, baseline
        What was trained: the digest of a genotype, or the name of a hand-designed network; the other is None.
    model_digest
        Of architecture and weights together.
    best_epoch, n_epochs
        Epoch whose weights were kept, from 1, and epochs trained.
    n_params
        Trained parameters of the network.
    seconds
        Wall time of all epochs.
    validation
        The best epoch's record.
    test
        Metrics on the test split as JSON values, ``strands`` telling how they were taken; None without such a split.
    torch_version
        Version of PyTorch.
    """

    folder: Path
    genotype_digest: str | None = None
    baseline: str | None = None
    model_digest: str
    best_epoch: int
    n_epochs: int
    n_params: int
    seconds: float
    validation: dict[str, Any]
    test: dict[str, Any] | None
    torch_version: str

    def to_document(self) -> dict[str, object]:
        """Return the result as the JSON values of ``result.json``: of digest and name, the one there is."""
        unsaid = {name for name in ("genotype_digest", "baseline") if getattr(self, name) is None}
        values = {name: value for name, value in asdict(self).items() if name not in unsaid | {"folder"}}
        return {**TRAINING_RESULT.header, **values}

    @classmethod
    def load(cls, folder: Path | str) -> "TrainingResult":
        """Read the result of a finished training; raises DataError where there is none."""
        path = Path(folder) / RESULT
        document = TRAINING_RESULT.check_object(read_json(path), where=path)
        values = {key: value for key, value in document.items() if key not in ("format", "version")}
        try:
            return cls(folder=Path(folder), **values)
        except TypeError as error:
            raise DataError(f"{path}: not a whole result: {error}.") from error


def train(
    architecture: Genotype | BaselineName,
    store_path: Path | str,
    output: Path | str,
    *,
    macro: Macro | None = None,
    settings: TrainingSettings,
    seed: int,
    device: str = "auto",
    capture: bool = True,
    resume: bool = False,
    force: bool = False,
    should_stop: Callable[[], bool] | None = None,
    reporter: Reporter | None = None,
) -> TrainingResult:
    """Train a network on a store, test its best epoch, and leave everything in a folder.

    Parameters
    ----------
    architecture
        A genotype, or the name of a hand-designed network, which is made for the store's length.
    macro
        What frames the cells of a genotype; ``macro.length`` must be the store's. None for a hand-designed network.
    store_path
        A sequence store; its labels become the task.
    output
        The folder; made if it is missing.
    settings
        How to train.
    seed
        Of everything random: initial weights, order of windows, dropout.
    device
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
    capture
        Whether a CUDA device runs every step as one CUDA graph.
    resume
        Go on with what lies in ``output``: from its checkpoint, or from the start if there is none yet. A finished
        training is only read.
    force
        Discard the training that lies in ``output``.
    should_stop
        Asked before every step, see :func:`genotools.training.fit`.
    reporter
        Hears how it goes.

    Raises
    ------
    OutputExistsError
        If ``output`` holds something and neither ``resume`` nor ``force`` is given.
    DataError
        If the store or the macro does not fit, another process trains in ``output``, or ``resume`` meets a training
        that was started with other settings, architecture, seed or data; lists what differs.
    DivergedError, TrainingInterrupted
        As :func:`genotools.training.fit`.
    """
    if resume and force:
        raise DataError("resume goes on with a training and force discards it; give one of them.")
    reporter = reporter or Reporter()
    target = choose_device(device)
    folder = Path(output)
    with (
        SequenceStore.open(store_path) as store,
        claimed(
            folder,
            LOCK,
            partial(_check_free, folder, resume=resume, force=force),
            busy="another process is training in this folder.",
        ),
    ):
        network = make_network(
            architecture,
            macro,
            store.task,
            length=store.length,
            seed=child_seed(seed, INITIAL_WEIGHTS),
            device=target,
        )
        if force:
            _discard(folder)
        identity = training_identity(network, store, settings, seed=seed)
        if (folder / CONFIG).exists():
            _check_config(folder, identity)
            if (folder / RESULT).exists():
                reporter.on_message(f"{folder} holds the finished training; nothing is left to do.")
                return TrainingResult.load(folder)
            _rewind_history(folder)
        else:
            _save_architecture(folder, architecture, force=resume)
            _write_config(folder, identity, store)
        reporter.on_start(network, store, target)
        with recorded(folder), _best_kept(folder, network, store):
            fitted = fit(
                network,
                store,
                settings,
                seed=seed,
                device=target,
                capture=capture,
                checkpoint_path=folder / CHECKPOINT,
                resume=resume,
                should_stop=should_stop,
                on_step=reporter.on_step,
                on_epoch=lambda record: _keep(folder, record, reporter),
            )
        return _finish(folder, network, store, fitted, device=target, settings=settings, reporter=reporter)


def _save_architecture(folder: Path, architecture: Genotype | BaselineName, *, force: bool) -> None:
    """Write what is trained; a folder that holds something else already is refused."""
    of_genotype, of_baseline = folder / GENOTYPE, folder / BASELINE
    if of_genotype.exists() and Genotype.load(of_genotype) != architecture:
        raise DataError(f"{of_genotype} is another genotype; choose another folder.")
    if of_baseline.exists() and BaselineName.load(of_baseline) != architecture:
        raise DataError(f"{of_baseline} is another network; choose another folder.")
    architecture.save(of_genotype if isinstance(architecture, Genotype) else of_baseline, force=force)


def _check_free(folder: Path, *, resume: bool, force: bool) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder} is a file, a folder was expected.")
    if resume:
        check_can_continue(folder, "training", config=CONFIG, before_it=(GENOTYPE, BASELINE))
    elif not force and folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
        raise OutputExistsError(folder)


def _discard(folder: Path) -> None:
    """Remove a training's files, and no others; a folder that holds something else is refused."""
    if (folder / CONFIG).exists():
        config = read_json(folder / CONFIG)
        if not isinstance(config, dict) or config.get("format") != TRAINING.name:
            raise DataError(f"{folder} holds something else than a training; choose another folder.")
    for name in (RESULT, CONFIG, GENOTYPE, BASELINE, HISTORY, CURVES, RECORD, WEIGHTS_NAME):
        (folder / name).unlink(missing_ok=True)
    _remove_checkpoint(folder)


def _remove_checkpoint(folder: Path) -> None:
    if (folder / CHECKPOINT.parent).is_dir():
        shutil.rmtree(folder / CHECKPOINT.parent)


def _write_config(folder: Path, identity: dict[str, object], store: SequenceStore) -> None:
    data = {"digest": _data_digest(identity), "path": str(store.path)}
    if genome := store.provenance.get("genome"):
        data["genome"] = str(genome)
    write_json(folder / CONFIG, {**TRAINING.signed_header, **identity, "data": data})


def _data_digest(identity: dict[str, object]) -> object:
    data = identity["data"]
    assert isinstance(data, dict)
    return data["digest"]


def _check_config(folder: Path, identity: dict[str, object]) -> None:
    """Refuse to go on in a folder whose training was started with something else."""
    path = folder / CONFIG
    config = TRAINING.check_object(read_json(path), where=path)
    keys = identity.keys() | {key for pair in ARCHITECTURE_KEYS for key in pair}
    found = {key: config[key] for key in keys if key in config}
    if isinstance(found.get("data"), dict):
        found["data"] = {key: value for key, value in found["data"].items() if key not in ("path", "genome")}
    check_identity(found, identity, where=folder)


def _rewind_history(folder: Path) -> None:
    """Let the history end where the checkpoint does: a kill may have come between the two."""
    path = folder / CHECKPOINT
    write_history(folder / HISTORY, load_checkpoint(path).history if path.exists() else ())


def _keep(folder: Path, record: EpochRecord, reporter: Reporter) -> None:
    append_history(folder / HISTORY, record)
    reporter.on_epoch(record)


@contextmanager
def _best_kept(folder: Path, network: WindowNetwork, store: SequenceStore) -> Iterator[None]:
    """Write the weights of the best epoch also where the training diverges after it."""
    try:
        yield
    except DivergedError as error:
        if error.best_epoch is not None:
            error.weights_path = _save_best(folder, network, store, error.best_epoch)
        raise


def _save_best(folder: Path, network: WindowNetwork, store: SequenceStore, epoch: int) -> Path:
    notes = {"data": store.digest, "epoch": epoch, "genotools": genotools.__version__}
    save_weights(folder / WEIGHTS_NAME, network, notes=notes)
    return folder / WEIGHTS_NAME


def _finish(
    folder: Path,
    network: WindowNetwork,
    store: SequenceStore,
    fitted: FitResult,
    *,
    device: torch.device,
    settings: TrainingSettings,
    reporter: Reporter,
) -> TrainingResult:
    """Write weights, curves and result of a training that is over."""
    best, ranks = fitted.best, Ranks.current()
    ranks.check_equal(model_digest(network), "the weights")
    _save_best(folder, network, store, best.epoch)
    _draw_curves(folder, reporter)
    test = None
    if len(store.rows("test")) and ranks.is_first:
        reporter.on_message("Testing the best epoch ...")
        predictor = TorchPredictor(network, device=device, precision=settings.precision)
        metrics = evaluate(predictor, store, "test", batch_size=settings.batch_size)
        how = describe_strands(default_strands(predictor), predictor)
        test = {"strands": how, **metrics.to_json()}
    result = TrainingResult(
        folder=folder,
        genotype_digest=None if isinstance(network, Baseline) else network.digest,
        baseline=str(network.name) if isinstance(network, Baseline) else None,
        model_digest=model_digest(network),
        best_epoch=best.epoch,
        n_epochs=len(fitted.history),
        n_params=sum(parameter.numel() for parameter in network.parameters()),
        seconds=round(sum(record.seconds for record in fitted.history), 3),
        validation=best.to_document(),
        test=test,
        torch_version=torch.__version__,
    )
    write_json(folder / RESULT, result.to_document())
    _remove_checkpoint(folder)
    return result


def _draw_curves(folder: Path, reporter: Reporter) -> None:
    """Draw the history where matplotlib is installed."""
    from genotools.training.curves import save_curves

    try:
        save_curves(folder / HISTORY, folder / CURVES)
    except MissingExtraError as error:
        reporter.on_message(f"No picture of the curves: {error}")
