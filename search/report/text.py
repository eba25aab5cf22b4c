"""Figures and records of a search in words, as the report prints them."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from genotools.search.objectives import Objective
from genotools.search.trial import Trial

__all__ = [
    "compact",
    "count",
    "duration",
    "engine_title",
    "last_line",
    "metric_label",
    "origin_words",
    "score_text",
    "spread_text",
]

ENGINE_TITLES: Mapping[str, str] = {
    "random": "Random search",
    "successive-halving": "Successive halving",
    "hyperband": "Hyperband",
    "evolution": "Regularised evolution",
    "pareto": "Pareto evolution",
    "local-search": "Local search",
    "bonas": "BONAS",
    "enas": "ENAS",
    "rl": "Reinforcement learning",
    "darts": "DARTS",
    "pdarts": "P-DARTS",
    "cwp-darts": "CWP-DARTS",
    "edp-darts": "EDP-DARTS",
    "osp-nas": "OSP-NAS",
}

METRIC_LABELS: Mapping[str, str] = {
    "valid_auprc": "validation AUPRC",
    "valid_auroc": "validation AUROC",
    "valid_weighted_f1": "validation weighted F1",
    "valid_accuracy": "validation accuracy",
    "valid_cross_entropy": "validation cross entropy",
    "valid_pearson": "validation Pearson's r",
    "valid_r2": "validation R²",
    "valid_d2": "validation D²",
    "valid_loss": "validation loss",
    "params": "parameters",
    "macs": "multiply-adds",
    "epochs": "epochs",
}

HOW: Mapping[str, str] = {"sample": "sampled", "derive": "derived", "start": "a start"}
HOW_OF: Mapping[str, str] = {"mutation": "mutant", "crossover": "child", "neighbor": "neighbour"}
"""How a trial came about, alone and with parents."""

SHORT_DIGEST = 12
DIGEST_LENGTH = 64
MAX_ORIGIN = 200
"""Characters of an origin that are shown."""


def engine_title(engine: str) -> str:
    """Return the name of an engine as it stands in a heading."""
    return ENGINE_TITLES.get(engine, engine)


def metric_label(metric: str) -> str:
    """Return the name of a metric as it stands in a sentence."""
    return METRIC_LABELS.get(metric, metric.replace("_", " "))


def compact(value: float) -> str:
    """Return a number in few characters.

    >>> [compact(value) for value in (0.43219, 12.5, 1234, 56789, 3.2e6)]
    ['0.4322', '12.5', '1,234', '56.8 k', '3.20 M']
    """
    size = abs(value)
    if value == int(value) and size < 10_000:
        return f"{value:,.0f}"
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= factor:
            factor = 1e3 if unit == "k" else factor
            return f"{_three_digits(value / factor)} {unit}" if size < 1e16 else f"{value:.2e}"
    return f"{value:.4f}" if 1e-3 <= size < 1 else f"{value:.4g}"


def _three_digits(value: float) -> str:
    return f"{value:.{max(0, 2 - int(math.log10(abs(value))))}f}"


def count(n: int, noun: str) -> str:
    """Return ``n`` and the noun in singular or plural."""
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def duration(seconds: float) -> str:
    """Return a time in its two largest units.

    >>> [duration(seconds) for seconds in (0.4, 12.3, 754, 86399)]
    ['0.4 s', '12 s', '12 min 34 s', '23 h 59 min']
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60:02d} min"


def score_text(objective: Objective, score: float, metrics: Mapping[str, float] | None = None) -> str:
    """Return the metric of a score, with its spread over repeats where that was measured."""
    text = compact(objective.value(score))
    spread = (metrics or {}).get(f"{objective.metric}_sd")
    return text if spread is None else f"{text} ± {compact(spread)}"


def spread_text(values: Sequence[float]) -> str:
    """Return mean ± standard deviation (n − 1) of values, or the one value there is.

    >>> spread_text([0.4, 0.5, 0.6])
    '0.5000 ± 0.1000'
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return compact(mean)
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return f"{compact(mean)} ± {compact(sd)}"


def last_line(error: str | None) -> str:
    """Return the last line of a traceback that says something."""
    lines = [line for line in (error or "").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "No reason was recorded."


def origin_words(trial: Trial) -> str:
    """Return how an engine came to a trial, as a short phrase; keys that engines of genotools use read as prose."""
    origin = dict(trial.origin)
    how = str(origin.pop("how", ""))
    names = [origin.pop(key) for key in ("parent", "other_parent") if origin.get(key)]
    parents = " and ".join(map(_digest, names))
    parts = (
        [f"{HOW_OF.get(how, how or 'child')} of {parents}"] if parents else [HOW.get(how, how)] if how else []
    )
    parts += [_fact(name, value) for name, value in origin.items() if value is not None]
    if trial.continues is not None:
        parts.append(f"goes on with trial {trial.continues}")
    text = ", ".join(parts) or "sampled"
    return text if len(text) <= MAX_ORIGIN else f"{text[:MAX_ORIGIN]} …"


def _fact(name: str, value: Any) -> str:
    words = name.replace("_", " ")
    if value is True:
        return words
    if isinstance(value, float):
        return f"{words} {compact(value)}"
    if isinstance(value, list):
        return f"{words} {', '.join(map(_digest, value))}"
    return f"{words} {_digest(value)}"


def _digest(value: object) -> str:
    """Return a digest cut short, anything else as it is."""
    text = str(value)
    is_digest = len(text) == DIGEST_LENGTH and all(letter in "0123456789abcdef" for letter in text)
    return text[:SHORT_DIGEST] if is_digest else text
