"""From the document of an architecture to its network: what weight files and exported ones carry.

The document is what :meth:`genotools.nn.window_network.WindowNetwork.architecture` returns: ``genotype`` and
``macro``, or ``baseline`` and ``length``.
"""

import torch

from genotools.errors import DataError
from genotools.genotype.baselines import BaselineName
from genotools.genotype.documents import genotype_from_document
from genotools.genotype.genotype import Genotype
from genotools.genotype.macro import Macro
from genotools.genotype.task import Task
from genotools.nn.baselines import build_baseline
from genotools.nn.builder import build
from genotools.nn.window_network import WindowNetwork

__all__ = ["ARCHITECTURE_KEYS", "make_network", "rebuild"]

ARCHITECTURE_KEYS = (("genotype", "macro"), ("baseline", "length"))
"""What documents hold: of the network of a genotype, and of a hand-designed one."""


def make_network(
    architecture: Genotype | BaselineName,
    macro: Macro | None,
    task: Task,
    *,
    length: int,
    seed: int,
    device: str | torch.device = "cpu",
) -> WindowNetwork:
    """Return the network of a genotype, or the hand-designed one of that name, as their builders do; not compiled.

    Parameters
    ----------
    architecture, macro
        A genotype needs a macro-architecture; a hand-designed network has its own and takes None.
    length
        Of the windows in bp; a macro has its own, which is taken.

    Raises
    ------
    DataError
        If ``macro`` is missing, or given where there is no use for it; otherwise as
        :func:`~genotools.nn.builder.build` and :func:`~genotools.nn.baselines.build_baseline`.
    """
    if isinstance(architecture, BaselineName):
        if macro is not None:
            raise DataError(
                f"{architecture} is hand-designed and has no use for a macro-architecture, which frames the cells of "
                "a genotype. Leave --macro out (macro=None in Python)."
            )
        return build_baseline(architecture, length, task, seed=seed, device=device)
    if macro is None:
        raise DataError("a genotype needs a macro-architecture around its cells; give a macro.")
    return build(architecture, macro, task, seed=seed, device=device, compile=False)


def rebuild(
    document: object, task: Task, *, seed: int, device: str | torch.device = "cpu", where: str
) -> WindowNetwork:
    """Return the network of a document that may be hostile, in training mode, its weights drawn from ``seed``.

    Parameters
    ----------
    document
        JSON values, see the module.
    task
        Its outputs.
    seed, device
        As of :func:`genotools.nn.builder.build`.
    where
        Names the source in errors.

    Raises
    ------
    DataError
        Naming the key, if the document is malformed, names what does not exist, or stands for a network with more
        than :data:`genotools.nn.builder.MAX_PARAMS` parameters.
    """
    if not isinstance(document, dict):
        raise DataError(f"{where}: a JSON object is expected, not {type(document).__name__}.")
    architecture: Genotype | BaselineName
    macro: Macro | None = None
    if set(document) == {"genotype", "macro"}:
        architecture = genotype_from_document(document["genotype"], where=f"{where}: genotype")
        macro = Macro.from_document(document["macro"], where=f"{where}: macro")
        length, key = macro.length, "macro"
    elif set(document) == {"baseline", "length"}:
        architecture = BaselineName.named(document["baseline"], where=f"{where}: baseline")
        length, key = document["length"], "length"
        if type(length) is not int:
            raise DataError(f"{where}: length: a whole number of bp is expected, found {str(length)[:60]!r}.")
    else:
        found = ", ".join(str(key)[:60] for key in document) or "nothing"
        raise DataError(
            f"{where}: either genotype and macro or baseline and length are expected, found {found}."
        )
    try:
        return make_network(architecture, macro, task, length=length, seed=seed, device=device)
    except DataError as error:
        raise DataError(f"{where}: {key}: {error}") from error
