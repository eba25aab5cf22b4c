"""What a study does, as a TOML file: engines, trainings, seeds. Reading with every check; no PyTorch.

All faults of a file are reported at once, each with its key.
"""

import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from genotools.errors import DataError
from genotools.files import read_bytes
from genotools.formats import STUDY
from genotools.genotype.baselines import BASELINE_NAMES

__all__ = [
    "KMER",
    "NETWORK_KINDS",
    "EnginePlan",
    "Protocol",
    "TrainingPlan",
    "load_protocol",
    "protocol_names",
]

KMER = "kmer-6"
"""Name of the 6-mer logistic regression among the entrants."""

NETWORK_KINDS = ("network", "supernet", "path", *BASELINE_NAMES)
"""What a step of training may be of: a genotype's network, a whole supernet, one path of it, a hand-designed one."""

MAX_BYTES = 1 << 20
NAME = r"^[a-z0-9][a-z0-9._-]{0,39}$"

Count = Annotated[StrictInt, Field(ge=1, le=1_000_000_000)]
Runs = Annotated[StrictInt, Field(ge=1, le=10_000)]
Whole = Annotated[StrictInt, Field(ge=0, le=1_000_000_000)]
Rate = Annotated[StrictFloat | StrictInt, Field(ge=0, le=1e6)]
Text = Annotated[StrictStr, Field(min_length=1, max_length=1000)]
Name = Annotated[StrictStr, Field(pattern=NAME)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def given(self) -> dict[str, Any]:
        """Return the keys that were given."""
        return self.model_dump(exclude_none=True)


class TrainingPlan(_Table):
    """How networks are trained: the options of ``genotools train``; what is left out is the preset's."""

    preset: Literal["quick", "paper"] | None = None
    epochs: Count | None = None
    steps: Count | None = None
    batch_size: Count | None = None
    lr: Rate | None = None
    recurrent_lr: Rate | None = None
    patience: Count | None = None
    precision: Literal["fp32", "tf32", "bf16"] | None = None
    reverse_complement: Annotated[StrictFloat | StrictInt, Field(ge=0, le=1)] | None = None
    shift: Whole | None = None


class SearchPlan(_Table):
    """What all engines have where their own table says nothing else."""

    preset: Text | None = None
    epochs: Count | None = None
    steps: Count | None = None
    batch_size: Count | None = None


class EnginePlan(SearchPlan):
    """How an engine searches: the options of ``genotools search``.

    ``engine`` is its name where the table has another one, so that an engine may take part twice. Keys up to
    ``constraints`` are for engines that propose trials, the others for those that train one supernet.
    """

    engine: Text | None = None
    trials: Count | None = None
    budget: Text | None = None
    set: dict[str, StrictBool | StrictInt | StrictFloat | StrictStr] = {}
    evaluation: Literal["own", "round", "search"] | None = None
    objectives: list[Text] = []
    constraints: list[Text] = []
    order: Literal["first", "second"] | None = None
    select: Literal["argmax", "perturbation"] | None = None
    max_skips: Whole | None = None
    weight_only_epochs: Whole | None = None
    alpha_data: Literal["train-half", "valid"] | None = None
    alpha_lr: Rate | None = None


class Protocol(_Table):
    """A whole study.

    Attributes
    ----------
    searches, evaluations
        Independent runs of every engine, and trainings from scratch of every entrant of the test.
    metric
        What decides the selection and is tested for significance; ``auto`` is what counts for the task.
    reference
        The entrant that others are compared with.
    threads
        Threads of PyTorch in every task: part of what makes results repeatable.
    engines
        By the name they have in the study.
    training, selection
        The training of every network, and what is different in the selection.
    own_training
        What is different for one entrant, by its name.
    seconds
        Seconds a step by kind of network, for the estimate; what is missing is measured.
    """

    format: Literal["genotools/study"]
    version: Literal[1]
    title: Text = "Study"
    seed: Annotated[StrictInt, Field(ge=0, lt=2**63)] = 0
    searches: Runs = 4
    evaluations: Runs = 4
    metric: Text = "auto"
    reference: Name = "random"
    macro: Text = "paper"
    space: Text = "genome-nas"
    threads: Count = 1
    baselines: list[StrictStr] = []
    genotypes: list[Text] = []
    kmer: StrictBool = False
    search: SearchPlan = SearchPlan()
    training: TrainingPlan = TrainingPlan()
    selection: TrainingPlan = TrainingPlan()
    own_training: dict[Name, TrainingPlan] = {}
    engines: dict[Name, EnginePlan] = {}
    seconds: dict[Literal[NETWORK_KINDS], Annotated[StrictFloat | StrictInt, Field(gt=0)]] = {}  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _names_fit(self) -> "Protocol":
        faults = []
        unknown = [name for name in self.baselines if name not in BASELINE_NAMES]
        if unknown:
            faults.append(f"baselines: {unknown[0][:60]!r} is not one of {', '.join(BASELINE_NAMES)}")
        entrants = self.entrants()
        if not entrants:
            faults.append("no entrant: give engines, baselines, genotypes or kmer = true")
        repeated = sorted({name for name in entrants if entrants.count(name) > 1})
        if repeated:
            faults.append(f"{', '.join(repeated)}: two entrants of one name")
        lost = [name for name in self.own_training if name not in entrants or name == KMER]
        if lost:
            faults.append(f"own_training.{lost[0]}: no entrant of that name that is trained")
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def entrants(self) -> list[str]:
        """Return the names of all that are compared, in order."""
        return [
            *self.engines,
            *map(genotype_name, self.genotypes),
            *self.baselines,
            *([KMER] if self.kmer else []),
        ]

    def engine_plan(self, name: str) -> EnginePlan:
        """Return the plan of an engine, with what holds for all in place."""
        plan = self.engines[name]
        return plan.model_copy(update={**self.search.given(), **plan.given(), "engine": plan.engine or name})

    def training_plan(self, name: str, *, is_selection: bool) -> TrainingPlan:
        """Return the plan of an entrant's training."""
        own = self.own_training.get(name, TrainingPlan())
        changes = {**(self.selection.given() if is_selection else {}), **own.given()}
        return self.training.model_copy(update=changes)


def genotype_name(text: str) -> str:
    """Return the name in the study of a genotype that is given as ``text``: a file's stem, or a zoo name."""
    stem = Path(text).name.removesuffix(".json").removesuffix(".genotype").lstrip(".")
    return (
        "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in stem.lower())
        or "genotype"
    )


def protocol_names() -> list[str]:
    """Return the names of the protocols that come with the package."""
    return sorted(path.stem for path in _shipped().glob("*.toml"))


def _shipped() -> Path:
    return Path(str(resources.files("genotools.search.study"))) / "protocols"


def load_protocol(text: str) -> Protocol:
    """Return the protocol in the file ``text``, or the shipped one of that name.

    Raises
    ------
    DataError
        If there is none, it is no TOML (with line and column), or something in it is wrong; names file and keys.
    """
    path = Path(text)
    if not path.suffix and not path.is_file():
        if text not in protocol_names():
            raise DataError(
                f"no protocol {text[:60]!r}. Known: {', '.join(protocol_names())}, or a .toml file."
            )
        path = _shipped() / f"{text}.toml"
    data = read_bytes(path, max_bytes=MAX_BYTES)
    try:
        document = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is no TOMLDecodeError
        raise DataError(f"{path}: not TOML: {error}.") from error
    return protocol_from_document(document, where=str(path))


def protocol_from_document(document: Mapping[str, Any], *, where: str) -> Protocol:
    """Return the protocol of a document; raises DataError that lists every fault with its key."""
    try:
        return Protocol.model_validate(STUDY.check_object(document, where=where))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise DataError.from_faults(where, [_sentence(dict(fault)) for fault in faults]) from error


def _sentence(fault: Mapping[str, Any]) -> str:
    key = ".".join(str(part)[:60] for part in fault["loc"]) or "protocol"
    if fault["type"] == "extra_forbidden":
        return f"{key!r}: no such key."
    if fault["type"] == "missing":
        return f"{key}: missing."
    return f"{key}: {str(fault['msg']).removeprefix('Value error, ')}."
