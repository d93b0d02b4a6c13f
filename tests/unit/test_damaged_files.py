"""What comes from outside, damaged: a reader names the file, or reads what is there; it never dies or leaves halves."""

import ast
import gzip
import hashlib
import io
import logging
import multiprocessing
import os
import pickle
import shutil
import signal
import tarfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import psutil
import pytest
import scipy.io
import torch
import yaml
from PIL import Image

from graphs import CONFIGS, ROOT, merged
from mutations import MEMORY, Reader, attack
from rehash.bits import pack
from rehash.config import load_schema, validated
from rehash.datasets import layout
from rehash.datasets.build import build_dataset
from rehash.datasets.fetch import fetch_file
from rehash.datasets.layout import SPLITS, Dataset, Split, write_dataset
from rehash.equihash.databases.label_files import Labels, write_database
from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.queries import Queries, draw_queries
from rehash.equihash.evaluation.counts import Counts, check_counts, evaluate_partition
from rehash.equihash.images.banks import SPLITS as BANK_SPLITS
from rehash.equihash.images.banks import Bank, build_bank
from rehash.equihash.images.perlin import describe_perlin, measure_spectrum, open_fields, write_perlin
from rehash.equihash.images.readers.hdf5 import hdf5_images
from rehash.equihash.index.fingerprints import check_shards, unit_struct, write_shard
from rehash.equihash.index.partitions import Partition, merge_partition
from rehash.equihash.index.query_codes import QueryCodes
from rehash.equihash.index.synthetic import generate_fingerprints, generate_query_codes
from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.public_checkpoint import import_checkpoint
from rehash.equihash.learning.weights import read_network, write_network
from rehash.errors import InputError
from rehash.hdf5 import add_group, created, write_attributes
from rehash.store import file_digest, read_csv, write_csv
from rehash.training import StateFile
from small_index import read_shard

CASES, MANY = 25, 1000
IMAGES = {"train": 8, "test": 4}


def pixels(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


# ---------------------------------------------------------------------------------------------------------------------
# Datasets


def build(reader: str, files=None, **settings):
    """The rule's function, and all that the rest of the project reads of what it wrote."""

    def read(given: Path, outputs: Path):
        raw = files(given) if files else {"path": str(given)}
        build_dataset(outputs / "d.h5", raw, name="tiny", reader=reader, **settings)
        return read_dataset(outputs, None)

    return read


def read_dataset(folder: Path, _):
    path = folder / "d.h5"
    found = Dataset.read(path)
    assert found.checksum == layout.checksum(path), "two functions read it"
    return {split: getattr(found, split) for split in SPLITS}, found.class_names, found.checksum


def pixels_or_labels(whole, found):
    """Only pixels and labels may differ, and classes where they are counted; not shapes and types."""
    assert found[1] == whole[1] or found[1] == sorted(set(found[1]), key=int), "in the order of the labels"
    for split in SPLITS:
        a, b = whole[0][split], found[0][split]
        assert (a.images.dtype, a.images.shape) == (b.images.dtype, b.images.shape), b.images.shape
        assert b.labels.dtype == np.int64 and b.labels.shape == a.labels.shape
        assert b.labels.min() >= 0 and b.labels.max() < len(found[1])


IDX = {"train-images-idx3-ubyte": ("train", 3), "train-labels-idx1-ubyte": ("train", 1)}
IDX |= {"t10k-images-idx3-ubyte": ("test", 3), "t10k-labels-idx1-ubyte": ("test", 1)}


def make_idx(folder: Path, packed: bool = False):
    for name, (split, dimensions) in IDX.items():
        n = IMAGES[split]
        array = pixels(n, 5, 4) if dimensions == 3 else np.arange(n, dtype=np.uint8) % 3
        content = bytes([0, 0, 8, dimensions]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
        (folder / f"{name}{'.gz' * packed}").write_bytes(gzip.compress(content, mtime=0) if packed else content)


BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def make_cifar(folder: Path, version: str, packed: str | None):
    held = {}
    for number, name in enumerate(BATCHES):
        rows, labels = pixels(4, 3072) + np.uint8(number), [(4 * number + i) % 10 for i in range(4)]
        if version == "bin":
            held[f"{name}.bin"] = np.c_[np.array(labels, np.uint8), rows].tobytes()
        else:
            held[name] = pickle.dumps({b"data": rows, b"labels": labels}, protocol=2)
    names = [f"class{k}" for k in range(10)]
    if version == "bin":
        held["batches.meta.txt"] = "\n".join(names).encode()
    else:
        held["batches.meta"] = pickle.dumps({b"label_names": [name.encode() for name in names]}, protocol=2)
    if not packed:
        for name, content in held.items():
            (folder / name).write_bytes(content)
        return
    with tarfile.open(folder / f"cifar.{packed}", f"w:{packed.removeprefix('tar').lstrip('.')}") as archive:
        for name, content in held.items():
            member = tarfile.TarInfo(f"cifar-10-batches/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def archive(given: Path) -> dict[str, str]:
    return {"archive": str(next(given.iterdir()))}


def path(given: Path) -> dict[str, str]:
    return {"path": str(next(given.iterdir()))}


def make_npz(folder: Path, save):
    arrays = {f"{split}_images": pixels(n, 5, 4) for split, n in IMAGES.items()}
    arrays |= {f"{split}_labels": np.arange(n) % 3 for split, n in IMAGES.items()}
    save(folder / "d.npz", **arrays, class_names=np.array(["a", "b", "c"]))


def make_hdf5(folder: Path, **how):
    with h5py.File(folder / "d.h5", "w") as file:
        for split, n in IMAGES.items():
            file.create_dataset(f"{split}/images", data=pixels(n, 5, 4), **how)
            file[f"{split}/labels"] = np.arange(n) % 3


def make_rows(folder: Path, packed: bool = False):
    """Half a kilobyte: numbers, a category, a label."""
    rows = "".join(f"{i * 7 % 13},{i / 3:.3f},{'xyz'[i % 3]},{'no' if i % 2 else 'yes'}\n" for i in range(24))
    content = f"age,rate,kind,label\n{rows}".encode()
    (folder / f"d.csv{'.gz' * packed}").write_bytes(gzip.compress(content, mtime=0) if packed else content)


def make_texts(folder: Path):
    with tarfile.open(folder / "t.tar.gz", "w:gz") as archive:
        for i in range(24):
            content = f"word{i % 5} word{i % 7} {'good' if i % 2 else 'bad'}".encode()
            member = tarfile.TarInfo(f"top/{'train' if i < 16 else 'test'}/{'ab'[i % 2]}/{i}.txt")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def make_keras(folder: Path):
    arrays = {}
    for split, n in (("train", 16), ("test", 8)):
        arrays[f"x_{split}"] = np.empty(n, object)
        arrays[f"x_{split}"][:] = [[1 + i % 3, 5, 4 + i % 7] for i in range(n)]
        arrays[f"y_{split}"] = np.arange(n) % 2
    np.savez(folder / "imdb.npz", **arrays)


def a_dataset_of_vectors(whole, found):
    """Any dataset in the layout: most bytes of a text may be others, and what it says is then another table."""
    for split in SPLITS:
        layout.check_split(found[0][split], split, len(found[1]))
        assert found[0][split].inputs.dtype == np.float32


def make_svhn(folder: Path, compressed: bool):
    for split in SPLITS:
        arrays = {"X": pixels(32, 32, 3, 20), "y": np.tile(np.arange(1, 11, dtype=np.uint8), 2)[:, None]}
        scipy.io.savemat(folder / f"{split}_32x32.mat", arrays, do_compression=compressed)


def make_images(folder: Path, ending: str):
    shift = 0
    for split in SPLITS:
        for name in "ab":
            (folder / split / name).mkdir(parents=True)
            for number in range(2):
                shift += 1
                picture = Image.fromarray(pixels(9, 8, 3) + np.uint8(shift))
                picture.save(folder / split / name / f"{number}{split}{name}.{ending}")


def one_channel_or_three(whole, found):
    """A damaged image may lose or gain its colours, and with it all."""
    assert found[1] == whole[1]
    for split in SPLITS:
        a, b = whole[0][split], found[0][split]
        assert b.images.dtype == np.uint8 and b.images.shape[:3] == a.images.shape[:3], b.images.shape
        assert b.images.shape[3:] in ((), (3,)) and (a.labels == b.labels).all()


def make_dataset(folder: Path):
    splits = {s: Split(pixels(n, 5, 4), np.arange(n, dtype=np.int64) % 3) for s, n in IMAGES.items()}
    write_dataset(folder / "d.h5", splits, name="tiny", source="s", licence="l", class_names=["a", "b", "c"])


def a_dataset(whole, found):
    """Of a file without a checksum of everything: a dataset in the layout."""
    splits, names, checksum = found
    assert isinstance(checksum, str) and names and all(isinstance(name, str) for name in names)
    for split in splits.values():
        layout.check_split(split, "found", len(names))


CONTENT = pixels(3000).tobytes()


def make_mirror(folder: Path, name: str):
    (folder / name).write_bytes(gzip.compress(CONTENT, mtime=0) if name.endswith(".gz") else CONTENT)


def fetch(given: Path, outputs: Path):
    fetch_file("f", [str(given)], hashlib.md5(CONTENT).hexdigest(), outputs / "f")
    return (outputs / "f").read_bytes()


DATASETS = {
    "idx": Reader(make_idx, build("idx"), alike=pixels_or_labels),
    "idx_gz": Reader(lambda folder: make_idx(folder, True), build("idx")),
    "cifar_bin": Reader(lambda f: make_cifar(f, "bin", None), build("cifar"), alike=pixels_or_labels, glob="*.bin"),
    "cifar_bin_tar_gz": Reader(lambda f: make_cifar(f, "bin", "tar.gz"), build("cifar", archive)),
    "cifar_py": Reader(lambda f: make_cifar(f, "py", None), build("cifar"), alike=pixels_or_labels, glob="*batch_*"),
    "cifar_py_meta": Reader(lambda f: make_cifar(f, "py", None), build("cifar"), alike=a_dataset, glob="batches.meta"),
    "cifar_py_tar": Reader(lambda f: make_cifar(f, "py", "tar"), build("cifar", archive), alike=a_dataset),
    "cifar_py_tar_bz2": Reader(lambda f: make_cifar(f, "py", "tar.bz2"), build("cifar", archive)),
    "cifar_py_tar_xz": Reader(lambda f: make_cifar(f, "py", "tar.xz"), build("cifar", archive)),
    "npz": Reader(lambda folder: make_npz(folder, np.savez), build("npz", archive)),
    "npz_compressed": Reader(lambda folder: make_npz(folder, np.savez_compressed), build("npz", archive)),
    "hdf5": Reader(make_hdf5, build("hdf5", archive), alike=pixels_or_labels),
    "hdf5_chunked": Reader(
        lambda folder: make_hdf5(folder, chunks=(2, 5, 4), compression="gzip", fletcher32=True),
        build("hdf5", archive),
        alike=pixels_or_labels,
    ),
    "table_csv": Reader(make_rows, build("table", path), alike=a_dataset_of_vectors),
    "table_csv_gz": Reader(lambda folder: make_rows(folder, True), build("table", path)),
    "bag_of_words": Reader(make_texts, build("bag_of_words", archive)),
    "bag_of_words_keras": Reader(make_keras, build("bag_of_words", archive)),
    "svhn": Reader(lambda folder: make_svhn(folder, False), build("svhn"), alike=pixels_or_labels),
    "svhn_compressed": Reader(lambda folder: make_svhn(folder, True), build("svhn"), alike=pixels_or_labels),
    **{
        f"images_{ending}": Reader(
            lambda folder, ending=ending: make_images(folder, ending), build("image_folder"), alike=one_channel_or_three
        )
        for ending in ("png", "jpg", "bmp", "gif", "tif", "webp", "ppm")
    },
    "images_scaled": Reader(
        lambda folder: make_images(folder, "png"), build("image_folder", image_size=6), alike=one_channel_or_three
    ),
    "dataset": Reader(make_dataset, read_dataset),
    "mirror": Reader(lambda folder: make_mirror(folder, "f.gz"), fetch, names=("f: no mirror had it",)),
    "mirror_unpacked": Reader(lambda folder: make_mirror(folder, "f"), fetch, names=("f: no mirror had it",)),
}

# ---------------------------------------------------------------------------------------------------------------------
# Banks


def bank(reader: str, role: str = "path", file: str = "", **settings):
    def read(given: Path, outputs: Path):
        about = {"name": "tiny", "reader": reader, **settings}
        notes = build_bank({role: given / file}, outputs / "b.h5", description=about)
        return notes["pictures"], read_bank(outputs, None)

    return read


def read_bank(folder: Path, _):
    found = []
    for split in BANK_SPLITS:
        opened = Bank.open(folder / "b.h5", split)
        found.append((opened.checksum, opened.take(np.arange(len(opened))[::-1])))
    return found


def a_bank(whole, found):
    for checksum, images in found:
        assert isinstance(checksum, str) and images.dtype == np.uint8
        assert images.ndim == 3 or images.shape[3:] == (3,)
        assert images.size


def a_built_bank(whole, found):
    assert found[0] == whole[0], "other numbers of images"
    a_bank(whole[1], found[1])
    assert {images.shape[1:] for _, images in found[1]} == {whole[1][0][1].shape[1:]}


def some_pictures(whole, found):
    """With skip_corrupt one may be left out."""
    assert all(whole[0][split] - found[0][split] in (0, 1) for split in BANK_SPLITS)
    a_bank(whole[1], found[1])


def make_public(folder: Path, **how):
    for number, split in enumerate(BANK_SPLITS):
        with h5py.File(folder / f"{split}.h5", "w") as file:
            file.create_dataset("images", data=pixels(7, 6, 5, 3) + np.uint8(number), **how)


def make_bank(folder: Path):
    with created(folder / "b.h5") as file:
        for number, split in enumerate(BANK_SPLITS):
            add_group(file, split)
            file.create_dataset(f"{split}/images", data=pixels(7 + number, 6, 5, 3))
        write_attributes(file, {"name": "tiny", "source": "s", "licence": "l", "checksum": "c" * 64})


def make_pictures(folder: Path):
    for split in BANK_SPLITS:
        (folder / split).mkdir()
        for number, ending in enumerate(["png", "jpg", "png"]):
            Image.fromarray(pixels(9, 8, 3)).save(folder / split / f"{number}{split}.{ending}")


BANKS = {
    "public_bank": Reader(make_public, bank("hdf5"), alike=a_built_bank),
    "public_bank_chunked": Reader(
        lambda folder: make_public(folder, chunks=(2, 3, 5, 3), compression="gzip", fletcher32=True),
        bank("hdf5"), alike=a_built_bank,
    ),
    "digits_bank": Reader(make_dataset, bank("digits", "dataset", "d.h5")),
    "picture_bank": Reader(make_pictures, bank("image_folder", image_size=6), alike=a_built_bank),
    "picture_bank_skipping": Reader(
        make_pictures, bank("image_folder", image_size=6, skip_corrupt=True), alike=some_pictures
    ),
    "bank": Reader(make_bank, read_bank, alike=a_bank),
}  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# Perlin noise, networks, states, tables, the config


def make_perlin(folder: Path):
    write_perlin(folder / "p.h5", height=6, width=8, count=3, lattice=(2, 2), amplitude=90.0, seed=1, name="tiny")


def read_perlin(given: Path, outputs: Path):
    path = given / "p.h5"
    found = [describe_perlin(path), *(np.array(open_fields(path, name)) for name in ("coarse", "fine"))]
    measure_spectrum(path, outputs / "s.csv")
    return [*found, (outputs / "s.csv").read_bytes()]


def a_perlin_bank(whole, found):
    count = found[0]["count"]
    assert count >= 1
    assert all(fields.dtype == np.int8 and fields.shape == (count, 6, 8) for fields in found[1:3])


NETWORK = {"network": "mosaic_cnn", "bits": 8, "shape": [1, 16, 16]}


def make_network(folder: Path):
    write_network(folder / "n.safetensors", build_network("mosaic_cnn", 8, (1, 16, 16), seed=1), NETWORK)


def load_network(given: Path, _):
    network, identity = read_network(given / "n.safetensors", torch.device("cpu"))
    return network.state_dict(), identity


# Names of layers in public checkpoints by ours.
PUBLIC = {"norm1": "conv2_bn", "norm2": "conv3_bn", "dense1": "fc1", "dense": "fc2", "norm": "bn"}


def make_checkpoint(folder: Path, zipped: bool):
    own = build_network("mosaic_cnn", 8, (1, 16, 16), seed=1).state_dict()
    net = {f"{PUBLIC.get(layer, layer)}.{part}": own[f"{layer}.{part}"] for layer, part in (n.split(".") for n in own)}
    trainer = {"step": 1, "state": np.random.RandomState(1).get_state()}
    content = {"config": {"network_class": "MnistMosaicCNN"}, "net": net, "trainer": trainer}
    torch.save(content, folder / "state.pth", _use_new_zipfile_serialization=zipped)


def load_checkpoint(given: Path, outputs: Path):
    import_checkpoint(given / "state.pth", outputs / "n.safetensors", identity=NETWORK)
    network, identity = read_network(outputs / "n.safetensors", torch.device("cpu"))
    return network.state_dict(), identity


def a_network(whole, found):
    assert found[1] == whole[1] and all(tensor.isfinite().all() for tensor in found[0].values())
    assert [(k, v.shape, v.dtype) for k, v in found[0].items()] == [(k, v.shape, v.dtype) for k, v in whole[0].items()]


def make_state(folder: Path):
    StateFile(folder / "out", {"a": 1}, "code").save({"x": torch.arange(12.0), "y": torch.ones(2, 3)}, {"n": [1, 2]})


def load_state(given: Path, _):
    state, said = StateFile(given / "out", {"a": 1}, "code"), []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logging.getLogger("rehash").addHandler(handler)
    found = state.load()
    logging.getLogger("rehash").removeHandler(handler)
    return found, state.continued_from, [text for text in said if state.path.name not in text]


def none_at_all(whole, found):
    """A state that cannot be used is as none, and the log names its file."""
    assert found == (None, [], []), found


def make_table(folder: Path):
    write_csv(pd.DataFrame({"key": ["a", "b"], "value": [0.1, 2.5], "n": [1, 2]}), folder / "t.csv")


def load_table(given: Path, _):
    return read_csv(given / "t.csv", ["key", "value"])


def a_table(whole, found):
    assert {"key", "value"} <= set(found)


def make_config(folder: Path):
    """The tests' graph over the default config, in a few long lines: its comments need no damage."""
    (folder / "config.yaml").write_text(yaml.dump(merged(*CONFIGS), width=1000, sort_keys=False))


SCHEMA = load_schema()


def load_config(given: Path, _):
    found = yaml.load((given / "config.yaml").read_bytes(), yaml.CSafeLoader)
    if not isinstance(found, dict):
        raise InputError("config.yaml: Snakemake says that it has no keys")
    return validated(found, SCHEMA)


def a_config(whole, found):
    assert validated(found, SCHEMA) == found and set(found) == set(whole)


ODD = [None, True, 0, -1, 3.0, 10**30, float("nan"), float("inf"), "", "x", "1e-3", "mnist5k", [], [None], {}, {"x": 1}]
ODD += [{1: 2}, {None: None}, [[1]], "é\0", "a/b", {"a b": {}}, yaml.safe_load("2020-01-01")]


def damage_tree(content: bytes, random: np.random.Generator, others) -> tuple[bytes, str]:
    """A value, a key or a whole block of the config becomes another."""
    tree, path = yaml.load(content, yaml.CSafeLoader), []
    node = tree
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[random.integers(len(keys))]
        path.append(key)
        if not (isinstance(node[key], (dict, list)) and node[key]) or random.random() < 0.15:
            break
        node = node[key]
    kind = ["value", "value", "remove", "rename", "add"][random.integers(5)]
    if kind == "remove":
        del node[key]
    elif isinstance(node, list) or kind == "value":
        node[key] = ODD[random.integers(len(ODD))]
    else:
        new = [f"{key}s", "", 1, None, True, "é", 2.5, (1, 2)][random.integers(8)]
        node[new] = node.pop(key) if kind == "rename" else node[key]
    return yaml.dump(
        tree, Dumper=yaml.CDumper
    ).encode(), f"{kind} at {path}: {node.get(key, '-') if isinstance(node, dict) else node}"[:200]


OTHERS = {
    "perlin": Reader(make_perlin, read_perlin, alike=a_perlin_bank),
    "network": Reader(make_network, load_network),
    "checkpoint": Reader(lambda folder: make_checkpoint(folder, True), load_checkpoint, alike=a_network),
    "checkpoint_of_old": Reader(lambda folder: make_checkpoint(folder, False), load_checkpoint, alike=a_network),
    "state": Reader(make_state, load_state, glob=".out.*", alike=none_at_all),
    "table": Reader(make_table, load_table, alike=a_table),
    "config_text": Reader(
        make_config, load_config, alike=a_config, names=("config: ", "in \"<"), accepted=(yaml.YAMLError,)
    ),
    "config_tree": Reader(
        make_config, load_config, alike=a_config, names=("config: ", "tag:yaml.org,2002:python/tuple"),
        accepted=(yaml.YAMLError,), damage=damage_tree,
    ),
}  # fmt: skip

# ---------------------------------------------------------------------------------------------------------------------
# The index

SYNTHETIC = {"bits": 72, "flips": 0.02, "name_bits": 8, "seed": 3}


def make_labels(folder: Path):
    write_database(folder / "labels.h5", Database(3, "tiny", 300, 90, 2.0))


def read_labels(given: Path, _):
    found = Labels.open(given / "labels.h5")
    return found, list(found.blocks("labels")), found.take(np.arange(300)[::-7])


def some_labels(whole, found):
    assert found[0].database.n_items == whole[0].database.n_items
    for (at, labels), (expected_at, expected) in zip(found[1], whole[1], strict=True):
        assert at == expected_at and labels.dtype == np.int64 and labels.shape == expected.shape
        assert labels.min() >= 0 and labels.max() < found[0].database.label_count


def make_queries(folder: Path):
    make_labels(folder)
    draw_queries(
        folder / "labels.h5",
        folder / "queries.h5",
        sizes=(100, 300),
        positives=20,
        negatives=9,
        pairs=5,
        seed=3,
    )


def read_queries(given: Path, _):
    found = Queries.read(given / "queries.h5")
    return found, {size: relevant.of(0, len(labels)) for size, (labels, relevant) in found.positive.items()}


def make_query_codes(folder: Path):
    make_queries(folder)
    generate_query_codes(folder / "queries.h5", folder / "codes.h5", folder / "e.csv", probed=7, **SYNTHETIC)


def make_shards(folder: Path):
    for number, (start, stop) in enumerate([(0, 140), (140, 300)]):
        codes = pack(np.random.default_rng(number).random((stop - start, 72)) < 0.5)
        write_shard(folder / f"shard{number}.h5", codes, start=start, n_items=300, model="m" * 16, config="c" * 16)


def read_shards(given: Path, _):
    return [(shard, *read_shard(shard)) for shard in check_shards(sorted(given.glob("shard*.h5")))]


def merge(given: Path, outputs: Path):
    merge_partition(sorted(given.glob("shard*.h5")), outputs / "partition.h5", partition=1, partitions=2)
    return (outputs / "partition.h5").read_bytes()


def make_partition(folder: Path):
    make_query_codes(folder)
    for number in (0, 1):
        part = {"shard": number, "shards": 2}
        generate_fingerprints(folder / "labels.h5", folder / f"shard{number}.h5", **part, **SYNTHETIC)
    merge_partition(sorted(folder.glob("shard*.h5")), folder / "partition.h5", partition=1, partitions=2)


def read_partition(given: Path, _):
    partition = Partition.open(given / "partition.h5")
    asked = np.r_[pixels(40, 9), QueryCodes.read(given / "codes.h5").positive[300]]
    about = partition.origin, partition.partition, partition.partitions
    unpack = unit_struct(partition.origin.width).unpack
    items = [partition.find(unpack(code.tobytes())) for code in asked]
    return about, partition.codes, partition.ids, *partition.ranges(asked), items


def a_partition(whole, found):
    """Whose it is is sure; codes and ids are not looked through, which may be gigabytes."""
    about, codes, ids, low, high, items = found
    assert about == whole[0] and codes.shape == whole[1].shape and ids.shape == whole[2].shape
    assert ((low >= 0) & (low <= high) & (high <= len(ids))).all()
    assert all(each.dtype == np.int64 and len(each) <= len(ids) for each in items)


def evaluate(given: Path, outputs: Path):
    evaluate_partition(
        given / "partition.h5", given / "codes.h5", given / "queries.h5", given / "labels.h5",
        outputs / "counts.h5", probes=5,
    )  # fmt: skip
    return Counts.read(outputs / "counts.h5")


def some_counts(whole, found):
    about = [(each.origin, each.partition, each.partitions) for each in (whole, found)]
    assert about[0] == about[1]
    for name, table in found.tables.items():
        assert list(table) == list(whole.tables[name]) and (table.to_numpy() >= 0).all()


def make_counts(folder: Path):
    make_partition(folder)
    for number in (0, 1):
        partition = folder / f"p{number}.h5"
        merge_partition(sorted(folder.glob("shard*.h5")), partition, partition=number, partitions=2)
        labels = folder / "labels.h5"
        evaluate_partition(
            partition, folder / "codes.h5", folder / "queries.h5", labels, folder / f"counts{number}.h5", probes=5
        )


def read_counts(given: Path, _):
    return check_counts(sorted(given.glob("counts*.h5")))


INDEX = {
    "labels": Reader(make_labels, read_labels, alike=some_labels),
    "queries": Reader(make_queries, read_queries, glob="queries.h5"),
    "query_codes": Reader(make_query_codes, lambda given, _: QueryCodes.read(given / "codes.h5"), glob="codes.h5"),
    "shards": Reader(make_shards, read_shards),
    "merge": Reader(make_shards, merge),
    "partition": Reader(make_partition, read_partition, glob="partition.h5", alike=a_partition),
    "counts": Reader(make_counts, read_counts, glob="counts*.h5"),
    "evaluate_partition": Reader(make_partition, evaluate, glob="[pcql]*.h5", alike=some_counts),
}

READERS = DATASETS | BANKS | OTHERS | INDEX
LONG = pytest.mark.long
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("cases", [range(CASES), pytest.param(range(CASES, MANY), marks=LONG)], ids=["ci", "long"])
@pytest.mark.parametrize("name", READERS)
def test_damaged_files(tmp_path, name, cases):
    failures = attack(__file__, "READERS", name, tmp_path, cases)
    assert not failures, "\n".join([f"{len(failures)} of {len(cases)} cases:", *failures])


# ---------------------------------------------------------------------------------------------------------------------
# The harness itself


def dies(given: Path, _):
    content = (given / "f").read_bytes()
    if len(content) < 100:
        os.kill(os.getpid(), signal.SIGSEGV)
    if len(content) > 5000:
        signal.alarm(1)  # sooner than the harness's own
        time.sleep(60)
    if content[0] != 7:
        bytearray(2 * MEMORY)
    return content


def leaves(given: Path, outputs: Path):
    (outputs / "half").touch()
    (given / "more").touch()
    if (given / "f").read_bytes()[0] != 7:
        raise InputError("f: is bad")


FAULTY = {
    "dies": Reader(lambda folder: (folder / "f").write_bytes(bytes([7] * 5000)), dies),
    "leaves": Reader(lambda folder: (folder / "f").write_bytes(bytes([7] * 5000)), leaves),
}


def test_crashes_hangs_and_leftovers_are_put_down_to_their_case(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    found = "\n".join(attack(__file__, "FAULTY", "dies", tmp_path / "a", range(25)))
    for what in (
        "the process died of SIGSEGV",
        "the process died of SIGALRM (a hang",
        "MemoryError",
        "read another content than the whole file's",
    ):
        assert what in found, what
    found = "\n".join(attack(__file__, "FAULTY", "leaves", tmp_path / "b", range(40)))
    for what in ("left ['half'] behind, after: f: is bad", "a file was left among them"):
        assert what in found, what


# ---------------------------------------------------------------------------------------------------------------------
# Public HDF5 files are read in a process of their own, which may crash and never outlives its reader


@pytest.fixture
def public(tmp_path) -> Path:
    """A file that is read in many slices."""
    with h5py.File(tmp_path / "large.h5", "w") as file:
        file.create_dataset("images", (2000, 180, 180, 3), np.uint8)
    return tmp_path / "large.h5"


@pytest.mark.parametrize(
    ("split", "at", "value"), [("test", 1456, bytes(64)), ("train", 1592, (2**62).to_bytes(8, "little"))]
)
def test_public_files_that_crash_hdf5_are_named(tmp_path, split, at, value):
    """Both ended the whole process, with HDF5 1.14 (found by the mutations above)."""
    path = tmp_path / f"{split}.h5"
    with h5py.File(path, "w") as file:
        images = np.random.default_rng(0).integers(0, 256, (7, 6, 5, 3), np.uint8)
        file.create_dataset("images", data=images, chunks=(2, 3, 5, 3), compression="gzip", fletcher32=True)
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}: not an HDF5 file with the dataset images, or damaged"):
        list(hdf5_images(path, "images").slices)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGKILL])
def test_a_crash_of_the_process_that_reads_is_an_error_that_names_the_file(public, number):
    slices = iter(hdf5_images(public, "images").slices)
    next(slices)
    (reader,) = multiprocessing.active_children()
    os.kill(reader.pid, number)
    with pytest.raises(InputError, match=r"large\.h5: not an HDF5 file.*or damaged \(the process that read it died\)"):
        list(slices)
    assert not multiprocessing.active_children()


def test_who_stops_reading_leaves_no_process(public):
    slices = hdf5_images(public, "images").slices
    next(slices)
    (reader,) = multiprocessing.active_children()
    slices.close()
    assert not psutil.pid_exists(reader.pid)


def reads_slowly(path: Path, sender) -> None:
    slices = hdf5_images(path, "images").slices
    next(slices)
    sender.send([process.pid for process in psutil.Process().children()])
    time.sleep(600)


def test_the_process_that_reads_ends_with_a_job_that_is_killed(public):
    receiver, sender = multiprocessing.Pipe(duplex=False)
    job = multiprocessing.get_context("fork").Process(target=reads_slowly, args=(public, sender))
    job.start()
    (found,) = map(psutil.Process, receiver.recv())
    job.kill()
    job.join()
    try:
        found.wait(timeout=30)  # raises if it is still there
    finally:
        if found.is_running():
            found.kill()


# ---------------------------------------------------------------------------------------------------------------------
# Nothing of a file is run, nothing leaves its folder, nothing is used before its checksum

WORKFLOW = ROOT / "workflow"
LOADERS = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}


def test_no_source_loads_a_pickle():
    """But rehash.datasets.pickles, by an Unpickler that refuses all but stand-ins, and torch's that takes weights only.

    YAML is read by a loader that makes nothing but plain values.
    """
    found = set()
    for path in sorted(WORKFLOW.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            name = f"{path.relative_to(WORKFLOW).as_posix()}: "
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                modules = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
                found |= {f"{name}import {module}" for module in modules if module.split(".")[0] in LOADERS}
            if isinstance(node, ast.Call) and isinstance(node.func, (ast.Attribute, ast.Name)):
                called, keywords = ast.unparse(node.func), {each.arg: ast.unparse(each.value) for each in node.keywords}
                if called in ("eval", "exec", "pd.read_pickle", "yaml.unsafe_load", "torch.jit.load"):
                    found.add(f"{name}{called}")
                if called == "yaml.load" and list(map(ast.unparse, node.args[1:])) != ["yaml.CSafeLoader"]:
                    found.add(f"{name}yaml.load")
                if called == "torch.load" and keywords.get("weights_only") != "True":
                    found.add(f"{name}torch.load")
                if keywords.get("allow_pickle", "False") != "False":
                    found.add(f"{name}allow_pickle")
                if called.endswith((".extractall", ".extract", "unpack_archive")):
                    found.add(f"{name}{called}")
    unpacked = "scripts/rehash/unpacked.py: file.extractall"  # of git's own archive, with the filter for data
    assert found == {"scripts/rehash/datasets/pickles.py: import pickle", unpacked}


class Malicious:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_pickles_in_any_input_run_nothing(tmp_path):
    marker, folder = tmp_path / "ran", tmp_path / "given"
    content = pickle.dumps({b"data": Malicious(marker), b"labels": [0]}, protocol=2)
    for name, reader in READERS.items():
        if name.startswith("config"):
            continue  # Snakemake's parser reads it
        folder.mkdir()
        reader.make(folder)
        for path in [path for path in folder.glob(reader.glob) if path.is_file()]:
            path.write_bytes(content)
        (tmp_path / "out").mkdir()
        if name == "state":
            assert reader.read(folder, tmp_path / "out")[0] is None
        elif name != "table":
            with pytest.raises(InputError):
                reader.read(folder, tmp_path / "out")
        assert not marker.exists() and not list((tmp_path / "out").iterdir()), name
        shutil.rmtree(folder)
        shutil.rmtree(tmp_path / "out")
    np.savez(
        tmp_path / "d.npz",
        **{name: np.array([Malicious(marker)], object) for name in ("x_train", "y_train", "x_test", "y_test")},
    )
    with pytest.raises(InputError, match="Python objects"):
        build_dataset(tmp_path / "d.h5", {"archive": str(tmp_path / "d.npz")}, name="tiny", reader="npz")
    assert not marker.exists()
    os.mkdir(marker)  # the pickle would have run
    with pytest.raises(FileExistsError):
        pickle.loads(content)


def test_members_of_an_archive_that_point_elsewhere(tmp_path):
    """Links and absolute or climbing names: none is followed, and nothing is written beside the output."""
    make_cifar(tmp_path, "bin", "tar")
    with tarfile.open(tmp_path / "cifar.tar") as whole:
        held = {member.name.rpartition("/")[2]: whole.extractfile(member).read() for member in whole}
    (tmp_path / "secret").write_bytes(held["data_batch_1.bin"])
    (tmp_path / "in").mkdir()
    for number, (name, kind, target) in enumerate(
        [
            ("data_batch_1.bin", tarfile.SYMTYPE, "../secret"),
            ("data_batch_1.bin", tarfile.SYMTYPE, str(tmp_path / "secret")),
            ("data_batch_1.bin", tarfile.LNKTYPE, "../secret"),
            ("data_batch_1.bin", tarfile.CHRTYPE, ""),
            ("data_batch_1.bin", tarfile.FIFOTYPE, ""),
        ]
    ):
        path = tmp_path / "in" / f"{number}.tar"
        with tarfile.open(path, "w") as packed:
            for each, content in held.items():
                member = tarfile.TarInfo(each)
                if each == name:
                    member.type, member.linkname = kind, target
                    packed.addfile(member)
                else:
                    member.size = len(content)
                    packed.addfile(member, io.BytesIO(content))
        with pytest.raises(InputError, match=rf"{number}\.tar: lacks data_batch_1\.bin"):
            build_dataset(tmp_path / "d.h5", {"archive": str(path)}, name="tiny", reader="cifar")
    for prefix in ("../../", "/", str(tmp_path / "elsewhere") + "/"):
        path = tmp_path / "in" / "climbing.tar"
        with tarfile.open(path, "w") as packed:
            for each, content in held.items():
                member = tarfile.TarInfo(prefix + each)
                member.size = len(content)
                packed.addfile(member, io.BytesIO(content))
        before = {each for each in tmp_path.rglob("*")}
        build_dataset(tmp_path / "d.h5", {"archive": str(path)}, name="tiny", reader="cifar")
        assert {each for each in tmp_path.rglob("*")} - before <= {tmp_path / "d.h5"}
        assert not Path("/data_batch_1.bin").exists()


@pytest.mark.parametrize("name", ["f.gz", "f"])
def test_what_a_mirror_answers_is_used_after_its_checksum(tmp_path, monkeypatch, name):
    """The output appears under its name when the checksum has been compared, and never if it is another."""
    seen = []

    def digest(path, *args):
        seen.append((Path(path) != tmp_path / "out", (tmp_path / "out").exists()))
        return file_digest(path, *args)

    monkeypatch.setattr("rehash.datasets.fetch.file_digest", digest)
    make_mirror(tmp_path, name)
    with pytest.raises(InputError, match="checksum"):
        fetch_file("f", [str(tmp_path)], "0" * 32, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]
    fetch_file("f", [str(tmp_path)], hashlib.md5(CONTENT).hexdigest(), tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == CONTENT
    assert seen == [(True, False)] * 2, "a temporary file, and no output yet"
