"""Genotypes and search spaces as JSON documents: reading with every check, and writing.

Text from outside is parsed by pydantic models that forbid unknown keys, then turned into the immutable values of
this room. All faults of a document are reported at once, each with the key it belongs to.
"""

import contextlib
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
)

from genotools.errors import DataError
from genotools.formats import BASELINE, GENOTYPE, MACRO, SPACE
from genotools.genotype.baselines import BaselineName
from genotools.genotype.cells import (
    ConvCell,
    Edge,
    RecurrentCell,
    State,
    conv_cell_faults,
    recurrent_cell_faults,
)
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import MAX_CHANNELS, MAX_LAYERS, MAX_LENGTH_BP
from genotools.genotype.space import ConvCellSpace, RecurrentCellSpace, SearchSpace, get_space
from genotools.genotype.task import TaskKind

__all__ = [
    "baseline_from_document",
    "genotype_from_document",
    "genotype_schema",
    "genotype_to_document",
    "space_from_document",
    "space_to_document",
]

MAX_EDGES = 4096
"""Of a cell as it is written; one of 64 nodes with an edge from each to every later one has 2,144."""
MAX_OPS = 256

Model = TypeVar("Model", bound=BaseModel)

Number = Annotated[StrictInt, Field(ge=0, le=1_000_000)]
Name = Annotated[StrictStr, Field(min_length=1, max_length=64)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EdgeModel(_Model):
    """An edge of a convolutional cell; nodes 0 and 1 are the inputs."""

    source: Number
    target: Number
    op: Name


class StateModel(_Model):
    """A state of the recurrent cell, in order from state 1."""

    predecessor: Number
    activation: Name


class ConvCellModel(_Model):
    """A convolutional cell."""

    edges: list[EdgeModel] = Field(max_length=MAX_EDGES)


class RecurrentCellModel(_Model):
    """A recurrent cell."""

    states: list[StateModel] = Field(max_length=MAX_EDGES)


CellModel = ConvCellModel | RecurrentCellModel


class CellsModel(_Model):
    """The three cells of a genotype."""

    normal: ConvCellModel
    reduce: ConvCellModel
    recurrent: RecurrentCellModel


class GenotypeModel(_Model):
    """A genotype: an architecture of genotools."""

    format: Literal["genotools/genotype"]
    version: Literal[1]
    space: Name
    cells: CellsModel
    digest: Annotated[StrictStr, Field(pattern="^[0-9a-f]{64}$")]
    meta: dict[str, Any] = {}


class ConvSpaceModel(_Model):
    """What a convolutional cell may be."""

    n_nodes: Annotated[StrictInt, Field(ge=1, le=64)]
    in_degree: Annotated[StrictInt, Field(ge=1, le=64)]
    ops: list[Name] = Field(min_length=1, max_length=MAX_OPS)


class RecurrentSpaceModel(_Model):
    """What a recurrent cell may be."""

    n_states: Annotated[StrictInt, Field(ge=1, le=64)]
    activations: list[Name] = Field(min_length=1, max_length=MAX_OPS)


class SpaceModel(_Model):
    """A search space of genotools."""

    format: Literal["genotools/space"]
    version: Literal[1]
    name: Name
    description: StrictStr = ""
    normal: ConvSpaceModel
    reduce: ConvSpaceModel
    recurrent: RecurrentSpaceModel


class LayerModel(_Model):
    """One cell of a macro-architecture."""

    cell: Literal["normal", "reduce"]
    stride: Annotated[StrictInt, Field(ge=1, le=1000)] = 1


class MacroModel(_Model):
    """A macro-architecture of genotools."""

    format: Literal["genotools/macro"]
    version: Literal[1]
    length: Annotated[StrictInt, Field(ge=1, le=MAX_LENGTH_BP)]
    channels: Annotated[StrictInt, Field(ge=2, le=MAX_CHANNELS)]
    layers: list[LayerModel] = Field(min_length=1, max_length=MAX_LAYERS)
    stem_multiplier: Annotated[StrictInt, Field(ge=1, le=1024)]
    stem_kernel: Annotated[StrictInt, Field(ge=1, le=9999)]
    recurrent: StrictBool
    head_hidden: Annotated[StrictInt, Field(ge=1, le=1_000_000)]
    head_dropout: Annotated[float, Field(ge=0, lt=1)]
    shifted_reduction: StrictBool


class TaskModel(_Model):
    """What a network predicts."""

    n_outputs: Annotated[StrictInt, Field(ge=1, le=1_000_000)]
    kind: TaskKind
    names: list[StrictStr] = Field(max_length=1_000_000)
    per_position: StrictBool
    one_strand: StrictBool = False


class BaselineModel(_Model):
    """A hand-designed network of genotools."""

    format: Literal["genotools/baseline"]
    version: Literal[1]
    name: BaselineName


def baseline_from_document(document: object, *, where: str) -> BaselineName:
    """Return the hand-designed network that JSON values name; raises DataError listing every fault."""
    return _validate(BaselineModel, BASELINE.check_object(document, where=where), where=where).name


def macro_values_from_document(document: object, *, where: str) -> dict[str, Any]:
    """Return the checked keyword arguments of a macro; raises DataError listing every fault."""
    model = _validate(MacroModel, MACRO.check_object(document, where=where), where=where)
    return model.model_dump(exclude={"format", "version"})


def task_values_from_document(document: object, *, where: str) -> dict[str, Any]:
    """Return the checked arguments of a task; raises DataError listing every fault."""
    return _validate(TaskModel, document, where=where).model_dump()


def genotype_schema() -> dict[str, Any]:
    """Return the JSON Schema of genotype files; the package ships it as ``genotype.schema.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "genotype.schema.json",
        **GenotypeModel.model_json_schema(),
    }


def genotype_to_document(genotype: Genotype) -> dict[str, object]:
    """Return the genotype as JSON values, in the numbering it was written with."""

    def conv(cell: ConvCell) -> dict[str, object]:
        return {"edges": [edge._asdict() for edge in cell.edges]}

    return {
        **GENOTYPE.header,
        "space": genotype.space,
        "cells": {
            "normal": conv(genotype.normal),
            "reduce": conv(genotype.reduce),
            "recurrent": {"states": [state._asdict() for state in genotype.recurrent.states]},
        },
        "digest": genotype.digest,
        "meta": dict(genotype.meta),
    }


def genotype_from_document(
    document: object, *, where: str = "genotype", space: SearchSpace | None = None
) -> Genotype:
    """Read a genotype from JSON values and check everything.

    Parameters
    ----------
    document
        What the JSON parser returned.
    where
        Names the source in errors.
    space
        The search space it must lie in; by default the registered one that the document names.

    Raises
    ------
    DataError
        Listing every fault with its key: shape of the document, version, ops, cycles, in-degrees, digest.
    """
    values = GENOTYPE.check_object(document, where=where)
    faults = []
    name = values.get("space")
    if space is None and isinstance(name, str):
        try:
            space = get_space(name)
        except DataError as error:
            faults.append(f"space: {error}")
    try:
        model = GenotypeModel.model_validate(values)
    except ValidationError as error:
        # What has the shape of a cell is checked all the same, so that one look shows all faults.
        for role, cell in _well_formed_cells(values.get("cells")).items():
            faults += _cell_faults(role, cell, space)
        raise DataError.from_faults(where, _shape_faults(error) + faults) from error
    for role, cell in model.cells:
        faults += _cell_faults(role, cell, space)
    try:
        genotype = Genotype(
            ConvCell(_edges(model.cells.normal)),
            ConvCell(_edges(model.cells.reduce)),
            RecurrentCell(_states(model.cells.recurrent)),
            space=model.space,
            meta=model.meta,
        )
    except DataError as error:
        raise DataError.from_faults(where, faults or [str(error)]) from error
    if genotype.digest != model.digest:
        faults.append(f"digest: the cells give {genotype.digest}, the file says {model.digest}.")
    if faults:
        raise DataError.from_faults(where, faults)
    return genotype


def _edges(cell: ConvCellModel) -> list[Edge]:
    return [Edge(edge.source, edge.target, edge.op) for edge in cell.edges]


def _states(cell: RecurrentCellModel) -> list[State]:
    return [State(state.predecessor, state.activation) for state in cell.states]


def _cell_faults(role: str, cell: CellModel, space: SearchSpace | None) -> list[str]:
    """Return what is wrong with one cell: as a graph, and in its space if that is known."""
    if isinstance(cell, ConvCellModel):
        edges = _edges(cell)
        faults = conv_cell_faults(edges)
        if space is not None:
            conv_space = space.normal if role == "normal" else space.reduce
            faults += conv_space.degree_faults(edges) if faults else conv_space.faults(ConvCell(edges))
    else:
        states = _states(cell)
        faults = recurrent_cell_faults(states)
        if space is not None and not faults:
            faults += space.recurrent.faults(RecurrentCell(states))
    return [f"cells.{role}: {fault}" for fault in faults]


def _well_formed_cells(cells: object) -> dict[str, CellModel]:
    """Return the cells of a document of a wrong shape that have the right one themselves."""
    kinds: dict[str, type[ConvCellModel] | type[RecurrentCellModel]]
    kinds = {"normal": ConvCellModel, "reduce": ConvCellModel, "recurrent": RecurrentCellModel}
    found: dict[str, CellModel] = {}
    if not isinstance(cells, dict):
        return found
    for role, kind in kinds.items():
        with contextlib.suppress(ValidationError):  # its faults are listed already
            found[role] = kind.model_validate(cells.get(role))
    return found


def space_to_document(space: SearchSpace) -> dict[str, object]:
    """Return the search space as JSON values."""

    def conv(cell: ConvCellSpace) -> dict[str, object]:
        return {"n_nodes": cell.n_nodes, "in_degree": cell.in_degree, "ops": list(cell.ops)}

    return {
        **SPACE.header,
        "name": space.name,
        "description": space.description,
        "normal": conv(space.normal),
        "reduce": conv(space.reduce),
        "recurrent": {
            "n_states": space.recurrent.n_states,
            "activations": list(space.recurrent.activations),
        },
    }


def space_from_document(document: object, *, where: str = "search space") -> SearchSpace:
    """Read a search space from JSON values; raises DataError listing every fault with its key."""
    model = _validate(SpaceModel, SPACE.check_object(document, where=where), where=where)
    try:
        return SearchSpace(
            name=model.name,
            description=model.description,
            normal=ConvCellSpace(model.normal.n_nodes, model.normal.in_degree, tuple(model.normal.ops)),
            reduce=ConvCellSpace(model.reduce.n_nodes, model.reduce.in_degree, tuple(model.reduce.ops)),
            recurrent=RecurrentCellSpace(model.recurrent.n_states, tuple(model.recurrent.activations)),
        )
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def _key(part: int | str) -> str:
    """Return a key as errors show it; one that came from outside may hold anything, at any length."""
    return part if isinstance(part, str) and part.isidentifier() and len(part) <= 60 else repr(part)[:60]


def _validate(kind: type[Model], document: object, *, where: str) -> Model:
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise DataError.from_faults(where, _shape_faults(error)) from error


def _shape_faults(error: ValidationError) -> list[str]:
    return [f"{'.'.join(map(_key, fault['loc'])) or 'document'}: {fault['msg']}." for fault in error.errors()]
