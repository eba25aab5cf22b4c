"""What the folder of a training or a search tells the card: task, data, macro, settings and metrics."""

from pathlib import Path
from typing import Any

from genotools.errors import DataError
from genotools.files import read_json
from genotools.formats import SEARCH, TRAINING, TRAINING_RESULT

__all__ = ["facts_of"]


def facts_of(source: Path) -> dict[str, dict[str, object]]:
    """Return the facts for a card from ``config.json`` and ``result.json`` of a folder; of any other, nothing."""
    if not (source / "config.json").is_file() or not (source / "result.json").is_file():
        return {}
    config, result = read_json(source / "config.json"), read_json(source / "result.json")
    if not isinstance(config, dict) or not isinstance(result, dict):
        raise DataError(f"{source}: config.json and result.json must hold JSON objects.")
    kinds = {TRAINING.name: _of_training, SEARCH.name: _of_search}
    name = config.get("format")
    facts = kinds[name](source, config, result) if isinstance(name, str) and name in kinds else {}
    return {key: value for key, value in facts.items() if isinstance(value, dict) and value}


def _of_training(source: Path, config: dict[str, Any], result: dict[str, Any]) -> dict[str, object]:
    TRAINING.check_object(config, where=source / "config.json")
    TRAINING_RESULT.check_object(result, where=source / "result.json")
    metrics = {
        "params": result.get("n_params"),
        "validation": result.get("validation"),
        "test": _without_labels(result.get("test")),
    }
    return {
        "task": config.get("task"),
        "macro": config.get("macro"),
        "data": _without_folders(config.get("data")),
        "training": {key: config[key] for key in ("settings", "seed", "genotools") if key in config},
        "metrics": {key: value for key, value in metrics.items() if value is not None},
    }


def _of_search(source: Path, config: dict[str, Any], result: dict[str, Any]) -> dict[str, object]:
    SEARCH.check_object(config, where=source / "config.json")
    SEARCH.check_object(result, where=source / "result.json")
    evaluator, space = config.get("evaluator"), config.get("space")
    told = (
        config | evaluator if isinstance(evaluator, dict) else config
    )  # engines that train one supernet have none
    search: dict[str, object] = {
        **{key: told[key] for key in ("engine", "seed", "genotools") if key in told},
        "space": space.get("name") if isinstance(space, dict) else space,
        **{key: result[key] for key in ("score", "objectives", "n_trials") if key in result},
        **{key: told[key] for key in ("settings", "training") if key in told},
    }
    data = {"digest": told["store_digest"]} if "store_digest" in told else told.get("data")
    return {"search": search, "macro": told.get("macro"), "data": _without_folders(data)}


def _without_folders(data: object) -> object:
    """Return what is said of the data without where they lay: a card is for others, too."""
    if isinstance(data, dict) and isinstance(path := data.get("path"), str):
        return {**data, "path": Path(path).name}
    return data


def _without_labels(test: object) -> object:
    """Return the means of the test metrics; every label's own would fill the card."""
    return {key: value for key, value in test.items() if key != "labels"} if isinstance(test, dict) else None
