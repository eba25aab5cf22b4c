"""What a person may type where a command wants a macro-architecture."""

from pathlib import Path

from genotools.errors import DataError
from genotools.genotype.baselines import BaselineName
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro

__all__ = ["load_macro", "load_macro_for"]

NAMED = {"paper": Macro.paper, "small": Macro.small}


def load_macro(text: str, *, length: int) -> Macro:
    """Return the macro that ``text`` names (paper, small, or a JSON file) for windows of ``length`` bp."""
    if text in NAMED:
        return NAMED[text](length)
    path = Path(text)
    if path.suffix != ".json":
        raise DataError(f"unknown macro {text!r}. Known: {', '.join(NAMED)}, or a .json file.")
    from genotools.files import read_json

    return Macro.from_document(read_json(path), where=str(path), length=length)


def load_macro_for(
    architecture: Genotype | BaselineName, text: str | None, *, default: str, length: int
) -> Macro | None:
    """Return the macro that ``text``, else ``default``, names; None for a hand-designed network, which takes none."""
    if isinstance(architecture, Genotype):
        return load_macro(text or default, length=length)
    if text is not None:
        raise DataError(
            f"--macro {text}: {architecture} is hand-designed; a macro frames the cells of a genotype. Leave it out."
        )
    return None
