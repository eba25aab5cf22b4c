"""A repository of the Hugging Face Hub as a zoo; its addresses and the person's token come from huggingface_hub."""

import re
from pathlib import Path
from typing import Any

from genotools.errors import DataError
from genotools.extras import require
from genotools.zoo.web import UnreachableError, download

__all__ = ["PREFIX", "HubSource"]

PREFIX = "hf:"
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_REPOSITORY = re.compile(rf"hf:({_PART}/{_PART})(?:@([A-Za-z0-9][A-Za-z0-9._-]{{0,94}}))?")


class HubSource:
    """A model repository, ``hf:OWNER/NAME`` or ``hf:OWNER/NAME@REVISION``.

    Raises
    ------
    DataError
        If ``location`` is no such name.
    MissingExtraError
        If huggingface_hub is not installed.
    """

    def __init__(self, location: str) -> None:
        match = _REPOSITORY.fullmatch(location)
        if match is None:
            raise DataError(
                f"{location[:200]!r} is no repository. Write hf:OWNER/NAME or hf:OWNER/NAME@REVISION."
            )
        self.location = location
        self._repository, self._revision = match.groups()
        self._hub: Any = require("huggingface_hub", extra="hub")

    def fetch(self, file: str, target: Path, *, max_bytes: int) -> None:
        """Write ``file`` to ``target``; see :func:`genotools.zoo.web.download`."""
        if self._hub.constants.HF_HUB_OFFLINE:
            raise UnreachableError(f"{self.location}: HF_HUB_OFFLINE forbids asking the Hub.")
        try:
            url = self._hub.hf_hub_url(self._repository, file, revision=self._revision)
        except ValueError as error:
            raise DataError(f"{self.location}: {error}.") from error
        token = self._hub.get_token()
        download(
            url, target, max_bytes=max_bytes, headers={"Authorization": f"Bearer {token}"} if token else None
        )
