"""Checking a zoo entry: its files against their sums, its genotype, and what its model files say of themselves."""

from pathlib import Path

from genotools.errors import DataError
from genotools.training.weights_header import read_weights_header
from genotools.zoo.card import CARD, file_sha256
from genotools.zoo.entry import ONNX, WEIGHTS, Entry

__all__ = ["verify_answers", "verify_entry"]


def verify_answers(entry: Entry) -> str:
    """Run the model of an entry on the windows whose answers are known; returns what was checked.

    Raises
    ------
    DataError
        If the model cannot be run, or says something else.
    """
    if entry.parts == ["genotype"]:
        return "no model"
    if entry.card.known_answers is None:
        return "no known answers"
    from genotools.zoo.known_answers import check_answers, inputs_of  # it runs the model
    from genotools.zoo.model import predictor_of_folder

    model = predictor_of_folder(entry.path, name=entry.name, device="cpu")
    if entry.card.inputs not in (None, inputs_of(model)):
        raise DataError(f"{entry.path / CARD}: inputs: the model takes its windows otherwise.")
    difference = check_answers(entry.card.known_answers, model, where=str(entry.path / CARD))
    return f"{len(entry.card.known_answers.windows)} known answers, {difference:.1g} off at most"


def verify_entry(entry: Entry) -> list[str]:
    """Return what was checked, one line a check.

    Raises
    ------
    DataError
        Listing every fault: a missing, changed or unlisted file, or a model file of another genotype.
    """
    faults = []
    for name, expected in entry.card.files.items():
        path = entry.path / name
        if not path.is_file():
            faults.append(f"{name}: missing.")
        elif (found := file_sha256(path)) != expected:
            faults.append(f"{name}: sha256 is {found}, the card says {expected}.")
    unlisted = {path.name for path in entry.path.iterdir()} - {CARD, *entry.card.files}
    faults += [f"{name}: not listed in the card." for name in sorted(unlisted)]
    if not faults:
        faults += _model_faults(entry)
    if faults:
        raise DataError.from_faults(entry.path, faults)
    checks = [f"sha256 of {len(entry.card.files)} files", "genotype valid, digest equals the card's"]
    return checks + [f"{part} belong to the genotype" for part in entry.parts if part != "genotype"]


def _model_faults(entry: Entry) -> list[str]:
    """Compare what model files say of themselves with the genotype and with each other."""
    headers = {}
    if WEIGHTS in entry.card.files:
        headers[WEIGHTS] = read_weights_header(entry.path / WEIGHTS)
    if ONNX in entry.card.files:
        headers[ONNX] = _onnx_metadata(entry.path / ONNX)
    faults = [
        f"{name}: made for genotype {header.get('digest')}, not {entry.genotype.digest}."
        for name, header in headers.items()
        if header.get("digest") != entry.genotype.digest
    ]
    if len({header.get("model_digest") for header in headers.values()}) > 1:
        faults.append(f"{ONNX}: exported from other weights than {WEIGHTS}; export it again.")
    return faults


def _onnx_metadata(path: Path) -> dict[str, str]:
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path), load_external_data=False)
    except (DecodeError, OSError) as error:
        raise DataError(f"{path}: not an ONNX file: {error}.") from error
    return {entry.key: entry.value for entry in model.metadata_props}
