"""Templates of the pages that are written: everything is escaped, nothing may be missing."""

import base64
import hashlib
from functools import cache
from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined

__all__ = ["source_digest", "templates_of"]


@cache
def templates_of(package: str) -> Environment:
    """Return the templates that lie beside the modules of ``package``."""

    def read(name: str) -> str:
        return (resources.files(package) / name).read_text(encoding="utf-8")

    return Environment(
        loader=FunctionLoader(read),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def source_digest(text: str) -> str:
    """Return what a Content-Security-Policy calls a style or a script of the page itself."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
