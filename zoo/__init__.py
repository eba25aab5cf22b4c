"""Floor 4: the zoo. Genotypes and models under names, each a folder with a card that says what it is."""

if __name__ != "genotools.zoo":
    raise ImportError("This folder is installed as genotools.zoo. Import it under that name.")

from genotools.zoo.adding import add_entry
from genotools.zoo.card import Card
from genotools.zoo.entries import entry_names, entry_path, list_entries, load_entry
from genotools.zoo.entry import Entry
from genotools.zoo.model import Model, load
from genotools.zoo.verify import verify_answers, verify_entry

__all__ = [
    "Card",
    "Entry",
    "Model",
    "add_entry",
    "entry_names",
    "entry_path",
    "list_entries",
    "load",
    "load_entry",
    "verify_answers",
    "verify_entry",
]
