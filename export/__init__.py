"""Floor 4: networks as ONNX files and PyTorch programs, and the predictor that runs them without PyTorch.

The names here are imported when they are first used: what only predicts needs neither PyTorch nor the onnx package.
"""

if __name__ != "genotools.export":
    raise ImportError("This folder is installed as genotools.export. Import it under that name.")

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genotools.export.onnx_file import ExportReport, export_onnx
    from genotools.export.predict import PredictionSummary, predict_bed, predict_fasta, predict_windows
    from genotools.export.program import ProgramReport, export_program
    from genotools.export.runtime import OnnxPredictor
    from genotools.export.verify import Verification, verify_onnx

__all__ = [
    "ExportReport",
    "OnnxPredictor",
    "PredictionSummary",
    "ProgramReport",
    "Verification",
    "export_onnx",
    "export_program",
    "predict_bed",
    "predict_fasta",
    "predict_windows",
    "verify_onnx",
]

_HOME = {
    "ExportReport": "onnx_file",
    "OnnxPredictor": "runtime",
    "PredictionSummary": "predict",
    "ProgramReport": "program",
    "Verification": "verify",
    "export_onnx": "onnx_file",
    "export_program": "program",
    "predict_bed": "predict",
    "predict_fasta": "predict",
    "predict_windows": "predict",
    "verify_onnx": "verify",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'genotools.export' has no attribute {name!r}")
    return getattr(importlib.import_module(f"genotools.export.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
