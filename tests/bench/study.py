"""A whole study, from the dataset to the table, against the same networks trained and measured one by one."""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from properties import scripts_way
from threadpoolctl import threadpool_limits
from training import PROTOCOL, plain_step

from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Dataset
from rehash.hash_encoders.measure import measure_properties
from rehash.hash_encoders.networks_file import training_inputs
from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import Saving
from rehash.store import read_csv
from rehash.training import Compute, set_reproducible

WIDTH, REPEATS, EPOCHS, SIZES = 40, 10, 10, (100, 800, 3200)


def ours(dataset: Path, folder: Path) -> float:
    """Seconds of the study's two jobs in one process."""
    start, compute = time.perf_counter(), Compute("cpu", 1)
    training = Training(
        keys={"dataset": "mnist5k", "study": "sample_size", "protocol": "p", "depth": 1, "layer_width": WIDTH},
        protocol={**vars(PROTOCOL), "epochs": EPOCHS},
        cells=[{"sample_size": n} for n in SIZES],
        train_share=0.8,
        repeats=REPEATS,
        seed=0,
    )
    train_mlps(dataset, folder / "networks", folder / "history.csv", training, compute, Saving())
    measure_properties(dataset, folder / "networks", folder / "table.csv", compute)
    return time.perf_counter() - start


def one_by_one(dataset: Path) -> tuple[float, float]:
    """Seconds, and the mean K-NN accuracy with all inputs."""
    start, knn = time.perf_counter(), []
    images = Dataset.read(dataset)
    train, test = training_inputs(images.train, 0.8), images.test
    flat = [torch.from_numpy(s.images).reshape(len(s.images), -1).float() / 255 for s in (train, test)]
    for n in SIZES:
        repeated = torch.arange(n).repeat(len(train.labels) // n)
        labels = torch.from_numpy(train.labels)[repeated]
        for _ in range(REPEATS):
            step = plain_step(WIDTH, flat[0][repeated], labels)
            for _ in range(EPOCHS * (len(repeated) // PROTOCOL.batch_size)):
                step()
            model = step.model.eval()
            with torch.no_grad():
                codes = [(F.relu(model[1](model[0](x))) > 0).numpy() for x in (flat[0][:n], flat[1])]
            found = scripts_way(codes[0], train.labels[:n], codes[1], test.labels)
            knn += [found["knn"]] if n == SIZES[-1] else []
    return time.perf_counter() - start, float(np.mean(knn))


def rows():
    """One row: seconds for the study on one thread; stops if the networks are not as good."""
    set_reproducible(1)
    with tempfile.TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        build_dataset(folder / "d.h5", {}, name="mnist5k", reader="mnist5k")
        mine = ours(folder / "d.h5", folder)
        theirs, knn = one_by_one(folder / "d.h5")
        table = read_csv(folder / "table.csv")
    found = table[table.sample_size == SIZES[-1]].knn
    assert abs(found.mean() - knn) < 4 * found.std() + 0.01, (found.mean(), knn)
    work = f"{len(SIZES)} sample sizes x {REPEATS} networks, width {WIDTH}, {EPOCHS} epochs, 1 thread"
    yield "a whole study, wall time", work, mine, theirs, "torch.nn and scikit-learn, one by one", "s"
