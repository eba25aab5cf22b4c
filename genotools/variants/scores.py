"""Scores of a variant from the probabilities of its REF and ALT window.

``evalue`` and ``zscore`` compare with a background of many variants (:mod:`genotools.variants.background`).
Odds are taken of probabilities kept away from 0 and 1, or exactly as DeepSEA's scripts do (``odds="deepsea"``).

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
from genotools.variants.background import Background

__all__ = ["CLIP", "ODDS_FORMULAS", "SCORES", "Average", "Odds", "Score", "check_scores", "compute_scores"]

Average = Literal["scores", "probs"]
Odds = Literal["clipped", "deepsea"]
Floats = NDArray[np.float64]

CLIP = 1e-6
DEEPSEA_EPSILON = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A score: its name, its formula in words for headers and help, and how it is computed.

    ``compute`` maps REF and ALT probabilities of shape ``(S, N, K)``, S strands, to ``(N, K)``.
    """

    name: str
    formula: str
    compute: Callable[["_Inputs"], Floats]
    needs_probs: bool = False
    needs_background: bool = False


@dataclass(frozen=True, slots=True)
class _Inputs:
    """Probabilities of REF and ALT, ``(S, N, K)``, how odds are taken, and what to compare with."""

    ref: Floats
    alt: Floats
    odds: Odds
    background: Background | None

    @property
    def diff(self) -> Floats:
        return _mean(self.alt - self.ref)

    @property
    def logfc(self) -> Floats:
        return _mean(_log2_odds(self.alt, self.odds) - _log2_odds(self.ref, self.odds))

    @property
    def effect(self) -> Floats:
        return np.abs(self.logfc) * np.abs(self.diff)

    @property
    def known(self) -> Background:
        if self.background is None:
            raise DataError("evalue and zscore: a background is needed.")
        return self.background


def _mean(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=0))


def _log2_odds(probs: Floats, odds: Odds) -> Floats:
    if odds == "deepsea":
        # A probability of exactly 0, which has no logarithm, is the smallest that float32 holds.
        return np.log2(np.maximum(probs, np.finfo(np.float32).tiny)) - np.log2(1 - probs + DEEPSEA_EPSILON)
    clipped = np.clip(probs, CLIP, 1 - CLIP)
    return np.log2(clipped) - np.log2(1 - clipped)


ODDS_FORMULAS: Mapping[Odds, str] = MappingProxyType(
    {
        "clipped": f"log2(p_alt/(1-p_alt)) - log2(p_ref/(1-p_ref)), p clipped to [{CLIP:g}, 1-{CLIP:g}]",
        "deepsea": f"log2(p_alt/(1-p_alt+{DEEPSEA_EPSILON:g})) - log2(p_ref/(1-p_ref+{DEEPSEA_EPSILON:g}))",
    }
)

SCORES: Mapping[str, Score] = MappingProxyType(
    {
        score.name: score
        for score in (
            Score(name="ref", formula="p_ref", compute=lambda x: _mean(x.ref)),
            Score(name="alt", formula="p_alt", compute=lambda x: _mean(x.alt)),
            Score(name="diff", formula="p_alt - p_ref", compute=lambda x: x.diff),
            Score(name="absdiff", formula="|diff|", compute=lambda x: np.abs(x.diff)),
            Score(
                name="logfc",
                formula=ODDS_FORMULAS["clipped"],
                compute=lambda x: x.logfc,
                needs_probs=True,
            ),
            Score(name="effect", formula="|logfc| * |diff|", compute=lambda x: x.effect, needs_probs=True),
            Score(
                name="evalue",
                formula="share of the background's n variants with a larger effect, at least 1/(n+1)",
                compute=lambda x: x.known.evalues(x.effect),
                needs_probs=True,
                needs_background=True,
            ),
            Score(
                name="zscore",
                formula="diff / root mean square of the background's diff",
                compute=lambda x: x.known.zscores(x.diff),
                needs_background=True,
            ),
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
    odds: Odds = "clipped",
    background: Background | None = None,
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
    odds
        ``"clipped"`` or ``"deepsea"``, see ``ODDS_FORMULAS``.
    background
        For ``evalue`` and ``zscore``, of these K outputs.

    Raises
    ------
    DataError
        If a score with odds is asked for and the values are not within 0 and 1, or one that needs a background and
        there is none.
    """
    # Double precision: 1 - p of a float32 near 1 keeps two digits.
    wide_ref, wide_alt = ref.astype(np.float64), alt.astype(np.float64)
    for score in scores:
        if score.needs_probs:
            _check_probs(score.name, wide_ref, wide_alt)
    if average == "probs":
        wide_ref, wide_alt = (probs.mean(axis=0, keepdims=True) for probs in (wide_ref, wide_alt))
    inputs = _Inputs(wide_ref, wide_alt, odds, background)
    with np.errstate(over="ignore"):  # becomes infinite, which is no score of a table
        return {score.name: score.compute(inputs).astype(np.float32) for score in scores}


def _check_probs(name: str, *probs: Floats) -> None:
    for values in probs:
        if values.size and (values.min() < 0 or values.max() > 1):
            raise DataError(
                f"score {name!r} needs probabilities, and the model gives values from {values.min():.4g} to "
                f"{values.max():.4g}. Choose from: ref, alt, diff, absdiff, zscore."
            )
