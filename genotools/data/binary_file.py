"""Binary files read by place: every offset and length is held against the size of the file."""

from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from genotools.errors import DataError

__all__ = ["BinaryFile"]


class BinaryFile:
    """A file of a binary format, open for reading.

    Not to be shared between processes: each opens its own.

    Raises
    ------
    DataError
        If the file cannot be read.
    """

    format_name: ClassVar[str]

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        try:
            self._file = self.path.open("rb")
            self._size = self.path.stat().st_size
        except OSError as error:
            raise DataError(f"{path}: {error.strerror or error}.") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bytes(self, offset: int, n: int) -> bytes:
        """Return n bytes; raises DataError where the file has fewer."""
        if offset + n > self._size:
            raise self._damage(f"byte {offset + n:,} of {self._size:,} is needed")
        self._file.seek(offset)
        data = self._file.read(n)
        if len(data) < n:
            raise self._damage("it became shorter while it was read")
        return data

    def _damage(self, what: str) -> DataError:
        return DataError(f"{self.path}: the {self.format_name} file is damaged or cut off ({what}).")
