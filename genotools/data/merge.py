"""Several stores as one, and one store split anew: rows are copied as they are."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from genotools.data._layout import SPLITS
from genotools.data.rows import StoreRows
from genotools.data.store import SequenceStore
from genotools.data.write import write_store
from genotools.errors import DataError
from genotools.files import check_output

__all__ = ["merge_stores", "split_store"]


def merge_stores(
    paths: Sequence[Path | str], output: Path | str, *, allow_overlap: bool = False, force: bool = False
) -> str:
    """Write the rows of all stores, one after the other with the splits they have, and return the digest.

    Parameters
    ----------
    paths
        Two or more stores with windows of one length and the same labels in the same order.
    output
        The new store.
    allow_overlap
        Take windows of one split that overlap windows of another; a model could learn the held-out ones by heart.
    force
        Replace what lies at ``output``.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    DataError
        If the stores do not fit together or windows of two splits overlap; lists what differs.
    """
    check_output(output, force=force)
    if len(paths) < 2:
        raise DataError("merging takes two stores or more.")
    with ExitStack() as stack:
        stores = [stack.enter_context(SequenceStore.open(path)) for path in paths]
        _check_alike(stores)
        splits = np.concatenate([_splits_of(store) for store in stores])
        contig_names = sorted({name for store in stores for name in store.contig_names})
        contigs, starts = (
            np.concatenate(parts) for parts in zip(*(_places(s, contig_names) for s in stores), strict=True)
        )
        if not allow_overlap:
            _check_apart(Path(output), contigs, starts, splits, stores[0].length, contig_names)
        parts = [(store, np.arange(len(store))) for store in stores]
        return write_store(
            output,
            codes=StoreRows(parts, "codes"),
            labels=StoreRows(parts, "labels"),
            names=stores[0].names,
            groups=stores[0].groups,
            splits=splits,
            contig_names=contig_names,
            contigs=contigs,
            starts=starts,
            kind=stores[0].task.kind,
            one_strand=stores[0].task.one_strand,
            provenance={
                "genome": stores[0].provenance.get("genome", "unknown"),
                "merged": [{"name": store.path.name, "digest": store.digest} for store in stores],
            },
            force=force,
        )


def split_store(
    path: Path | str,
    output: Path | str,
    *,
    valid_contigs: Sequence[str],
    test_contigs: Sequence[str],
    force: bool = False,
) -> str:
    """Write a store whose held-out splits are whole contigs, all others for training; return the digest.

    Raises
    ------
    OutputExistsError
        If ``output`` exists and ``force`` is false.
    DataError
        If the windows have no coordinates, a contig is unknown or given twice.
    """
    check_output(output, force=force)
    with SequenceStore.open(path) as store:
        known, given = set(store.contig_names), [*valid_contigs, *test_contigs]
        faults = [f"contig {name!r} has no windows." for name in given if name not in known]
        faults += [
            f"contig {name!r} is given twice." for name in sorted({n for n in given if given.count(n) > 1})
        ]
        if not known:
            faults = ["its windows have no coordinates, so they cannot be split by contig."]
        if faults:
            raise DataError.from_faults(path, faults)
        names = list(store.contig_names)
        contigs, starts = _places(store, names)
        if (contigs < 0).any():
            raise DataError(f"{path}: {(contigs < 0).sum():,} windows have no coordinates.")
        split_of_contig = np.zeros(len(names), dtype=np.int64)
        for split, chosen in (("valid", valid_contigs), ("test", test_contigs)):
            split_of_contig[[names.index(name) for name in chosen]] = SPLITS.index(split)
        parts = [(store, np.arange(len(store)))]
        return write_store(
            output,
            codes=StoreRows(parts, "codes"),
            labels=StoreRows(parts, "labels"),
            names=store.names,
            groups=store.groups,
            splits=split_of_contig[contigs],
            contig_names=names,
            contigs=contigs,
            starts=starts,
            kind=store.task.kind,
            one_strand=store.task.one_strand,
            provenance={**store.provenance, "split_of": store.digest},
            force=force,
        )


def _check_alike(stores: list[SequenceStore]) -> None:
    first, faults = stores[0], []
    for store in stores[1:]:
        if store.length != first.length:
            faults.append(f"{store.path} has windows of {store.length} bp, {first.path} of {first.length}.")
        if store.names != first.names:
            unequal = [i for i, (a, b) in enumerate(zip(store.names, first.names, strict=False)) if a != b]
            where = f", label {unequal[0]} first" if unequal else ""
            faults.append(
                f"{store.path} has {len(store.names)} labels, {first.path} {len(first.names)}; they differ{where}."
            )
        if (store.task.kind, store.task.one_strand) != (first.task.kind, first.task.one_strand):
            faults.append(
                f"{store.path} has labels of kind {store.task.kind}, {first.path} {first.task.kind}."
            )
        genomes = [str(one.provenance.get("genome", "unknown")) for one in (store, first)]
        if genomes[0] != genomes[1]:
            faults.append(f"{store.path} is of genome {genomes[0]}, {first.path} of {genomes[1]}.")
    if faults:
        raise DataError("\n".join(faults))


def _splits_of(store: SequenceStore) -> NDArray[np.int64]:
    splits = np.zeros(len(store), dtype=np.int64)
    for index, split in enumerate(SPLITS):
        splits[store.rows(split)] = index
    return splits


def _places(store: SequenceStore, contig_names: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return contig, by its place in ``contig_names`` (-1: none), and start of every window."""
    where = store.coordinates(np.arange(len(store)))
    number = {name: index for index, name in enumerate(contig_names)}
    return np.array([number.get(str(name), -1) for name in where.contigs], dtype=np.int64), where.starts


def _check_apart(
    output: Path,
    contigs: NDArray[np.int64],
    starts: NDArray[np.int64],
    splits: NDArray[np.int64],
    length: int,
    contig_names: list[str],
) -> None:
    """Raise DataError if a held-out window overlaps one of another split."""
    faults = []
    for contig, name in enumerate(contig_names):
        on = contigs == contig
        for one, other in ((0, 1), (0, 2), (1, 2)):
            ours, theirs = np.sort(starts[on & (splits == one)]), starts[on & (splits == other)]
            # Windows are all of one length: they overlap where their starts are closer than that.
            near = np.searchsorted(ours, theirs + length) - np.searchsorted(
                ours, theirs - length, side="right"
            )
            if n := int((near > 0).sum()):
                faults.append(f"{name}: {n:,} {SPLITS[other]} windows overlap {SPLITS[one]} windows.")
    if faults:
        raise DataError.from_faults(output, [*faults, "Split by contig first, or give --allow-overlap."])
