"""The jobs that fit and encode: what is in their files, by hand; the same bytes again; and what is refused."""

import hashlib

import numpy as np
import pytest
import torch

from rehash.bits import pack
from rehash.code_files import input_ids, read_coded, read_sides
from rehash.comparison.encode import encode_source
from rehash.comparison.fit import fit_source
from rehash.comparison.principal import Features
from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.errors import InputError
from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import Saving
from rehash.training import Compute

CPU = Compute("cpu", 1)
COMMON = {"dataset": "d", "seed": 3, "where": "config: comparison.sources.x"}
FITTED = "rehash.comparison.projections:open_fitted"


@pytest.fixture(scope="module", params=["train", "gallery", "vectors"])
def dataset(request, tmp_path_factory) -> Dataset:
    """Colour images whose queries search the train split, or a gallery; or vectors. One query is in the gallery."""
    rng, splits = np.random.default_rng(0), {}
    for name, n in (("train", 700), ("test", 60), *([("gallery", 90)] if request.param == "gallery" else [])):
        labels = np.arange(n) % 3
        values = rng.integers(0, 60, (n, 5, 4, 3)) + 60 * labels[:, None, None, None]
        inputs = values.astype(np.uint8)
        if request.param == "vectors":
            inputs = (values.reshape(n, -1)[:, :20] / 50 - 1).astype(np.float32)
        splits[name] = Split(inputs, labels)
    splits["test"].inputs[7] = splits["gallery" if request.param == "gallery" else "train"].inputs[11]
    path = tmp_path_factory.mktemp("data") / "d.h5"
    write_dataset(path, splits, name="d", source="", licence="", class_names=["a", "b", "c"])
    return Dataset.read(path)


def flat(split: Split) -> np.ndarray:
    """Inputs as rows, channels first, images on [0, 1]."""
    if not split.are_images:
        return split.inputs
    return (split.inputs.transpose(0, 3, 1, 2) / np.float32(255)).reshape(len(split.inputs), -1).astype(np.float32)


def fit_of(dataset: Dataset, output, kind: str, **changes) -> dict:
    source = {"kind": kind, "of": None, "files": {}, "bits": [5, 8], "repeats": [0, 1], **COMMON, **changes}
    return fit_source(dataset.path, output, source, CPU)


def encode_of(dataset: Dataset, output, opener: str, settings: dict, encoders: list) -> dict:
    entries = [{"bits": bits, "repeat": repeat, "files": files} for bits, repeat, files in encoders]
    source = {"name": "x", "kind": "some", "open": opener, "settings": settings, "encoders": entries, **COMMON}
    return encode_source(dataset.path, output, source, CPU)


def test_a_file_has_the_codes_of_queries_and_of_what_they_search(dataset, tmp_path):
    fit_of(dataset, tmp_path / "f", "pca")
    files = {"fitted": str(tmp_path / "f")}
    encoders = [(8, 0, files), (5, 0, files)]
    notes = encode_of(dataset, tmp_path / "c.h5", FITTED, {"kind": "pca", "of": None}, encoders)
    sides, about = read_sides(tmp_path / "c.h5")
    assert about == {
        "source": "x", "kind": "some", "dataset": "d", "data": dataset.checksum, "class_names": ["a", "b", "c"],
        "train": len(dataset.train.labels),
    }  # fmt: skip
    searched = dataset.gallery or dataset.train
    whole = Features(flat(dataset.train), "")
    for side, split in (("queries", dataset.test), ("gallery", searched)):
        assert np.array_equal(sides[side].labels, split.labels)
        assert np.array_equal(sides[side].ids, input_ids(split.inputs))
    assert sides["queries"].ids[7] == sides["gallery"].ids[11]
    found = list(read_coded(tmp_path / "c.h5"))
    assert [(one.bits, one.repeat) for one in found] == [(5, 0), (8, 0)]
    for one in found:
        for codes, split in ((one.queries, dataset.test), (one.gallery, searched)):
            along = (flat(split) - whole.mean.numpy()) @ whole.directions[: one.bits].numpy().T
            assert np.abs(along).min() > 1e-6 and np.array_equal(codes, pack(along > 0))
    n = len(dataset.test.labels) + len(searched.labels)
    assert list(notes["encoding"]) == ["8/0", "5/0"] and all(each["inputs"] == n for each in notes["encoding"].values())
    assert all(each["seconds"] > 0 for each in notes["encoding"].values()) and notes["device"] == "cpu"
    digest = hashlib.sha256((tmp_path / "f").read_bytes()).hexdigest()
    assert notes["digests"] == {dataset.path: dataset.checksum, str(tmp_path / "f"): digest}


def test_pixels_are_the_inputs_themselves(dataset, tmp_path):
    encode_of(dataset, tmp_path / "c.h5", "rehash.comparison.pixels:pixels", {}, [(0, 0, {})])
    (found,) = read_coded(tmp_path / "c.h5")
    assert found.queries.dtype == np.float32 and np.array_equal(found.queries, flat(dataset.test))
    assert np.array_equal(found.gallery, flat(dataset.searched))
    with pytest.raises(InputError, match="x: 8 bits of pixels; expected real numbers, bits: 0"):
        encode_of(dataset, tmp_path / "e.h5", "rehash.comparison.pixels:pixels", {}, [(8, 0, {})])
    assert not (tmp_path / "e.h5").exists()


@pytest.mark.parametrize("kind", ["simhash", "itq", "spectral"])
def test_the_same_bytes_again(dataset, tmp_path, kind):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        fit_of(dataset, tmp_path / name / "f", kind)
        files = {"fitted": str(tmp_path / name / "f")}
        encoders = [(bits, repeat, files) for bits in (5, 8) for repeat in (0, 1)]
        encode_of(dataset, tmp_path / name / "c.h5", FITTED, {"kind": kind, "of": None}, encoders)
    for file in ("f", "c.h5"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_projection_of_another_sources_numbers(dataset, tmp_path):
    """A network's last hidden layer, after its ReLU: fitted on it and encoded through it."""
    keys = {"dataset": "d", "study": "capacity", "protocol": "p", "depth": 1, "layer_width": 9}
    protocol = {"optimiser": "adam", "learning_rate": 0.01, "batch_size": 20, "epochs": 1, "batch_norm": None}
    training = Training(keys, protocol, cells=[{"untrained": True}], train_share=1.0, repeats=2, seed=5)
    networks = tmp_path / "n.safetensors"
    train_mlps(dataset.path, networks, tmp_path / "h.csv", training, CPU, Saving())
    inner = {"networks": str(networks)}
    how = {"state": "trained", "layer": None}
    of = {"open": "rehash.hash_encoders.encoders:cohort", "settings": how, "repeat": 1}
    encode_of(dataset, tmp_path / "real.h5", of["open"], how, [(0, 1, inner)])
    (real,) = read_coded(tmp_path / "real.h5")
    fit_of(dataset, tmp_path / "f", "pca", of=of, files=inner, bits=[3])
    encode_of(
        dataset,
        tmp_path / "c.h5",
        FITTED,
        {"kind": "pca", "of": of},
        [(3, 0, {"fitted": str(tmp_path / "f"), **inner})],
    )
    (found,) = read_coded(tmp_path / "c.h5")
    if dataset.gallery is None:  # whose train split is what real has
        whole = Features(real.gallery, "")
        along = (real.queries - whole.mean.numpy()) @ whole.directions[:3].numpy().T
        assert (pack(along > 0) == found.queries).mean() > 0.98
    assert len(np.unique(found.queries)) > 2
    with pytest.raises(InputError, match=r"its source gives 20|its source gives 60"):
        without = {"kind": "pca", "of": None}
        encode_of(dataset, tmp_path / "e.h5", FITTED, without, [(3, 0, {"fitted": str(tmp_path / "f")})])


def broken(files, settings, wanted):
    """An encoder whose numbers are not finite for bright inputs, or of another length."""
    if settings["columns"]:
        return lambda inputs: torch.zeros(len(inputs), settings["columns"])
    return lambda inputs: torch.where(inputs.flatten(1)[:, :1] > 0.5, float("nan"), 1.0).expand(-1, wanted.bits or 4)


def test_what_an_encoder_should_not_give(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("rehash.comparison.encode.load", lambda _: broken)
    row = int(np.flatnonzero(flat(dataset.test)[:, 0] > 0.5)[0])
    for bits in (8, 0):
        with pytest.raises(
            InputError, match=rf"x: {bits} bits, repeat 0: input {row} of the queries gives NaN or infi"
        ):
            encode_of(dataset, tmp_path / "c.h5", "some:opener", {"columns": 0}, [(bits, 0, {})])
    with pytest.raises(InputError, match="x: its encoder gives 7 numbers; expected 8, a bit each"):
        encode_of(dataset, tmp_path / "c.h5", "some:opener", {"columns": 7}, [(8, 0, {})])
    monkeypatch.setattr("rehash.comparison.projections.load", lambda _: broken)
    row = int(np.flatnonzero(flat(dataset.train)[:, 0] > 0.5)[0])
    with pytest.raises(InputError, match=rf"x: train input {row} of d gives NaN or infinity"):
        of = {"open": "some", "settings": {"columns": 0}, "repeat": 0}
        fit_of(dataset, tmp_path / "c.h5", "pca", of=of)
    assert not list(tmp_path.iterdir())
