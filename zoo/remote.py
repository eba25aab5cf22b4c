"""A zoo elsewhere: index and entries are fetched into the cache, checked, and used from there without a network."""

import difflib
import hashlib
import logging
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from genotools.errors import DataError
from genotools.files import flush_to_disk, swap_folder, write_text
from genotools.temporaries import temporary_folder
from genotools.zoo.card import CARD, MAX_CARD_BYTES, file_sha256, read_card
from genotools.zoo.entry import GENOTYPE, read_entry
from genotools.zoo.index import INDEX, Index, IndexEntry, read_index
from genotools.zoo.names import check_name, is_name
from genotools.zoo.verify import verify_entry
from genotools.zoo.web import Source, UnreachableError

__all__ = ["LOCATION", "MAX_FILE_BYTES", "RemoteZoo", "cache_folder"]

MAX_FILE_BYTES = 1_000_000_000
"""Largest file of an entry that is fetched unasked."""
MAX_INDEX_BYTES = 16_000_000
LOCATION = "location.txt"
"""Where the cache of a zoo says which zoo it is of."""
WAIT_S = 600.0
"""How long another process may fetch the same entry."""

logger = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return the folder that holds the caches of all zoos; it need not exist."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("genotools", appauthor=False)) / "zoo"


class RemoteZoo:
    """A zoo behind a source of files.

    Parameters
    ----------
    source
        Where its files come from.
    cache
        Folder of all caches; the user's by default.
    """

    def __init__(self, source: Source, *, cache: Path | None = None) -> None:
        self.source = source
        words = re.sub(r"[^a-z0-9]+", "-", source.location.lower()).strip("-")[-40:].strip("-")
        key = hashlib.sha256(source.location.encode("utf-8", "replace")).hexdigest()[:12]
        self.folder = (cache or cache_folder()) / f"{words}-{key}"
        self._index: Index | None = None

    @property
    def location(self) -> str:
        """The name of the place, as a person writes it."""
        return self.source.location

    def index(self) -> Index:
        """Return what the zoo has: asked once, and what the cache remembers where it cannot be reached.

        Raises
        ------
        DataError
            If there is no index, or it is not one.
        UnreachableError
            If the zoo cannot be reached and never was.
        """
        if self._index is None:
            self._index = self._fetch_index()
        return self._index

    def _fetch_index(self) -> Index:
        kept = self.folder / INDEX
        self.folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(kept) as work:
            fresh = work / INDEX
            try:
                self.source.fetch(INDEX, fresh, max_bytes=MAX_INDEX_BYTES)
            except UnreachableError as error:
                if not kept.is_file():
                    raise
                logger.warning("%s Going by the index of the last visit.", error)
                return read_index(kept, where=self.location)
            index = read_index(fresh, where=self.location)
            write_text(self.folder / LOCATION, self.location + "\n")
            fresh.replace(kept)
        return index

    def names(self) -> list[str]:
        """Return the names of its entries."""
        return sorted(self.index().entries)

    def find(self, name: str) -> Path | None:
        """Return the folder of an entry: that in the cache, else fetched; None if the zoo has none such."""
        kept = self.folder / name
        if is_name(name) and (kept / CARD).is_file():
            return kept
        return self.fetch(name) if name in self.index().entries else None

    def fetch(self, name: str, *, max_file_bytes: int = MAX_FILE_BYTES) -> Path:
        """Fetch an entry into the cache, unless just this one is there, and return its folder.

        Parameters
        ----------
        max_file_bytes
            Largest file that is accepted.

        Raises
        ------
        DataError
            If there is no such entry, a file is too large or not the one that the card names, or the entry is not
            in order. What was in the cache stays.
        UnreachableError
            If the zoo cannot be reached.
        """
        facts = self._facts(check_name(name))
        for file, fact in facts.files.items():
            if fact.size_bytes > max_file_bytes:
                raise DataError(
                    f"{self.location}: {name}: {file} has {fact.size_bytes:,} bytes, at most {max_file_bytes:,} "
                    "are fetched. `genotools zoo get --max-mb` raises that."
                )
        kept = self.folder / name
        with self._alone(name) as part:
            if not _is_current(kept, facts):
                self._fetch_into(part / name, name, facts)
                swap_folder(part / name, kept, aside=part / "replaced")
                flush_to_disk(self.folder)
        return kept

    def _facts(self, name: str) -> IndexEntry:
        entries = self.index().entries
        if name not in entries:
            near = difflib.get_close_matches(name, entries, n=1)
            hint = (
                f" Did you mean {near[0]!r}?"
                if near
                else f" It has {len(entries)} entries: `genotools zoo list`."
            )
            raise DataError(f"{self.location}: no entry {name!r}.{hint}")
        return entries[name]

    @contextmanager
    def _alone(self, name: str) -> Iterator[Path]:
        """Yield an empty folder for what is fetched, while no other process fetches the same entry."""
        part = self.folder / f".{name}.part"
        lock = FileLock(self.folder / f".{name}.lock")
        try:
            lock.acquire(timeout=WAIT_S)
        except Timeout as error:
            raise DataError(f"{name}: another process has been fetching it for {WAIT_S:.0f} s.") from error
        try:
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            part.mkdir()
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)
            lock.release()

    def _fetch_into(self, folder: Path, name: str, facts: IndexEntry) -> None:
        folder.mkdir()
        self._fetch_file(folder, CARD, facts.card.sha256, MAX_CARD_BYTES)
        card = read_card(folder / CARD)
        if {
            file: fact.sha256 for file, fact in facts.files.items()
        } != card.files or GENOTYPE not in card.files:
            raise DataError(
                f"{self.location}: {name}: card and index do not name the same files, or no genotype."
            )
        for file, sha256 in card.files.items():
            self._fetch_file(folder, file, sha256, facts.files[file].size_bytes)
        verify_entry(read_entry(folder))

    def _fetch_file(self, folder: Path, file: str, sha256: str, max_bytes: int) -> None:
        target = folder / file
        self.source.fetch(f"{folder.name}/{file}", target, max_bytes=max_bytes)
        if (found := file_sha256(target)) != sha256:
            raise DataError(
                f"{self.location}: {folder.name}/{file}: sha256 is {found}, expected was {sha256}. The zoo is "
                "damaged or was changed meanwhile; nothing was kept. Try again, then tell whoever runs it."
            )
        flush_to_disk(target)


def _is_current(folder: Path, facts: IndexEntry) -> bool:
    """Return whether the cache holds this very entry, whole."""
    card = folder / CARD
    if not card.is_file() or file_sha256(card) != facts.card.sha256:
        return False
    paths = {folder / file: fact.sha256 for file, fact in facts.files.items()}
    return all(path.is_file() and file_sha256(path) == sha256 for path, sha256 in paths.items())
