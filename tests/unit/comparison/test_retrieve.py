"""The job that measures retrieval: its tables, and every input that it refuses."""

import re

import numpy as np
import pandas as pd
import pytest

from rehash.bits import pack
from rehash.code_files import Coded, Side, input_ids, write_codes
from rehash.comparison.retrieve import measure_retrieval
from rehash.errors import InputError

KEYS = {"dataset": "toy", "protocol": "all", "source": "random"}
MEASURED = {
    "at": [5, 40],
    "cutoffs": [1, 10],
    "radii": [0, 2],
    "queries_in_gallery": "refuse",
    "resamples": 50,
    "seed": 0,
}
QUERIES, ITEMS = 12, 60


def sides(**changed) -> dict[str, Side]:
    images = np.arange(QUERIES + ITEMS, dtype=np.uint8)[:, None, None] + np.zeros((4, 4), np.uint8)
    ids, labels = input_ids(images), np.arange(QUERIES + ITEMS) % 4
    found = {"queries": Side(labels[:QUERIES], ids[:QUERIES]), "gallery": Side(labels[QUERIES:], ids[QUERIES:])}
    return found | changed


def coded(bits: int = 12, repeat: int = 0, seed: int = 0, **changed) -> Coded:
    rng = np.random.default_rng([seed, bits, repeat])
    both = (QUERIES, ITEMS)
    found = {
        name: pack(rng.random((n, bits)) < 0.5) if bits else rng.normal(size=(n, 7)).astype(np.float32)
        for name, n in zip(("queries", "gallery"), both)
    }
    return Coded(bits, repeat, **(found | changed))


def run(folder, *all_coded, sides=None, threads=1, keys=KEYS, **changed):
    paths = [folder / name for name in ("codes.h5", "table.csv", "curves.csv")]
    write_codes(paths[0], sides or globals()["sides"](), iter(all_coded or [coded()]), {"kind": "random"})
    notes = measure_retrieval(*paths, keys=keys, measured={**MEASURED, **changed}, threads=threads)
    return notes, *(pd.read_csv(path) for path in paths[1:])


def test_tables_are_tidy(tmp_path):
    notes, table, curves = run(tmp_path, coded(12, 0), coded(12, 1), coded(30), coded(0))
    assert notes == {"seed": 0, "queries": QUERIES, "left_out": 0}
    columns = ["dataset", "protocol", "source", "bits", "repeat", "train", "gallery"]
    assert (table.gallery == ITEMS).all()
    assert list(table) == [*columns, "metric", "at", "value", "low", "high", "n", "stable"]
    assert list(curves)[:9] == [*columns, "curve", "x"] and not curves.duplicated([*columns, "curve", "x"]).any()
    assert not table.duplicated([*columns, "metric", "at"]).any()
    encoders = [(0, 0), (12, 0), (12, 1), (30, 0)]
    assert list(table.groupby(["bits", "repeat"]).groups) == list(curves.groupby(["bits", "repeat"]).groups) == encoders
    bits, real = set(table[table.bits == 12].metric), set(table[table.bits == 0].metric)
    ranked = {"map", "map_at", "map_at_of_all", "precision_at", "recall_at", "ndcg_at"}
    within = {"precision_within", "recall_within", "found_within"}
    assert real == ranked | {"redundancy", "redundancy_of_queries"}
    assert bits > real | within | {"bucket_purity", "bit_balance", "entropy_least"}
    asked = table.metric.isin(ranked | within)
    assert (table[asked].n == QUERIES).all() and table[~asked][["low", "high", "n", "stable"]].isna().all(axis=None)
    assert (table[asked].low <= table[asked].value).all() and (table[asked].value <= table[asked].high).all()
    assert table.stable.notna().equals(table.metric.isin(ranked))
    untied = table[table.metric.isin(ranked) & (table.bits == 0)]
    assert untied.stable.to_numpy() == pytest.approx(untied.value, abs=1e-12)
    assert (curves[curves.curve == "precision_recall_by_radius"].groupby("bits").x.max()).to_dict() == {12: 12, 30: 30}
    assert curves[curves.x.eq(ITEMS) & curves.curve.eq("precision_recall_by_rank")].recall.eq(1).sum() == 4


def test_the_same_bytes_for_any_threads_and_neighbours(tmp_path):
    """An encoder's rows do not depend on others in its file."""
    run(tmp_path / "one", coded(12, 0), coded(0), threads=1)
    run(tmp_path / "two", coded(12, 0), coded(0), threads=2)
    for name in ("table.csv", "curves.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    alone, together = (run(tmp_path, *each)[1].query("bits == 0") for each in ([coded(0)], [coded(12), coded(0)]))
    pd.testing.assert_frame_equal(alone.reset_index(drop=True), together.reset_index(drop=True))


def test_sources_of_a_dataset_share_their_samples(tmp_path):
    intervals = [
        run(tmp_path, coded(0), keys={**KEYS, **changed}, **more)[1].high[0]
        for changed, more in (({}, {}), ({"source": "b"}, {}), ({"dataset": "c"}, {}), ({}, {"seed": 1}))
    ]
    assert intervals[0] == intervals[1] and len(set(intervals)) == 3


def test_settings_may_be_few(tmp_path):
    _, table, _ = run(tmp_path, coded(), at=[], cutoffs=[], radii=[], resamples=1)
    assert set(table.metric) & {"map", "map_at", "precision_at", "found_within"} == {"map"}
    _, table, _ = run(tmp_path, coded(1), at=[3, 3, 1], radii=[2, 0])
    assert table[table.metric == "map_at"]["at"].tolist() == [1, 3]


def test_without_a_stable_sort(tmp_path):
    known, table = (run(tmp_path, coded(), **more)[1] for more in ({}, {"stable": False}))
    assert table.stable.isna().all() and not known.stable.isna().all()
    pd.testing.assert_frame_equal(table.drop(columns="stable"), known.drop(columns="stable"))


# ---------------------------------------------------------------------------------------------------------------------
# Queries that are in the gallery


def shared() -> dict[str, Side]:
    """Three queries are items, too: rows 0, 4 and 5, of which 4 and 5 have the labels 0 and 1."""
    both = sides()
    ids = both["queries"].ids.copy()
    ids[[0, 4, 5]] = both["gallery"].ids[[8, 0, 41]]
    return sides(queries=Side(both["queries"].labels, ids))


def test_queries_in_the_gallery_are_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"codes.h5: 3 of 12 queries are in the gallery, too: rows 0, 4, 5. .*leave_out .*keep"
    ):
        run(tmp_path, sides=shared())
    assert not list(tmp_path.glob("*.csv"))


def test_queries_in_the_gallery_are_left_out_or_kept(tmp_path):
    one = coded()
    notes, table, _ = run(tmp_path, one, sides=shared(), queries_in_gallery="leave_out")
    assert notes == {"seed": 0, "queries": 9, "left_out": 3}
    others = np.delete(np.arange(QUERIES), [0, 4, 5])
    both = sides()
    fewer = sides(queries=Side(both["queries"].labels[others], both["queries"].ids[others]))
    _, expected, _ = run(tmp_path, Coded(12, 0, one.queries[others], one.gallery), sides=fewer)
    pd.testing.assert_frame_equal(table, expected)
    notes, kept, _ = run(tmp_path, one, sides=shared(), queries_in_gallery="keep")
    pd.testing.assert_frame_equal(kept, run(tmp_path, one)[1])
    assert notes["left_out"] == 0


def test_no_query_is_left(tmp_path):
    both = sides()
    every = sides(queries=Side(both["queries"].labels, both["gallery"].ids[:QUERIES]))
    with pytest.raises(InputError, match=r"no queries: 12 of 12 .*leave_out.*[Cc]hoose keep"):
        run(tmp_path, sides=every, queries_in_gallery="leave_out")
    assert run(tmp_path, sides=every, queries_in_gallery="keep")[0]["queries"] == QUERIES


def test_an_unknown_choice(tmp_path):
    with pytest.raises(InputError, match="queries_in_gallery: unknown choice 'leave'; did you mean 'leave_out'"):
        run(tmp_path, queries_in_gallery="leave")


# ---------------------------------------------------------------------------------------------------------------------
# Bad input


def altered(values: np.ndarray, row: int, value) -> np.ndarray:
    values = values.copy()
    values[row, -1] = value
    return values


def side(name: str, labels=None, ids=None) -> dict[str, Side]:
    known = sides()[name]
    return sides(**{name: Side(known.labels if labels is None else labels, known.ids if ids is None else ids)})


BAD = {
    "a class of queries without an item": (
        {"sides": side("queries", labels=np.array([0, 1, 2, 3] * 2 + [9, 7, 9, 11]))},
        r"no item of 3 of the queries' labels: 7, 9, 11 \(4 queries\).*choose a protocol",
    ),
    "no queries": ({"sides": side("queries", np.empty(0, int), np.empty(0, np.uint64))}, "no queries; expected one"),
    "no gallery": ({"sides": side("gallery", np.empty(0, int), np.empty(0, np.uint64))}, "no gallery; expected one"),
    "ids of other inputs": (
        {"sides": side("gallery", ids=np.arange(3, dtype=np.uint64))},
        r"labels \(60,\) and ids \(3,\)",
    ),
    "R above the gallery": (
        {"at": [5, 61, 1000]},
        r"config: comparison\.retrieval\.toy\.at: 61, 1000, .*has 60 items; choose from 1 to 60",
    ),
    "k above the gallery": ({"cutoffs": [61]}, r"config: comparison\.retrieval\.toy\.cutoffs: 61, .*60 items"),
    "an R of 0": ({"at": [0]}, r"config: comparison\.retrieval\.toy\.at: 0, .*choose from 1 to 60"),
    "a radius below 0": ({"radii": [-1, 2]}, r"config: comparison\.retrieval\.toy\.radii: -1.*0 or more"),
    "no resamples": ({"resamples": 0}, r"config: comparison\.retrieval\.toy\.resamples: 0; expected 1 or more"),
    "bits that differ": (
        {"coded": coded(gallery=coded(30).gallery)},
        "codes of 12 bits, repeat 0: uint8, 2 bytes a row of the queries and uint8, 4 bytes a row of the gallery; expected uint8, 2 bytes",
    ),
    "numbers that differ in width": (
        {"coded": coded(0, gallery=np.ones((ITEMS, 3), np.float32))},
        "7 numbers a row of the queries and float32, 3 numbers a row of the gallery",
    ),
    "numbers in the place of bits": (
        {"coded": coded(12, queries=coded(0).queries)},
        "float32, 7 bytes a row of the queries",
    ),
    "too few codes": ({"coded": coded(gallery=coded().gallery[:-1])}, r"gallery \(59, 2\); expected 60 rows"),
    "codes of other axes": ({"coded": coded(queries=coded().queries[:, 0])}, r"queries \(12,\); expected 12 rows"),
    "spare bits": (
        {"coded": coded(gallery=altered(coded().gallery, 7, 0b11111000))},
        "gallery: spare bits that are not zero in 1 rows: 7.*write the file anew",
    ),
    "values that are not finite": (
        {"coded": coded(0, queries=altered(coded(0).queries, 3, np.inf))},
        "repeat 0: queries: values that are not finite in 1 rows: 3",
    ),
    "no numbers at all": (
        {"coded": coded(0, queries=np.empty((QUERIES, 0), np.float32), gallery=np.empty((ITEMS, 0), np.float32))},
        "0 numbers a row.*expected float32, one or more numbers",
    ),
}


def test_the_usual_ranks_are_those_that_the_gallery_has(tmp_path):
    _, table, _ = run(tmp_path, at=None, cutoffs=None)
    assert not len(table[table.metric == "map_at"])
    assert list(table[table.metric == "precision_at"]["at"]) == [1, 10]


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_named(name, tmp_path):
    changed, message = BAD[name]
    changed = dict(changed)
    with pytest.raises(InputError) as error:
        run(tmp_path, *filter(None, [changed.pop("coded", None)]), **changed)
    assert re.search(message, str(error.value)), str(error.value)
    assert not list(tmp_path.glob("*.csv")), "nothing half-written"


def test_a_file_of_something_else_and_a_damaged_one(tmp_path):
    (tmp_path / "codes.h5").write_bytes(b"not HDF5")
    with pytest.raises(InputError, match=r"codes.h5: not a file of codes"):
        measure_retrieval(tmp_path / "codes.h5", tmp_path / "a", tmp_path / "b", keys=KEYS, measured=MEASURED)
    run(tmp_path)
    content = bytearray((tmp_path / "codes.h5").read_bytes())
    place = content.find(coded().gallery.tobytes())
    content[place + 5] ^= 1
    (tmp_path / "codes.h5").write_bytes(content)
    with pytest.raises(InputError, match=r"codes.h5: not a file of codes of rehash, or damaged"):
        measure_retrieval(tmp_path / "codes.h5", tmp_path / "a", tmp_path / "b", keys=KEYS, measured=MEASURED)
