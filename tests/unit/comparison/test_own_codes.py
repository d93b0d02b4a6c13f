"""Codes that a user computed: every form that is read, and every mistake that is named."""

import h5py
import numpy as np
import pytest

from rehash.bits import pack
from rehash.code_files import input_ids, read_coded, read_sides
from rehash.comparison.own_codes import read_own_codes
from rehash.datasets.layout import Split, write_dataset
from rehash.errors import InputError

RNG = np.random.default_rng(0)
BITS = {"query": RNG.random((6, 11)) < 0.5, "gallery": RNG.random((9, 11)) < 0.5}
LABELS = {"query": np.array([0, 1, 2, 0, 1, 2]), "gallery": np.array([2, 1, 0] * 3)}
NAMES = ["cat", "dog", "eel"]


def arrays(codes=BITS, labels=LABELS, **more) -> dict[str, np.ndarray]:
    found = {f"{side}_codes": codes[side] for side in codes} | {f"{side}_labels": labels[side] for side in labels}
    return found | more


def save(path, held: dict[str, np.ndarray]):
    if path.suffix == ".npz":
        np.savez(path, **held)
    else:
        with h5py.File(path, "w") as file:
            for name, array in held.items():
                file[name] = array.astype(h5py.string_dtype()) if array.dtype.kind == "U" else array
    return path


def read(tmp_path, *held: dict, dataset=None, real=False, ending=".npz", output="c.h5"):
    paths = [save(tmp_path / f"{number}{ending}", each) for number, each in enumerate(held)]
    source = {
        "name": "mine",
        "kind": "own",
        "settings": {"real": real},
        "dataset": dataset and "d",
        "where": "config: w",
    }
    notes = read_own_codes(paths, dataset, tmp_path / output, source)
    assert set(map(str, paths)) <= set(notes["digests"])
    return *read_sides(tmp_path / output), list(read_coded(tmp_path / output))


@pytest.fixture
def dataset(tmp_path):
    """Images of the labels' classes, of which one query is in the gallery, a split of its own."""
    splits = {
        name: Split(RNG.integers(0, 256, (len(of), 3, 3), np.uint8), of)
        for name, of in (("train", np.arange(4) % 3), ("test", LABELS["query"]), ("gallery", LABELS["gallery"]))
    }
    splits["test"].inputs[2] = splits["gallery"].inputs[5]
    write_dataset(tmp_path / "d.h5", splits, name="d", source="", licence="", class_names=NAMES)
    return tmp_path / "d.h5", splits


@pytest.mark.parametrize("ending", [".npz", ".h5"])
@pytest.mark.parametrize(
    "form",
    [
        lambda b: b, lambda b: b.astype(np.uint8), lambda b: b.astype(np.float64), lambda b: 2 * b.astype(np.int8) - 1,
        lambda b: np.where(b, 1.0, -1.0).astype(np.float32),
    ],
    ids=["bool", "0 and 1", "0.0 and 1.0", "-1 and 1", "-1.0 and 1.0"],
)  # fmt: skip
def test_bits_in_any_form(tmp_path, form, ending):
    held = arrays({side: form(bits) for side, bits in BITS.items()})
    sides, about, (found,) = read(tmp_path, held, ending=ending)
    assert (found.bits, found.repeat) == (11, 0)
    assert np.array_equal(found.queries, pack(BITS["query"])) and np.array_equal(found.gallery, pack(BITS["gallery"]))
    assert np.array_equal(sides["queries"].labels, LABELS["query"]) and about["class_names"] == ["0", "1", "2"]
    assert about["data"] is None and not about["copies_known"]
    assert len(np.unique(np.concatenate([side.ids for side in sides.values()]))) == 15


def test_one_file_gives_the_same_bytes_in_either_format(tmp_path):
    for ending in (".npz", ".h5"):
        read(tmp_path, arrays(), ending=ending, output=f"c{ending}.h5")
    assert (tmp_path / "c.npz.h5").read_bytes() == (tmp_path / "c.h5.h5").read_bytes()


@pytest.mark.parametrize("kind", [np.float64, np.float16, np.int32])
def test_real_numbers(tmp_path, kind):
    codes = {side: (10 * RNG.standard_normal((n, 4))).astype(kind) for side, n in (("query", 6), ("gallery", 9))}
    _, _, (found,) = read(tmp_path, arrays(codes), real=True)
    assert found.bits == 0 and found.queries.dtype == np.float32
    assert np.array_equal(found.queries, codes["query"].astype(np.float32))
    codes["gallery"] = codes["gallery"].astype(np.float64)
    codes["gallery"][3, 2] = 1e300
    with pytest.raises(InputError, match=r"0.npz: gallery_codes: row 3, column 2 is 1e\+300; expected finite numbers"):
        read(tmp_path, arrays(codes), real=True)


def test_several_files_are_lengths_and_repeats_of_one_source(tmp_path):
    few = {side: bits[:, :4] for side, bits in BITS.items()}
    other = {side: ~bits for side, bits in BITS.items()}
    _, _, found = read(tmp_path, arrays(), arrays(few), arrays(other))
    assert [(one.bits, one.repeat) for one in found] == [(4, 0), (11, 0), (11, 1)]
    assert np.array_equal(found[2].queries, pack(~BITS["query"]))
    moved = {"query": LABELS["query"][::-1], "gallery": LABELS["gallery"]}
    with pytest.raises(
        InputError, match=r"1.npz: its query_labels are not those of .*0.npz; expected files of one sou"
    ):
        read(tmp_path, arrays(), arrays(labels=moved), output="e.h5")
    assert not (tmp_path / "e.h5").exists()


@pytest.mark.parametrize("ids", [np.arange(15), np.array([f"image {n}" for n in range(15)])], ids=["numbers", "texts"])
@pytest.mark.parametrize("ending", [".npz", ".h5"])
def test_classes_by_name_and_ids(tmp_path, ids, ending):
    labels = {side: np.array(NAMES)[of] for side, of in LABELS.items()}
    ids[2] = ids[10]
    held = arrays(labels=labels, query_ids=ids[:6], gallery_ids=ids[6:])
    sides, about, _ = read(tmp_path, held, ending=ending)
    assert about["class_names"] == NAMES and about["copies_known"]
    assert np.array_equal(sides["gallery"].labels, LABELS["gallery"])
    found = np.concatenate([side.ids for side in sides.values()])
    assert np.array_equal(found[:, None] == found, ids[:, None] == ids)


def test_classes_are_numbered_from_0(tmp_path):
    labels = {side: 5 * of - 5 for side, of in LABELS.items()}
    sides, about, _ = read(tmp_path, arrays(labels=labels))
    assert about["class_names"] == ["-5", "0", "5"] and np.array_equal(sides["queries"].labels, LABELS["query"])


@pytest.mark.parametrize("named", [False, True])
def test_labels_and_ids_of_a_dataset(tmp_path, dataset, named):
    path, splits = dataset
    labels = {side: np.array(NAMES)[of] for side, of in LABELS.items()} if named else LABELS
    sides, about, _ = read(tmp_path, arrays(labels=labels), dataset=path)
    assert about["class_names"] == NAMES and about["copies_known"] and len(about["data"]) == 64
    for side, split in (("queries", "test"), ("gallery", "gallery")):
        assert np.array_equal(sides[side].labels, splits[split].labels)
        assert np.array_equal(sides[side].ids, input_ids(splits[split].inputs))
    assert sides["queries"].ids[2] == sides["gallery"].ids[5]


def test_labels_that_are_not_the_datasets(tmp_path, dataset):
    path, _ = dataset
    wrong = {**LABELS, "gallery": LABELS["gallery"].copy()}
    wrong["gallery"][[4, 6]] = 0
    with pytest.raises(
        InputError,
        match=r"0.npz: gallery_labels: row 4 is of class 0, which in what queries search .* of .*d.h5 is of class 1 \(2 of 9 rows",
    ):
        read(tmp_path, arrays(labels=wrong), dataset=path)
    fewer = {side: values[:5] for side, values in BITS.items()}, {side: values[:5] for side, values in LABELS.items()}
    with pytest.raises(InputError, match=r"query_labels has 5 entries; the test split of .*d.h5 has 6: expected a row"):
        read(tmp_path, arrays(*fewer), dataset=path)
    named = {side: np.array(["cat", "dog", "hen"])[of] for side, of in LABELS.items()}
    with pytest.raises(InputError, match=r"0.npz: query_labels: unknown class 'hen'"):
        read(tmp_path, arrays(labels=named), dataset=path)
    assert not (tmp_path / "c.h5").exists()


def changed(side: str, at: tuple[int, int], value: float) -> dict[str, np.ndarray]:
    codes = {name: bits.astype(np.float64) for name, bits in BITS.items()}
    codes[side][at] = value
    return codes


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (arrays(changed("gallery", (4, 3), 2)), r"gallery_codes: row 4, column 3 is 2.0; expected 0 and 1, or -1 and 1"),
        (arrays(changed("query", (1, 0), np.nan)), r"query_codes: row 1, column 0 is nan; .* need real: true in config: w"),
        (arrays(changed("query", (1, 0), 0.5)), r"query_codes: row 1, column 0 is 0.5"),
        (arrays(changed("query", (1, 0), -1)), r"its codes have 0 and -1; .* a 0 is a tie: save codes > 0"),
        (
            arrays({**BITS, "gallery": 2 * BITS["gallery"].astype(int) - 1}),
            "its codes have 0 and -1; expected 0 and 1, or -1 and 1, the same in query_codes and gallery_codes",
        ),
        (
            arrays({side: np.packbits(bits, 1) for side, bits in BITS.items()}),
            r"codes packed into bytes save numpy.unpackbits\(codes, axis=1\)",
        ),
        (
            arrays({**BITS, "gallery": BITS["gallery"][:, :8]}),
            "query_codes have 11 columns and gallery_codes 8; expected as many",
        ),
        (arrays({**BITS, "query": BITS["query"][:5]}), "query_labels has 6 entries and query_codes 5 rows"),
        (arrays({**BITS, "query": BITS["query"][:, 0]}), r"query_codes: bool \(6,\); expected numbers \(N, K\)"),
        (arrays({**BITS, "query": np.zeros((6, 0))}), r"query_codes: float64 \(6, 0\); expected numbers"),
        (arrays({**BITS, "query": np.full((6, 11), "x")}), r"query_codes: <U1 \(6, 11\); expected numbers"),
        (
            arrays(labels={**LABELS, "query": np.eye(3)[LABELS["query"]]}),
            r"query_labels: labels are float64 \(6, 3\); expected one label a sample.*numpy.argmax\(labels, 1\)",
        ),
        (arrays(labels={**LABELS, "query": LABELS["query"] + 0.5}), "query_labels: .* expected whole numbers or texts"),
        (arrays(labels={**LABELS, "query": np.array(NAMES)[LABELS["query"]]}), "labels of one side are texts"),
        (arrays(query_ids=np.arange(6)), "has ids of one side alone; expected query_ids and gallery_ids, or neither"),
        (arrays(query_ids=np.arange(6), gallery_ids=np.arange(8)), "gallery_ids has 8 entries and gallery_codes 9 rows"),
        ({"query_codes": BITS["query"], "codes": BITS["gallery"]}, "lacks query_labels, gallery_codes, gallery_labels; .*found codes, query_codes"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path, held, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, held)
    assert not (tmp_path / "c.h5").exists()


def test_nothing_is_unpickled(tmp_path):
    held = arrays(labels={**LABELS, "query": np.array([{}] * 6, object)})
    with pytest.raises(InputError, match="query_labels is damaged, or holds Python objects"):
        read(tmp_path, held)


def test_files_of_something_else(tmp_path):
    source = {"name": "mine", "kind": "own", "settings": {"real": False}, "dataset": None, "where": "config: w"}
    for name, message in (("c.pkl", "unknown kind of file '.pkl'"), ("c", "unknown kind of file 'without an ending'")):
        with pytest.raises(InputError, match=message):
            read_own_codes([tmp_path / name], None, tmp_path / "o.h5", source)
    for name, message in (("c.npz", "c.npz: not an .npz file"), ("c.h5", "c.h5: not an HDF5 file, or damaged")):
        (tmp_path / name).write_text("text")
        with pytest.raises(InputError, match=message):
            read_own_codes([tmp_path / name], None, tmp_path / "o.h5", source)
        (tmp_path / name).unlink()
        with pytest.raises(InputError, match=name):
            read_own_codes([tmp_path / name], None, tmp_path / "o.h5", source)
