from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genotools.data.build import Track, build_store
from genotools.data.encoding import encode
from genotools.data.recipe import BinRecipe
from genotools.data.store import SPLITS, SequenceStore
from genotools.errors import DataError, OutputExistsError


def random_contigs(seed: int = 0, **lengths: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {name: rng.integers(0, 4, size=length, dtype=np.uint8) for name, length in lengths.items()}


def track(name: str, group: str = "", **intervals: list[tuple[int, int]]) -> Track:
    tables = {contig: np.array(rows, dtype=np.int64).reshape(-1, 2) for contig, rows in intervals.items()}
    return Track(name=name, group=group, intervals=tables)


def recipe(**changes: Any) -> BinRecipe:
    return BinRecipe(**{"bin_bp": 10, "window_bp": 20, **changes})


def places(store: SequenceStore) -> list[tuple[str, int]]:
    where = store.coordinates(np.arange(len(store)))
    return list(zip(where.contigs.tolist(), where.starts.tolist(), strict=True))


def test_windows_are_centred_on_labelled_bins(tmp_path: Path) -> None:
    contigs = random_contigs(a=100, b=60)
    tracks = [track("X", "TF", a=[(20, 30), (50, 56)]), track("Y", b=[(10, 30)], a=[(22, 28)])]
    summary = build_store(
        tmp_path / "s.h5", contigs=contigs, tracks=tracks, recipe=recipe(), provenance={"genome": "g"}
    )
    with SequenceStore.open(tmp_path / "s.h5") as store:
        assert places(store) == [("a", 15), ("a", 45), ("b", 5), ("b", 15)]
        assert store.labels(np.arange(4)).tolist() == [[1, 1], [1, 0], [0, 1], [0, 1]]
        assert np.array_equal(store.codes([1])[0], contigs["a"][45:65])
        assert (store.names, store.groups) == (("X", "Y"), ("TF", ""))
        assert store.provenance["recipe"]["bin_bp"] == 10
        assert summary.digest == store.digest
    assert summary.n_rows == {"train": 4, "valid": 0, "test": 0}
    # Bins 0 and 9 of contig a, 0 and 5 of contig b have windows that leave the contig.
    assert summary.dropped_bins == {
        "unknown bases or contig end": 4,
        "excluded regions": 0,
        "without a label": 8,
    }


def test_splits_follow_contigs_and_excluded_ones_give_no_rows(tmp_path: Path) -> None:
    summary = build_store(
        tmp_path / "s.h5",
        contigs=random_contigs(a=100, b=100, c=100, d=100),
        tracks=[track("X", a=[(20, 80)], b=[(20, 80)], c=[(20, 80)], d=[(20, 80)])],
        recipe=recipe(test_contigs=("a",), valid_contigs=("c",), exclude_contigs=("d",)),
        provenance={},
    )
    assert summary.n_rows == {"train": 6, "valid": 6, "test": 6}
    with SequenceStore.open(tmp_path / "s.h5") as store:
        for split, contig in {"test": "a", "train": "b", "valid": "c"}.items():
            assert set(store.coordinates(store.rows(split)).contigs) == {contig}


def test_labels_with_few_positives_and_their_bins_are_left_out(tmp_path: Path) -> None:
    tracks = [track("many", a=[(20, 50)]), track("few", a=[(60, 70)])]
    summary = build_store(
        tmp_path / "s.h5",
        contigs=random_contigs(a=100),
        tracks=tracks,
        recipe=recipe(min_positives=2),
        provenance={},
    )
    assert (summary.n_labels, summary.dropped_labels) == (1, {"few": 1})
    with SequenceStore.open(tmp_path / "s.h5") as store:
        assert store.names == ("many",)
        assert places(store) == [("a", 15), ("a", 25), ("a", 35)]


def test_keeping_all_bins_gives_rows_without_labels(tmp_path: Path) -> None:
    build_store(
        tmp_path / "s.h5",
        contigs=random_contigs(a=100),
        tracks=[track("X", a=[(20, 30)])],
        recipe=recipe(keep="all"),
        provenance={},
    )
    with SequenceStore.open(tmp_path / "s.h5") as store:
        assert store.labels(np.arange(len(store)))[:, 0].tolist() == [0, 1, 0, 0, 0, 0, 0, 0]


def test_bins_that_touch_excluded_regions_are_left_out(tmp_path: Path) -> None:
    build_store(
        tmp_path / "s.h5",
        contigs=random_contigs(a=100),
        tracks=[track("X", a=[(10, 90)])],
        recipe=recipe(),
        provenance={},
        exclude_regions={"a": np.array([[39, 51]])},
    )
    with SequenceStore.open(tmp_path / "s.h5") as store:
        assert [start for _, start in places(store)] == [5, 15, 55, 65, 75]


def test_unknown_bases_and_contig_ends_fall_under_one_rule(tmp_path: Path) -> None:
    contigs = {"a": encode("ACGTACGTAC" * 3 + "ACGTNNNNNC" + "ACGTACGTAC" * 3 + "ACG")}
    tracks = [track("X", a=[(0, 73)])]
    starts = {}
    for share in (0.0, 0.25, 1.0):
        build_store(
            tmp_path / "s.h5",
            contigs=contigs,
            tracks=tracks,
            recipe=recipe(max_unknown=share),
            provenance={},
            force=True,
        )
        with SequenceStore.open(tmp_path / "s.h5") as store:
            starts[share] = [start for _, start in places(store)]
            codes = store.codes(np.arange(len(store)))
    assert starts[0.0] == [5, 45]  # the last bin's window ends at 75, the contig at 73
    assert starts[0.25] == [-5, 5, 15, 25, 35, 45, 55]
    assert starts[1.0] == starts[0.25]
    assert codes[0].tolist() == [4] * 5 + contigs["a"][:15].tolist()
    assert codes[-1].tolist() == contigs["a"][55:].tolist() + [4] * 2


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1000),
    min_overlap=st.sampled_from([1, 5, 0.5]),
    merge=st.booleans(),
    keep=st.sampled_from(["any", "all"]),
    min_positives=st.integers(1, 3),
)
def test_rows_and_labels_equal_going_bin_by_bin(
    tmp_path: Path, seed: int, min_overlap: float, merge: bool, keep: Any, min_positives: int
) -> None:
    rng = np.random.default_rng(seed)
    contigs = {
        name: rng.choice(5, size=rng.integers(20, 90), p=[0.249] * 4 + [0.004]).astype(np.uint8)
        for name in "ab"
    }

    def some_intervals(contig: str) -> np.ndarray:
        starts = rng.integers(0, contigs[contig].size - 12, size=4)
        return np.stack([starts, starts + rng.integers(1, 12, size=4)], axis=1)

    tracks = [Track(name=name, intervals={c: some_intervals(c) for c in "ab"}) for name in "XYZ"]
    regions = {"a": some_intervals("a")[:1]}
    rule = recipe(
        min_overlap=min_overlap, merge=merge, keep=keep, min_positives=min_positives, test_contigs=("b",)
    )
    expected = slow_rows(contigs, tracks, regions, rule)
    arguments: dict[str, Any] = {
        "contigs": contigs,
        "tracks": tracks,
        "recipe": rule,
        "provenance": {},
        "exclude_regions": regions,
    }
    if not expected:
        with pytest.raises(DataError, match="no label is left"):
            build_store(tmp_path / "s.h5", **arguments, force=True)
        return
    build_store(tmp_path / "s.h5", **arguments, force=True)
    with SequenceStore.open(tmp_path / "s.h5") as store:
        rows = np.arange(len(store))
        names = [
            {name for name, is_positive in zip(store.names, row, strict=True) if is_positive}
            for row in store.labels(rows)
        ]
        splits = {int(row): split for split in SPLITS for row in store.rows(split)}
        found = [
            (*place, codes.tobytes(), labels, splits[row])
            for row, (place, codes, labels) in enumerate(
                zip(places(store), store.codes(rows), names, strict=True)
            )
        ]
    assert found == expected


def slow_rows(
    contigs: dict[str, np.ndarray], tracks: list[Track], regions: dict[str, np.ndarray], rule: BinRecipe
) -> list[tuple[str, int, bytes, set[str], str]]:
    """The recipe in plain Python, bin by bin and base by base."""
    rows = []
    for contig, codes in contigs.items():
        for start in range(0, codes.size - rule.bin_bp + 1, rule.bin_bp):
            bin_ = range(start, start + rule.bin_bp)
            window = range(start - rule.flank_bp, start + rule.bin_bp + rule.flank_bp)
            if window.start < 0 or window.stop > codes.size or 4 in codes[window.start : window.stop]:
                continue
            if any(base in bin_ for s, e in regions.get(contig, []) for base in range(s, e)):
                continue
            labels = set()
            for item in tracks:
                peaks = [set(range(s, e)) & set(bin_) for s, e in item.intervals[contig].tolist()]
                overlap = len(set().union(*peaks)) if rule.merge else max(map(len, peaks))
                needed = (
                    rule.min_overlap if isinstance(rule.min_overlap, int) else rule.min_overlap * rule.bin_bp
                )
                if overlap > needed:
                    labels.add(item.name)
            split = "test" if contig in rule.test_contigs else "train"
            rows.append((contig, window.start, codes[window.start : window.stop].tobytes(), labels, split))
    counts = {item.name: sum(item.name in row[3] for row in rows) for item in tracks}
    kept = {name for name, count in counts.items() if count >= rule.min_positives}
    if not kept:
        return []
    rows = [(*row[:3], row[3] & kept, row[4]) for row in rows]
    return [row for row in rows if row[3] or rule.keep == "all"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bin_bp": 0}, "bin of 0 bp"),
        ({"window_bp": 5}, "window of 5 bp cannot be centred on a bin of 10 bp"),
        ({"window_bp": 21}, "window of 21 bp cannot be centred"),
        ({"min_overlap": 11}, "min_overlap 11 must lie"),
        ({"min_overlap": 1.5}, "min_overlap 1.5 must lie"),
        ({"min_overlap": 10}, "no overlap is greater than min_overlap 10"),
        ({"min_overlap": 1.0}, "no overlap is greater than min_overlap 1.0"),
        ({"overlap_op": "gte"}, "overlap_op 'gte' must be gt or ge"),
        ({"keep": "some"}, "keep 'some' must be any or all"),
        ({"max_unknown": 1.1}, "max_unknown 1.1 must lie"),
        ({"min_positives": -1}, "min_positives -1"),
        ({"test_contigs": ("a", "b"), "valid_contigs": ("b",)}, "splits overlap: b in both test and valid"),
        ({"test_contigs": ("a",), "exclude_contigs": ("a",)}, "a in both test and exclude"),
    ],
)
def test_recipe_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        recipe(**changes)


def test_all_faults_of_a_recipe_are_told_at_once() -> None:
    with pytest.raises(DataError, match=r"(?s)recipe: 2 faults.*window of 5.*max_unknown"):
        recipe(window_bp=5, max_unknown=2)


@pytest.mark.parametrize(
    ("tracks", "changes", "message"),
    [
        ([track("X", a=[(0, 20)])], {"test_contigs": ("A",)}, "test contig 'A' does not exist"),
        ([track("X", a=[(0, 20)])], {"valid_contigs": ("q",)}, "valid contig 'q' does not exist"),
        ([track("X", a=[(0, 20)])], {"exclude_contigs": ("q",)}, "excluded contig 'q' does not exist"),
        ([track("X", a=[(0, 20)]), track("X", a=[(0, 20)])], {}, "two tracks are named 'X'"),
        ([track("X", q=[(0, 20)])], {}, "track 'X': no contig 'q'"),
        ([track("X", a=[(5, 5)])], {}, "track 'X': a has an interval whose start is not below its end"),
        ([track("X", a=[(5, 101)])], {}, "track 'X': a has an interval outside its 100 bp"),
        ([track("X", a=[(-1, 5)])], {}, "track 'X': a has an interval outside its 100 bp"),
        ([track("X", a=[(50, 51)])], {}, "no label is left: none of 1 has 1 positive bins .*--min-overlap 1"),
        (
            [track("X", a=[(20, 50)])],
            {"min_positives": 4},
            r"none of 1 has 4 positive bins \(the most is 3\)",
        ),
        ([], {}, "no label is left"),
    ],
)
def test_build_that_cannot_be_is_refused_and_writes_nothing(
    tmp_path: Path, tracks: list[Track], changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        build_store(
            tmp_path / "s.h5",
            contigs=random_contigs(a=100),
            tracks=tracks,
            recipe=recipe(**changes),
            provenance={},
        )
    assert list(tmp_path.iterdir()) == []


def test_existing_store_stays_without_force(tmp_path: Path) -> None:
    (tmp_path / "s.h5").write_text("precious")
    with pytest.raises(OutputExistsError, match="--force"):
        build_store(
            tmp_path / "s.h5",
            contigs=random_contigs(a=100),
            tracks=[track("X", a=[(20, 30)])],
            recipe=recipe(),
            provenance={},
        )
    assert (tmp_path / "s.h5").read_text() == "precious"


@pytest.mark.parametrize("seed", range(5))
def test_regions_hold_out_the_windows_inside_and_drop_those_across(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    contigs = random_contigs(seed, a=400, b=300)
    edges = {name: np.sort(rng.choice(len(codes), 8, replace=False)) for name, codes in contigs.items()}
    regions = {
        split: {name: edges[name].reshape(4, 2)[first::2].astype(np.int64) for name in contigs}
        for first, split in enumerate(("valid", "test"))
    }
    build_store(
        tmp_path / "s.h5",
        contigs=contigs,
        tracks=[track("X", a=[(0, 400)], b=[(0, 300)])],
        recipe=recipe(),
        provenance={},
        split_regions=regions,
    )
    expected = {}
    for name, codes in contigs.items():
        for start in range(5, len(codes) - 20, 10):
            inside = [
                split
                for split, by_contig in regions.items()
                if any(low <= start and start + 20 <= high for low, high in by_contig[name].tolist())
            ]
            is_touched = any(
                low < start + 20 and start < high
                for by_contig in regions.values()
                for low, high in by_contig[name].tolist()
            )
            if inside or not is_touched:
                expected[name, start] = inside[0] if inside else "train"
    with SequenceStore.open(tmp_path / "s.h5") as store:
        where = places(store)
        found = {where[row]: split for split in SPLITS for row in store.rows(split).tolist()}
    assert found == expected


def test_regions_on_a_held_out_contig_or_of_two_splits_are_refused(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "contigs": random_contigs(a=400, b=300),
        "tracks": [track("X", a=[(0, 400)])],
        "provenance": {},
    }
    region = {"a": np.array([[100, 200]], dtype=np.int64)}
    with pytest.raises(DataError, match="a is held out as a whole and has a region of the valid split"):
        build_store(
            tmp_path / "s.h5", recipe=recipe(test_contigs=("a",)), split_regions={"valid": region}, **options
        )
    with pytest.raises(DataError, match="a: regions of two splits overlap"):
        build_store(
            tmp_path / "s.h5", recipe=recipe(), split_regions={"valid": region, "test": region}, **options
        )


def test_held_out_windows_that_training_windows_repeat_are_left_out(tmp_path: Path) -> None:
    contigs = random_contigs(a=1000, b=1000)
    contigs["b"][300:500] = contigs["a"][100:300]
    tracks = [track("X", a=[(0, 1000)], b=[(0, 1000)]), track("Y", b=[(310, 320), (700, 720)])]
    rules: dict[str, Any] = {"bin_bp": 20, "window_bp": 80, "test_contigs": ("b",)}
    counts = {}
    for limit in (1.0, 0.25):
        path = tmp_path / f"{limit}.h5"
        summary = build_store(
            path,
            contigs=contigs,
            tracks=tracks,
            recipe=recipe(max_shared_kmers=limit, **rules),
            provenance={},
        )
        with SequenceStore.open(path) as store:
            counts[limit] = {start for contig, start in places(store) if contig == "b"}
            assert store.labels(store.rows("test")).sum(axis=0)[0] == len(counts[limit])
    gone = counts[1.0] - counts[0.25]
    assert summary.dropped_bins["32-mers of training windows"] == len(gone)
    # Of a window's 49 32-mers more than 12 lie wholly in the copied 200 bp.
    assert gone == {start for start in counts[1.0] if min(start + 80, 500) - max(start, 300) >= 32 + 12}


def test_negatives_have_no_label_and_the_share_of_gc_of_the_labelled(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # GC-rich and GC-poor stretches in turn; labels in rich ones only.
    rich = np.repeat(np.arange(100) % 2 == 0, 100)
    codes = np.where(rich, rng.integers(1, 3, 10_000), rng.choice([0, 3], 10_000)).astype(np.uint8)
    contigs = {"a": codes, "b": codes[::-1].copy()}
    peaks = [(start, start + 100) for start in range(0, 10_000, 400)]
    tracks = [
        track("X", a=peaks, b=[(start + 100, end + 100) for start, end in peaks]),
        track("rare", a=[(600, 700)]),
    ]
    rules = recipe(bin_bp=100, window_bp=100, test_contigs=("b",), min_positives=2)
    digests: list[str] = []
    for ratio in (0.0, 1.0, 1.0, 0.5):
        path = tmp_path / f"{len(digests)}.h5"
        options = replace(rules, negatives=ratio)
        summary = build_store(path, contigs=contigs, tracks=tracks, recipe=options, provenance={})
        digests.append(summary.digest)
        with SequenceStore.open(path) as store:
            rows = np.arange(len(store))
            is_negative = store.labels(rows).sum(axis=1) == 0
            gc = np.isin(store.codes(rows), (1, 2)).mean(axis=1)
            for split in ("train", "test"):
                here = store.rows(split)
                n_positive = int((~is_negative[here]).sum())
                # Every second rich stretch is free, but for the one that the rare track marks.
                assert int(is_negative[here].sum()) == min(
                    round(ratio * n_positive), 24 if split == "train" else 25
                )
            assert (gc[is_negative] == 1).all()
            assert ("a", 600) not in places(store)
    assert digests[1] == digests[2] != digests[0]
