"""What a card says, as short lines for a person: on the terminal and in the gallery.

Cards come from anybody: of their free parts at most so much is shown.
"""

import json
import math

from genotools.zoo.card import Card, without_controls
from genotools.zoo.entry import Entry

__all__ = ["METRICS", "card_lines", "scores"]

METRICS = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "weighted_f1": "weighted F1",
    "accuracy": "accuracy",
    "pearson": "Pearson's r",
    "spearman": "Spearman's ρ",
    "r2": "R²",
    "d2": "D²",
}
"""Metrics that are shown, all of which are the better the larger."""
MAX_TEXT = 600


def card_lines(entry: Entry) -> list[tuple[str, str]]:
    """Return what the card of an entry says, each with what it is about."""
    card = entry.card
    lines = [("origin", card.origin)]
    lines += [("search", _short(_flat(card.search)))] if card.search else []
    if card.task:
        names = card.task.get("names")
        listed = [str(name) for name in names] if isinstance(names, list) else []
        kind = f"{card.task.get('kind', 'task')}, {card.task.get('n_outputs', len(listed))} outputs"
        lines.append(("task", _short(f"{kind}: {', '.join(listed)}" if listed else kind)))
    lines += [("data", _short(_flat(card.data)))] if card.data else []
    lines += [("training", _short(_flat(card.training)))] if card.training else []
    if card.inputs:
        shown = card.inputs
        at = f"a variant begins at {shown.variant_index}"
        lines.append(("windows", f"{shown.length:,} bp, bases in the order {shown.bases}, {at}"))
    relevant = ("genotype", "weights", "data") if len(entry.parts) > 1 else ("genotype",)
    licences = dict.fromkeys(relevant, "not stated") | card.licences.model_dump(exclude_none=True)
    lines.append(("licences", ", ".join(f"{part}: {text}" for part, text in licences.items())))
    lines.append(("digest", entry.genotype.digest))
    return lines


def scores(card: Card) -> dict[str, tuple[float, str]]:
    """Return metrics by label with their split: of the test split, else of the validation split."""
    for split, prefix in (("test", "mean_"), ("validation", "valid_")):
        values = (card.metrics or {}).get(split)
        if not isinstance(values, dict):
            continue
        found = {
            label: (float(value), split)
            for key, label in METRICS.items()
            if isinstance(value := values.get(prefix + key, values.get(key)), int | float)
            and not isinstance(value, bool)
            and math.isfinite(value)
        }
        if found:
            return found
    return {}


def _flat(value: object) -> str:
    """Return an object of JSON as a line of text; what is not set is left out."""
    if isinstance(value, dict):
        texts = {
            key: f"({_flat(inner)})" if isinstance(inner, dict) else _flat(inner)
            for key, inner in value.items()
            if inner is not None
        }
        return ", ".join(f"{key} {text}" for key, text in texts.items())
    if isinstance(value, list):
        return ", ".join(_flat(inner) for inner in value)
    return value if isinstance(value, str) else json.dumps(value)


def _short(text: str) -> str:
    text = without_controls(text)
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT].rstrip(', ')} …"
