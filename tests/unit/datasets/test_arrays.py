"""Files of arrays by name, npz and HDF5: what was saved is read, whatever its type, and what cannot be is named."""

import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from sklearn.datasets import load_digits, load_wine

from rehash.datasets.layout import Split, write_dataset
from rehash.datasets.raw import numbers, plain_labels
from rehash.datasets.readers import hdf5, npz
from rehash.errors import InputError

RNG = np.random.default_rng(0)
ROLES = ["train_images", "train_labels", "test_images", "test_labels"]
KERAS = ["x_train", "y_train", "x_test", "y_test"]
GROUPS = ["train/images", "train/labels", "test/images", "test/labels"]


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def save_npz(path: Path, **arrays) -> Path:
    np.savez_compressed(path, **arrays)
    return path


def save_hdf5(path: Path, **arrays) -> Path:
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            array = np.asarray(array)
            file[name] = array.astype(object) if array.dtype.kind == "U" else array
    return path


FORMATS = {"npz": (npz.read, save_npz), "hdf5": (hdf5.read, save_hdf5)}
formats = pytest.mark.parametrize(("read", "save"), FORMATS.values(), ids=FORMATS)


def arrays_of(
    names: list[str] = ROLES, shape: tuple[int, ...] = (5, 4), labels: str = "int64"
) -> dict[str, np.ndarray]:
    held = [pixels(9, *shape), np.arange(9) % 3, pixels(6, *shape), np.arange(6) % 3]
    return dict(zip(names, [array.astype(labels) if array.ndim == 1 else array for array in held]))


@formats
@pytest.mark.parametrize("names", [ROLES, KERAS, [name.upper() for name in KERAS]])
@pytest.mark.parametrize(
    ("shape", "labels"), [((5, 4), "uint8"), ((5, 4, 3), "int32"), ((5, 4, 1), "uint64"), ((20,), "float32")]
)
def test_what_was_saved_is_read(tmp_path, read, save, names, shape, labels):
    saved = arrays_of(names, shape, labels)
    saved[names[1]] = saved[names[1]][:, None]
    path = save(tmp_path / "d.npz", **saved, class_names=np.array(["a", "bé", "c"]), other=np.zeros(3))
    found = read({"archive": str(path)})
    assert found.class_names == ["a", "bé", "c"]
    assert found.notes == ["of the arrays other nothing was read"]
    for split, inputs, given in (("train", *names[:2]), ("test", *names[2:])):
        held = found.splits[split]
        expected = saved[inputs][..., 0] if shape == (5, 4, 1) else saved[inputs]
        assert held.inputs.dtype == np.uint8 and (held.inputs == expected).all()
        assert held.inputs.shape == expected.shape
        assert held.labels.tolist() == saved[given].reshape(-1).tolist() and held.labels.dtype == np.int64


@formats
@pytest.mark.parametrize("dtype", ["bool", "int16", "uint16", "float16", "float32", "float64", ">f4", ">u2"])
def test_any_type_of_number(tmp_path, read, save, dtype):
    inputs = (RNG.random((6, 5)) * 3).astype(dtype)
    found = read({"path": str(save(tmp_path / "d.npz", x=inputs, y=np.arange(6) % 2))}).splits["all"]
    assert (found.inputs == inputs).all() and found.inputs.dtype.kind == np.dtype(dtype).kind


@formats
@pytest.mark.parametrize(
    ("names", "splits"),
    [
        (("images", "labels"), {"all": "images"}),
        (("X", "y"), {"all": "X"}),
        (("data", "target"), {"all": "data"}),
        (("embeddings", "label"), {"all": "embeddings"}),
        (("train", "train_labels", "test", "test_labels"), {"train": "train", "test": "test"}),
        (("train_inputs", "train_y", "test_inputs", "test_y"), {"train": "train_inputs", "test": "test_inputs"}),
        (("X_train", "Y_train", "X_test", "Y_test"), {"train": "X_train", "test": "X_test"}),
    ],
)
def test_names_that_people_give(tmp_path, read, save, names, splits):
    saved = {name: (np.arange(8) % 2 if i % 2 else RNG.random((8, 3))) for i, name in enumerate(names)}
    found = read({"path": str(save(tmp_path / "d.npz", **saved))})
    assert {*found.splits} == {*splits} and not found.notes
    for split, name in splits.items():
        assert (found.splits[split].inputs == saved[name]).all()


@formats
def test_scikit_learns_data_saved_as_they_are(tmp_path, read, save):
    """Digits have images and the same as vectors: the images are taken, and that is said."""
    digits, wine = load_digits(), load_wine()
    bunch = {key: digits[key] for key in ("data", "images", "target", "target_names", "feature_names")}
    found = read({"path": str(save(tmp_path / "d.npz", **bunch))})
    assert (found.splits["all"].inputs == digits.images).all() and found.class_names == list("0123456789")
    assert found.notes == ["of the arrays data, feature_names nothing was read"]
    bunch = {key: wine[key] for key in ("data", "target", "target_names")}
    found = read({"path": str(save(tmp_path / "w.npz", **bunch))})
    assert (found.splits["all"].inputs == wine.data).all() and found.class_names == ["class_0", "class_1", "class_2"]


@formats
@pytest.mark.parametrize("labels", [["cat", "dog"], [b"cat", b"dog"], ["katze", "Vögel"]])
def test_labels_may_be_texts(tmp_path, read, save, labels):
    given = np.array(labels * 4)
    found = read({"path": str(save(tmp_path / "d.npz", x=RNG.random((8, 3)), y=given))}).splits["all"]
    assert found.labels.tolist() == [label.decode() if isinstance(label, bytes) else label for label in labels * 4]


def test_the_projects_own_layout_is_read_back(tmp_path):
    for shape, dtype in (((5, 4), np.uint8), ((7,), np.float32)):
        splits = {s: Split(pixels(n, *shape).astype(dtype), np.arange(n) % 3) for s, n in (("train", 9), ("test", 6))}
        write_dataset(tmp_path / "d.h5", splits, name="d", source="", licence="", class_names=["ä", "b", "c"])
        found = hdf5.read({"path": str(tmp_path / "d.h5")})
        assert found.class_names == ["ä", "b", "c"] and not found.notes
        for split, held in splits.items():
            assert found.splits[split].inputs.dtype == dtype
            assert (found.splits[split].inputs == held.inputs).all()
            assert (found.splits[split].labels == held.labels).all()


def test_hdf5_in_parts_and_chunks_is_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("rehash.foreign_hdf5._SLICE_BYTES", 100)  # three rows a part, the last one shorter
    inputs, labels = RNG.random((11, 4)), np.arange(11) % 2
    with h5py.File(tmp_path / "d.h5", "w") as file:
        file.create_dataset("x", data=inputs, chunks=(2, 3), compression="gzip")
        file.create_dataset("y", data=labels.astype(bool))
        file.create_dataset("text", data="words")
    found = hdf5.read({"path": str(tmp_path / "d.h5")}).splits["all"]
    assert (found.inputs == inputs).all() and found.labels.tolist() == labels.tolist()


OBJECTS = np.array([[1, 2], None], object)
NAN = np.where(np.arange(180).reshape(9, 20) == 25, np.nan, 1.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train_images": pixels(9, 3, 5, 4)},
            r"train_images: shape \(9, 3, 5, 4\); expected colours last, \(N, H, W, 3\): save its transpose\(0, 2, 3, 1\)",
        ),
        ({"train_images": pixels(9, 5, 4, 4)}, r"train_images: shape \(9, 5, 4, 4\); expected three colours.*\[..., :3\]"),
        ({"train_images": pixels(9)}, r"train_images: shape \(9,\); expected images"),
        ({"train_images": NAN}, "train_images: nan in sample 1, and 1 such samples in all; expected finite"),
        ({"train_images": np.array(["a"] * 9)}, r"train_images: <U1 \(9,\); expected numbers"),
        ({"train_images": np.ones((9, 2), complex)}, r"train_images: complex128 \(9, 2\); expected numbers"),
        ({"train_labels": np.arange(9) / 2}, r"train_labels: labels are float64 \(9,\), among them 0.5; expected whole"),
        ({"train_labels": np.full(9, np.nan)}, "train_labels: .* among them nan; expected whole numbers or texts"),
        ({"train_labels": np.arange(9, dtype="uint64") + 2**63}, "train_labels: .* fit into 64 bits"),
        ({"train_labels": np.full(9, 1e300)}, "train_labels: .* fit into 64 bits"),
        ({"test_labels": np.eye(6, dtype=int)}, r"test_labels: labels are int64 \(6, 6\).*save numpy.argmax"),
        ({"test_labels": np.arange(5)}, "test_images has 6 samples and test_labels 5; expected as many"),
        ({"class_names": np.arange(3) / 2}, r"class_names is float64 \(3,\); expected one row of strings or integers"),
        ({"class_names": np.array([["a", "b"]])}, r"class_names is <U1 \(1, 2\)"),
        ({"Train_Images": pixels(9, 5, 4)}, "has Train_Images and train_images; expected one of them"),
    ],
)  # fmt: skip
@formats
def test_bad_arrays(tmp_path, read, save, changed, message):
    path = save(tmp_path / "d.npz", **{**arrays_of(), **changed})
    with pytest.raises(InputError, match=message.replace("<U1", ".*")) as error:
        read({"path": str(path)})
    assert str(path) in str(error.value)


@pytest.mark.parametrize("name", ["train_images", "train_labels", "class_names"])
def test_npz_of_objects_is_refused(tmp_path, name):
    """They are pickles; the way out that the message names is right."""
    arrays = {**arrays_of(), "class_names": np.array(["a", "b", "c"])}
    np.savez(tmp_path / "d.npz", **{**arrays, name: OBJECTS})
    with pytest.raises(InputError, match=rf"{name} is damaged, or holds Python objects.*save labels as labels.astype"):
        npz.read({"path": str(tmp_path / "d.npz")})
    labels = np.array(["b", "a", "c"] * 3, object)
    np.savez(tmp_path / "d.npz", **{**arrays, "train_labels": labels.astype(str)})
    assert npz.read({"path": str(tmp_path / "d.npz")}).splits["train"].labels.tolist() == labels.tolist()


def test_each_way_out_of_a_message_leads_out():
    with pytest.raises(InputError, match=r"save its transpose\(0, 2, 3, 1\)"):
        numbers(wrong := pixels(6, 3, 5, 4), "x")
    assert numbers(wrong.transpose(0, 2, 3, 1), "x").shape == (6, 5, 4, 3)
    with pytest.raises(InputError, match=r"save its transpose\(0, 2, 3, 1\)"):
        numbers(wrong := pixels(6, 1, 5, 4), "x")
    assert numbers(wrong.transpose(0, 2, 3, 1), "x").shape == (6, 5, 4)
    with pytest.raises(InputError, match=r"save its reshape\(len\(inputs\), -1\)"):
        numbers(wrong := pixels(6, 5, 4, 2), "x")
    assert numbers(wrong.reshape(len(wrong), -1), "x").shape == (6, 40)
    with pytest.raises(InputError, match=r"save numpy.argmax\(labels, 1\)"):
        plain_labels(wrong := np.eye(4)[[2, 0, 3]], "y")
    assert plain_labels(np.argmax(wrong, 1), "y").tolist() == [2, 0, 3]
    with pytest.raises(InputError, match="divide them into ranges, and save the number of each one's range"):
        plain_labels(wrong := np.array([0.5, 2.7, 1.1]), "y")
    assert plain_labels(np.digitize(wrong, [1, 2]), "y").tolist() == [0, 2, 1]


def test_files_without_such_arrays(tmp_path):
    np.savez(tmp_path / "other.npz", images=pixels(3), train_labels=np.arange(3))
    save_hdf5(tmp_path / "other.h5", images=pixels(3))
    for read, name in ((npz.read, "other.npz"), (hdf5.read, "other.h5")):
        with pytest.raises(
            InputError, match=rf"{name}: expected inputs and labels.*X and y, or data and target.*found im"
        ):
            read({"path": str(tmp_path / name)})


def test_unreadable_npz(tmp_path):
    np.savez(tmp_path / "whole.npz", **arrays_of())
    np.save(tmp_path / "one.npy", pixels(3))
    with zipfile.ZipFile(tmp_path / "zipped.npz", "w") as archive:
        for name in KERAS:
            archive.writestr(name, "numbers")
    content = bytearray((tmp_path / "whole.npz").read_bytes())
    (tmp_path / "cut.npz").write_bytes(content[:-100])
    content[200] ^= 255
    (tmp_path / "flipped.npz").write_bytes(content)
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps({"x_train": 1}))
    (tmp_path / "empty.npz").touch()
    for name, message in {
        "one.npy": "one array, not an .npz file",
        "cut.npz": "not an .npz file",
        "pickle.npz": "not an .npz file",
        "empty.npz": "not an .npz file",
        "zipped.npz": "x_train is not in NumPy's format",
        "flipped.npz": "train_images is damaged",
        "": "a folder; expected an .npz file",
    }.items():
        with pytest.raises(InputError, match=message):
            npz.read({"path": str(tmp_path / name)})


def test_unreadable_hdf5(tmp_path):
    save_hdf5(tmp_path / "whole.h5", **arrays_of())
    (tmp_path / "cut.h5").write_bytes((tmp_path / "whole.h5").read_bytes()[:-100])
    (tmp_path / "text.h5").write_text("no HDF5")
    with h5py.File(tmp_path / "huge.h5", "w") as file:  # nothing of it is in the file
        file.create_dataset("x", (2**45, 3), np.float64, chunks=(1000, 3))
        file["y"] = np.arange(3)
    for name, message in {
        "cut.h5": "not an HDF5 file, or damaged",
        "text.h5": "not an HDF5 file, or damaged",
        "huge.h5": r"x is <f8 \(35184372088832, 3\), which does not fit into the memory",
        "": "not a file; expected an HDF5 file",
    }.items():
        with pytest.raises(InputError, match=message):
            hdf5.read({"path": str(tmp_path / name)})
