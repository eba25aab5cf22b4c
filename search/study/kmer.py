"""The floor of a study: logistic regression on 6-mers, fitted and tested as any network is."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools.data.store import SequenceStore
from genotools.files import write_json
from genotools.formats import KMER_RESULT
from genotools.training.evaluate import evaluate
from genotools.training.kmer import KmerRegression, fit_kmer_regression

__all__ = ["run_kmer"]


class _KmerPredictor:
    """The regression as a predictor."""

    digest = ""

    def __init__(self, regression: KmerRegression, names: Sequence[str]) -> None:
        self._regression = regression
        self.names: Sequence[str] = names
        self.length = regression.length

    def predict(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._regression.predict(codes)


def run_kmer(store_path: Path | str, folder: Path | str) -> None:
    """Fit the regression on the training split and write its metrics to ``folder/result.json``."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with SequenceStore.open(store_path) as store:
        rows = store.rows("train")
        regression = fit_kmer_regression(store.codes(rows), store.labels(rows))
        seconds = time.perf_counter() - started
        predictor = _KmerPredictor(regression, store.names)
        found = {split: evaluate(predictor, store, split) for split in ("valid", "test")}
    document = {
        **KMER_RESULT.signed_header,
        "n_params": regression.weights.size + regression.bias.size,
        "seconds": round(seconds, 3),
        "validation": {f"valid_{name}": value for name, value in found["valid"].summary().items()},
        "test": found["test"].to_json(),
    }
    write_json(folder / "result.json", document)
