"""Damaged files between the jobs of hash_encoders and tgsh: networks, codes, modulations, inverses, pictures."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import pyplot as plt

from mutations import Reader, attack
from rehash.datasets.layout import Split, write_dataset
from rehash.equihash.figures import contact_sheet
from rehash.equihash.images.banks import build_bank
from rehash.equihash.images.contact_sheet import show_views
from rehash.hash_encoders.networks_file import read_networks
from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import Saving
from rehash.store import read_csv
from rehash.tgsh.figures import sheets
from rehash.tgsh.generate import generate_digits, invert_encoder, show_tasks
from rehash.tgsh.initialisation import draw_flynet, draw_modulations
from rehash.tgsh.modulations import read_modulations, write_modulations
from rehash.tgsh.tasks import Transformation
from rehash.training import Compute

CASES, MANY = 100, 1000
SEED, UNITS = 7, 9
TASKS = [vars(Transformation(angle=angle)) for angle in (0.0, 90.0)]
KEYS = {"dataset": "d", "study": "capacity", "protocol": "tiny", "depth": 1, "layer_width": 3}
PROTOCOL = {"optimiser": "adam", "learning_rate": 0.01, "batch_size": 8, "epochs": 1, "batch_norm": None}


def make_dataset(folder: Path):
    rng = np.random.default_rng(0)
    splits = {
        split: Split(rng.integers(0, 256, (n, 28, 28), np.uint8), np.arange(n, dtype=np.int64) % 2)
        for split, n in (("train", 12), ("test", 6))
    }
    write_dataset(folder / "d.h5", splits, name="d", source="", licence="", class_names=["a", "b"])


def make_networks(folder: Path):
    make_dataset(folder)
    training = Training(KEYS, PROTOCOL, cells=[{"untrained": True}], train_share=1, repeats=2, seed=SEED)
    files = [folder / name for name in ("d.h5", "n.safetensors", "history.csv")]
    train_mlps(*files, training, Compute("cpu"), Saving())


def make_modulations(folder: Path):
    make_dataset(folder)
    encoder, decoder = draw_flynet(UNITS, 2, seed=SEED, repeat=0)
    arrays = {"encoder": encoder[None], "decoder": decoder[None]}
    for state in ("untrained", "trained"):
        context, strength = draw_modulations(UNITS, len(TASKS), seed=SEED, names=(state, 0))
        arrays |= {f"context_{state}": context[None], f"strength_{state}": strength[None]}
    identity = {"keys": {"dataset": "d", "benchmark": "b"}, "tasks": TASKS, "interpolation": "nearest", "fill": 0.0}
    identity |= {"units": UNITS, "repeats": 1, "classes": 2, "seed": SEED}
    write_modulations(folder / "m.safetensors", arrays, identity)
    invert_encoder(folder / "inverse.h5", units=UNITS, repeats=1, seed=SEED)


def generate(given: Path, outputs: Path):
    files = [given / name for name in ("d.h5", "m.safetensors", "inverse.h5")]
    generate_digits(*files, outputs / "pictures.h5", outputs / "generated.csv")
    return (outputs / "generated.csv").read_bytes()


def make_pictures(folder: Path):
    make_dataset(folder)
    shown = {"keys": {"dataset": "d", "benchmark": "b"}, "tasks": TASKS, "interpolation": "nearest", "fill": 0.0}
    show_tasks(folder / "d.h5", folder / "pictures.h5", folder / "tasks.csv", **shown)


def pictures_of(figure) -> list[np.ndarray]:
    found = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]
    plt.close(figure)
    assert found
    return found


def draw_tasks(given: Path, _):
    return pictures_of(sheets.draw_tasks(given / "pictures.h5", read_csv(given / "tasks.csv")))


def make_views(folder: Path):
    make_dataset(folder)
    about = {"name": "tiny", "reader": "digits"}
    build_bank({"dataset": folder / "d.h5"}, folder / "bank.h5", description=about)
    task = {"kind": "noisy", "grid": [1, 2], "picture": [28, 28]}
    show_views(folder / "bank.h5", None, folder / "views.h5", folder / "v.csv", name="t", settings=task, seed=SEED)


def draw_views(given: Path, _):
    return pictures_of(contact_sheet.draw_views(given / "views.h5"))


READERS = {
    "networks": Reader(make_networks, lambda given, _: read_networks(given / "n.safetensors"), glob="n.safetensors"),
    "modulations": Reader(make_modulations, lambda g, _: read_modulations(g / "m.safetensors"), glob="m.safetensors"),
    "inverse": Reader(make_modulations, generate, glob="inverse.h5"),
    "pictures": Reader(make_pictures, draw_tasks, glob="pictures.h5"),
    "views": Reader(make_views, draw_views, glob="views.h5"),
}
LONG = pytest.mark.long
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("cases", [range(CASES), pytest.param(range(CASES, MANY), marks=LONG)], ids=["ci", "long"])
@pytest.mark.parametrize("name", READERS)
def test_damaged_files(tmp_path, name, cases):
    failures = attack(__file__, "READERS", name, tmp_path, cases)
    assert not failures, "\n".join([f"{len(failures)} of {len(cases)} cases:", *failures])
