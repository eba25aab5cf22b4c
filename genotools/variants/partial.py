"""A table of variants in the making, so that a run that was killed goes on and ends with the same bytes.

Beside the output lie ``NAME.partial`` and perhaps others with more to their name, which only grow, and
``NAME.partial.json``: what is being computed, how many variants are done, how long each of the files was then, and
the counts so far. Going on cuts the files to those lengths and leaves out the variants that are done.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from genotools.errors import DataError
from genotools.files import flush_to_disk, no_room_named, read_json, write_json
from genotools.formats import VARIANTS_PROGRESS

__all__ = ["PartialTable"]


class PartialTable:
    """The files of a table in the making; whoever writes them holds :func:`genotools.files.claimed_output`.

    Parameters
    ----------
    output
        The table.
    suffixes
        Of the growing files, the first being empty: ``NAME.partial`` and ``NAME.partial`` + suffix.
    identity
        JSON values that tell what is computed from anything else.
    """

    def __init__(self, output: Path, suffixes: tuple[str, ...], identity: Mapping[str, object]) -> None:
        self._output = output
        base = output.with_name(f"{output.name}.partial")
        self.paths = {suffix: base.with_name(base.name + suffix) for suffix in suffixes}
        self._base, self.progress_path = base, base.with_name(f"{base.name}.json")
        self._identity = dict(identity)

    @contextmanager
    def kept_where_stopped(self) -> Iterator[None]:
        """Remove the files in the end, or when something is wrong: after Ctrl-C or on a full disk they stay."""
        try:
            with no_room_named(self._output):
                yield
        except Exception as error:
            is_from_disk = isinstance(error, OSError) or isinstance(error.__cause__, OSError)
            if not (is_from_disk and self.progress_path.exists()):
                self._remove()
            raise
        self._remove()

    def begin(self, *, resume: bool, force: bool) -> dict[str, Any] | None:
        """Return how far the run is, and cut the files to what was noted; None where it begins anew.

        Raises
        ------
        DataError
            If half of a table lies there and neither ``resume`` nor ``force`` is given, or it is of another run.
        """
        if self._base.exists() and self.progress_path.exists() and not (resume or force):
            raise DataError(
                f"{self._base} is half of a table: go on with --resume, or start anew with --force."
            )
        if force or not (self._base.exists() and self.progress_path.exists()):
            self._remove()
            for path in self.paths.values():
                path.touch()
            return None
        progress = VARIANTS_PROGRESS.check_object(read_json(self.progress_path), where=self.progress_path)
        if progress.get("identity") != self._identity:
            raise DataError(
                f"{self._base} was begun with another model, other variants or options; start anew with --force."
            )
        lengths = progress.get("lengths")
        for suffix, path in self.paths.items():
            if not isinstance(lengths, dict) or type(lengths.get(suffix)) is not int or lengths[suffix] < 0:
                raise DataError(f"{self.progress_path}: lengths: damaged; start anew with --force.")
            if not path.is_file() or path.stat().st_size < lengths[suffix]:
                raise DataError(f"{path} is shorter than was noted; start anew with --force.")
            os.truncate(path, lengths[suffix])
        return progress

    def save(self, state: Mapping[str, object]) -> None:
        """Note how far it is, once everything before is on the disk."""
        lengths = {}
        for suffix, path in self.paths.items():
            flush_to_disk(path)
            lengths[suffix] = path.stat().st_size
        run = {"identity": self._identity, "lengths": lengths}
        write_json(self.progress_path, {**VARIANTS_PROGRESS.signed_header, **run, **state})

    def _remove(self) -> None:
        for path in (*self.paths.values(), self.progress_path):
            path.unlink(missing_ok=True)
