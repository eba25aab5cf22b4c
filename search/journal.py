"""The journal of a search: one JSON event a line, appended and flushed to disk, never rewritten.

A kill may cut the last line short; such a line is dropped on reading and cut off before the next is written.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genotools.errors import DataError
from genotools.files import MAX_JSON_BYTES, parse_json, read_bytes

__all__ = ["Journal"]

MAX_BYTES = 1 << 30
"""A trial takes about four thousand."""


class Journal:
    """An append-only file of events."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Return all complete events; the file is left as it is.

        Raises
        ------
        DataError
            If a complete line is not an event, naming it, or there is more than a journal has.
        """
        return [event for _, event in self.with_places()]

    def with_places(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what :meth:`read` does, each event with its file and line for errors."""
        if not self.path.exists():
            return []
        if not self.path.is_file():  # a device or a pipe need not end
            raise DataError(f"{self.path}: not an ordinary file.")
        # What has no newline behind it was cut off.
        *lines, _ = read_bytes(self.path, max_bytes=MAX_BYTES).split(b"\n")
        return [_parsed(line, f"{self.path}, line {number}") for number, line in enumerate(lines, start=1)]

    def append(self, event: str, values: Mapping[str, Any]) -> None:
        """Add one event; it is on the disk when this returns."""
        line = json.dumps({"event": event, **values}, allow_nan=False) + "\n"
        self._drop_torn_line()
        with self.path.open("ab") as file:
            file.write(line.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())

    def _drop_torn_line(self) -> None:
        """Cut off a last line that a kill left without its end."""
        if not self.path.exists():
            return
        with self.path.open("rb+") as file:
            size = file.seek(0, os.SEEK_END)
            if size == 0:
                return
            file.seek(size - 1)
            if file.read(1) != b"\n":
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)


def _parsed(line: bytes, place: str) -> tuple[str, dict[str, Any]]:
    if len(line) > MAX_JSON_BYTES:
        raise DataError(f"{place}: {len(line):,} bytes, at most {MAX_JSON_BYTES:,} are read.")
    try:
        event = parse_json(line.decode("utf-8"), where=place.rpartition(", ")[2])
    except ValueError as error:  # DataError and UnicodeDecodeError are both of them
        raise DataError(f"{place}: not a JSON event: {error}") from error
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        raise DataError(f"{place}: not an event.")
    return place, event
