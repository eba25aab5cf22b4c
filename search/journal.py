"""The journal of a search: one JSON event a line, appended and flushed to disk, never rewritten.

A kill may cut the last line short; such a line is dropped on reading and cut off before the next is written.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genotools.errors import DataError

__all__ = ["Journal"]


class Journal:
    """An append-only file of events."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Return all complete events.

        Raises
        ------
        DataError
            If a line before the last is not an event; names the line.
        """
        if not self.path.exists():
            return []
        *lines, _ = self.path.read_bytes().split(b"\n")  # what has no newline behind it was cut off
        return [self._parse(line, number) for number, line in enumerate(lines, start=1)]

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            event = json.loads(line)
        except ValueError as error:
            raise DataError(f"{self.path}, line {number}: not a JSON event: {error}.") from error
        if not isinstance(event, dict) or not isinstance(event.get("event"), str):
            raise DataError(f"{self.path}, line {number}: not an event.")
        return event

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
