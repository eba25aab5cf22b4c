"""Scores of a variant from the probabilities of its REF and ALT window.

With strands both, a score is computed on each strand and averaged (``average="scores"``, as DeepSEA does), or the
probabilities are averaged first (``"probs"``); the log odds ratio is not linear, so the two differ. ``absdiff``
and ``effect`` are made from the averaged ``diff`` and ``logfc`` in either case, as DeepSEA's E-value is.

References
----------
Zhou & Troyanskaya 2015, Nature Methods 12:931, and the scripts published with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from genotools.errors import DataError

__all__ = ["CLIP", "SCORES", "Average", "Score", "check_scores", "compute_scores"]

Average = Literal["scores", "probs"]
Floats = NDArray[np.float64]

CLIP = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A score: its name, its formula in words for headers and help, and how it is computed.

    ``compute`` maps REF and ALT probabilities of shape ``(S, N, K)``, S strands, to ``(N, K)``.
    """

    name: str
    formula: str
    compute: Callable[[Floats, Floats], Floats]
    needs_probs: bool = False


def _ref(ref: Floats, alt: Floats) -> Floats:
    return _mean(ref)


def _alt(ref: Floats, alt: Floats) -> Floats:
    return _mean(alt)


def _diff(ref: Floats, alt: Floats) -> Floats:
    return _mean(alt - ref)


def _logfc(ref: Floats, alt: Floats) -> Floats:
    return _mean(_log2_odds(alt) - _log2_odds(ref))


def _absdiff(ref: Floats, alt: Floats) -> Floats:
    return np.abs(_diff(ref, alt))


def _effect(ref: Floats, alt: Floats) -> Floats:
    return np.abs(_logfc(ref, alt)) * np.abs(_diff(ref, alt))


def _mean(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=0))


def _log2_odds(probs: Floats) -> Floats:
    clipped = np.clip(probs, CLIP, 1 - CLIP)
    return np.log2(clipped) - np.log2(1 - clipped)


SCORES: Mapping[str, Score] = MappingProxyType(
    {
        score.name: score
        for score in (
            Score(name="ref", formula="p_ref", compute=_ref),
            Score(name="alt", formula="p_alt", compute=_alt),
            Score(name="diff", formula="p_alt - p_ref", compute=_diff),
            Score(name="absdiff", formula="|diff|", compute=_absdiff),
            Score(
                name="logfc",
                formula=f"log2(p_alt/(1-p_alt)) - log2(p_ref/(1-p_ref)), p clipped to [{CLIP:g}, 1-{CLIP:g}]",
                compute=_logfc,
                needs_probs=True,
            ),
            Score(name="effect", formula="|logfc| * |diff|", compute=_effect, needs_probs=True),
        )
    }
)


def check_scores(names: Sequence[str]) -> list[Score]:
    """Return the scores of these names, in their order.

    Raises
    ------
    DataError
        If there is none, or one is unknown or repeated.
    """
    unknown = [name for name in names if name not in SCORES]
    if unknown or not names:
        asked = ", ".join(map(repr, unknown)) or "none given"
        raise DataError(f"scores: unknown {asked}. Known are {', '.join(SCORES)}.")
    if len(set(names)) < len(names):
        raise DataError(f"scores: {', '.join(names)} names one twice.")
    return [SCORES[name] for name in names]


def compute_scores(
    ref: NDArray[np.float32],
    alt: NDArray[np.float32],
    scores: Sequence[Score],
    *,
    average: Average = "scores",
) -> dict[str, NDArray[np.float32]]:
    """Return each score of N variants, shape ``(N, K)``, by its name.

    Parameters
    ----------
    ref, alt
        Probabilities of the REF and the ALT windows, shape ``(S, N, K)``, S strands.
    scores
        What to compute, see :func:`check_scores`.
    average
        ``"scores"``: average the strands' scores; ``"probs"``: score the strands' average.

    Raises
    ------
    DataError
        If a score with odds is asked for and the values are not within 0 and 1.
    """
    # Double precision: 1 - p of a float32 near 1 keeps two digits.
    wide_ref, wide_alt = ref.astype(np.float64), alt.astype(np.float64)
    for score in scores:
        if score.needs_probs:
            _check_probs(score.name, wide_ref, wide_alt)
    if average == "probs":
        wide_ref, wide_alt = (probs.mean(axis=0, keepdims=True) for probs in (wide_ref, wide_alt))
    return {score.name: score.compute(wide_ref, wide_alt).astype(np.float32) for score in scores}


def _check_probs(name: str, *probs: Floats) -> None:
    for values in probs:
        if values.size and (values.min() < 0 or values.max() > 1):
            raise DataError(
                f"score {name!r} needs probabilities, and the model gives values from {values.min():.4g} to "
                f"{values.max():.4g}. Choose from: ref, alt, diff, absdiff."
            )
