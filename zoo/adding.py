"""Adding entries to a zoo in a folder; several processes may add to one at once."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from genotools.errors import DataError, OutputExistsError
from genotools.files import parse_json, swap_folder, write_json
from genotools.genotype.genotype import Genotype
from genotools.temporaries import temporary_folder
from genotools.training.weights_header import read_weights_header
from genotools.zoo.card import CARD, Licences, file_sha256, make_card
from genotools.zoo.entry import GENOTYPE, KEPT_FILES, ONNX, WEIGHTS, Entry, read_entry
from genotools.zoo.index import write_index
from genotools.zoo.names import check_name
from genotools.zoo.places import Where, shipped_zoo, writable_zoo
from genotools.zoo.verify import verify_entry

__all__ = ["add_entry"]

LOCK = ".lock"
WAIT_S = 120.0
"""How long others may be writing to the zoo; one writer takes well below a second."""


def add_entry(
    name: str,
    source: Path,
    *,
    summary: str,
    origin: str,
    zoo: Where | None = None,
    licences: Licences | None = None,
    facts: Mapping[str, dict[str, Any]] | None = None,
    force: bool = False,
) -> Entry:
    """Copy a genotype, or a folder that holds one with its weights, into a zoo, and bring its index up to date.

    Parameters
    ----------
    name
        Lower-case letters, digits, dashes and underscores.
    source
        A genotype file, or a folder with ``genotype.json`` and perhaps ``weights.safetensors`` and ``model.onnx``.
    summary, origin, licences, facts
        What the card says; ``facts`` are those of :func:`genotools.zoo.sources.facts_of`.
    zoo
        The zoo's folder; by default that of ``GENOTOOLS_ZOO``, else the person's own.
    force
        Replace an entry of the same name.

    Raises
    ------
    DataError, OutputExistsError
        If the name, the card's text or the source is wrong, model files belong to another genotype or to each
        other's weights, or the name is taken.
    """
    check_name(name)
    files = _source_files(source)
    genotype = Genotype.load(files[GENOTYPE])
    folder = writable_zoo(zoo)
    if zoo is None and (shipped_zoo() / name).exists() and not force:
        raise DataError(
            f"{name!r} is the name of a shipped entry. Choose another, or hide that one with --force."
        )
    target = folder / name
    if target.exists() and not force:
        raise OutputExistsError(target)
    of_model = _facts_of_model(source, name) if source.is_dir() else {}
    folder.mkdir(parents=True, exist_ok=True)
    with temporary_folder(target) as work:
        made = work / name
        made.mkdir()
        for file, path in files.items():
            shutil.copyfile(path, made / file)
        card = make_card(
            where=name,
            name=name,
            summary=summary,
            origin=origin,
            digest=genotype.digest,
            licences=(licences or Licences()).model_dump(),
            files={file: file_sha256(made / file) for file in files},
            **(_facts_of_genotype(genotype) | dict(facts or {}) | of_model),
        )
        write_json(made / CARD, card.model_dump(exclude_none=True))
        entry = read_entry(made)
        verify_entry(entry)
        with _alone(folder):
            if target.exists() and not force:  # somebody was faster
                raise OutputExistsError(target)
            swap_folder(made, target, aside=work / "replaced")
            write_index(folder)
    return replace(entry, path=target)


def _facts_of_genotype(genotype: Genotype) -> dict[str, object]:
    search = genotype.meta.get("search")
    return {"search": dict(search)} if isinstance(search, Mapping) else {}


def _facts_of_model(folder: Path, name: str) -> dict[str, object]:
    """Return how windows are given to the model of a folder, and what it says of a few; nothing without such."""
    if not any((folder / file).is_file() for file in (ONNX, WEIGHTS)) or _is_per_position(folder):
        return {}
    from genotools.zoo.known_answers import ask, inputs_of  # they run the model
    from genotools.zoo.model import predictor_of_folder

    model = predictor_of_folder(folder, name=name, device="cpu")
    return {"inputs": inputs_of(model).model_dump(), "known_answers": ask(model)}


def _is_per_position(folder: Path) -> bool:
    """Return whether a network has outputs for every position, which no predictor of windows gives."""
    if not (folder / WEIGHTS).is_file():
        return False
    text = read_weights_header(folder / WEIGHTS).get("task", "{}")
    task = parse_json(text, where=f"{folder / WEIGHTS}: task")
    return isinstance(task, dict) and bool(task.get("per_position"))


@contextmanager
def _alone(zoo: Path) -> Iterator[None]:
    """Hold the zoo's lock inside the block."""
    lock = FileLock(zoo / LOCK)
    try:
        lock.acquire(timeout=WAIT_S)
    except Timeout as error:
        raise DataError(
            f"{zoo}: other processes have been writing to it for {WAIT_S:.0f} s. Try again."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _source_files(source: Path) -> dict[str, Path]:
    if source.is_file():
        return {GENOTYPE: source}
    files = {name: source / name for name in KEPT_FILES if (source / name).is_file()}
    if GENOTYPE not in files:
        best = source / "best.genotype.json"
        if not best.is_file():
            raise DataError(f"{source}: no genotype.json in it; a genotype file or such a folder is needed.")
        files = {GENOTYPE: best}
    return files
