"""FlyNet against a port of the authors' notebook, operation for operation: a training step, and a run of two tasks.

The port turns each image with PIL as it is loaded, multiplies by the encoder as a dense matrix, and lets autograd and
torch.optim.RMSprop do the rest. Both start from the same network and modulations and see the same images (at
multiples of 10 degrees PIL's are ours, see tests/unit/tgsh/test_tasks.py) in the same order.
"""

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from threadpoolctl import threadpool_limits
from timing import seconds
from torchvision import transforms

from rehash.datasets.build import build_dataset
from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import read_csv
from rehash.tgsh.flynet import DeviceSplit, FlyNet, views
from rehash.tgsh.generate import dense_encoder
from rehash.tgsh.initialisation import DEVIATION, MEAN, draw_flynet, draw_modulations
from rehash.tgsh.model import MEASURED as STATES
from rehash.tgsh.model import Model, blocks
from rehash.tgsh.modulations import read_modulations
from rehash.tgsh.responses import BINS, BLOCK, KINDS, gallery_items, measure_repeat, pair_kinds
from rehash.tgsh.tasks import Transformation
from rehash.tgsh.train import FlyNetTraining, Schedule, Training, train_flynet
from rehash.training import Compute, set_reproducible

UNITS, CLASSES, SEED, BATCH, RATE = 7840, 10, 0, 128, 0.01
ANGLES, PICTURES = (0, 90), 6000
NAMES = ("mnist5k", "bench")
TASKS = [vars(Transformation(angle=float(angle))) for angle in ANGLES]
STEPS, COMPARED = 15, 10
MEASURED = 480  # images whose responses are measured
TOLERANCE = 1e-5  # float32: sums over pixels, units and images are taken in another order


class Port(torch.nn.Module):
    """The notebook's network: a dense encoder, a context and a strength for each task."""

    def __init__(self) -> None:
        super().__init__()
        encoder, decoder = draw_flynet(UNITS, CLASSES, seed=SEED, repeat=0)
        self.encoder, self.decoder = torch.from_numpy(dense_encoder(encoder)).float(), torch.from_numpy(decoder)
        context, strength = draw_modulations(UNITS, len(TASKS), seed=SEED, names=(*NAMES, 0))
        self.contexts = torch.nn.ParameterList(map(torch.from_numpy, context))
        self.strengths = torch.nn.ParameterList(map(torch.tensor, strength))
        self.task = 0

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        sums = pictures.flatten(1) @ self.encoder.t()
        response = torch.relu(sums - sums.mean(1, keepdim=True))
        return (response * self.contexts[self.task]) @ (self.strengths[self.task] * self.decoder).t()


class Turned(torch.utils.data.Dataset):
    """Images one at a time, through the notebook's transforms."""

    def __init__(self, split: Split, angle: int) -> None:
        self.split = split
        self.transform = transforms.Compose(
            [
                transforms.Grayscale(3),
                transforms.Lambda(lambda image: transforms.functional.rotate(image, angle)),
                transforms.Grayscale(1),
                transforms.ToTensor(),
                transforms.Normalize((MEAN,), (DEVIATION,)),
            ]
        )

    def __len__(self) -> int:
        return len(self.split.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.split.images[index])), self.split.labels[index]


def step(port: Port, optimiser: torch.optim.Optimizer, pictures: torch.Tensor, labels: torch.Tensor) -> None:
    """One batch."""
    loss = F.cross_entropy(port(pictures), labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def order_of(task: int) -> list[int]:
    """The order in which ours sees a task's pictures."""
    return stream(SEED, "tgsh", *NAMES, 0, task, "order", 0).permutation(PICTURES).tolist()


def batches(train: Split, task: int) -> torch.utils.data.DataLoader:
    """A task's batches."""
    return torch.utils.data.DataLoader(Turned(train, ANGLES[task]), BATCH, sampler=order_of(task))


@torch.no_grad()
def accuracy(port: Port, test: Split) -> float:
    """Of the port's current task."""
    loader = torch.utils.data.DataLoader(Turned(test, ANGLES[port.task]), BATCH)
    return sum(int((port(x).argmax(1) == y).sum()) for x, y in loader) / len(test.labels)


def sequential(train: Split, test: Split) -> tuple[Port, list[float]]:
    """The notebook's loop: all tasks in sequence, one epoch each, with the accuracy of each."""
    port, accuracies = Port(), []
    for port.task in range(len(TASKS)):
        optimiser = torch.optim.RMSprop(port.parameters(), lr=RATE)
        for pictures, labels in batches(train, port.task):
            step(port, optimiser, pictures, labels)
        accuracies.append(accuracy(port, test))
    return port, accuracies


def training(train: Split, test: Split) -> FlyNetTraining:
    """Ours, step by step."""
    device = torch.device("cpu")
    context, strength = draw_modulations(UNITS, len(TASKS), seed=SEED, names=(*NAMES, 0))
    return FlyNetTraining(
        *(DeviceSplit(split, device) for split in (train, test)),
        views(TASKS, "nearest", 0.0, device),
        [FlyNet.of(*draw_flynet(UNITS, CLASSES, seed=SEED, repeat=0), device)],
        torch.from_numpy(context)[None],
        torch.from_numpy(strength)[None],
        Schedule(1, BATCH, RATE),
        seed=SEED,
        names=NAMES,
    )


def check_equal(train: Split, test: Split) -> None:
    """Stops if after the first steps the two differ by more than rounding."""
    ours, port = training(train, test), Port()
    optimiser = torch.optim.RMSprop(port.parameters(), lr=RATE)
    for _, (pictures, labels) in zip(range(COMPARED), batches(train, 0)):
        ours.step()
        step(port, optimiser, pictures, labels)
    for mine, theirs in ((ours.context, port.contexts[0]), (ours.strength, port.strengths[0])):
        torch.testing.assert_close(mine[0, 0], theirs.detach(), atol=TOLERANCE, rtol=0)


def steps(train: Split, test: Split) -> tuple[float, float]:
    """Seconds a step of ours, which turns its batch on the way, and of the port, whose batch is ready."""
    ours, port = training(train, test), Port()
    port.task = 1
    optimiser = torch.optim.RMSprop(port.parameters(), lr=RATE)
    pictures, labels = next(iter(batches(train, 1)))
    for _ in range(ours.batches):  # the first task, whose end is measured elsewhere
        ours.step()
    theirs = lambda: step(port, optimiser, pictures, labels)  # noqa: E731
    return seconds(ours.step, steps=STEPS), seconds(theirs, steps=STEPS)


def rows():
    """(stage, work, ours, peer, peer's name, unit)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        build_dataset(folder / "small.h5", {}, name="mnist5k", reader="mnist5k")
        small = Dataset.read(folder / "small.h5")
        again, test = np.arange(PICTURES) % len(small.train.labels), small.test
        train = Split(small.train.images[again], small.train.labels[again])
        about = {"name": "bench", "source": "", "licence": "", "class_names": list("0123456789")}
        write_dataset(folder / "d.h5", {"train": train, "test": test}, **about)
        for threads in (1, 2):
            set_reproducible(threads)
            with threadpool_limits(threads):
                check_equal(train, test)
                ours, theirs = steps(train, test)
            work = f"a batch of {BATCH}, {UNITS:,} units, {threads} thread{'s' * (threads > 1)}"
            peer = "dense encoder, autograd, torch.optim.RMSprop; images ready"
            yield "T-GSH: a step of one task", work, ours * 1e3, theirs * 1e3, peer, "ms"
        with threadpool_limits(1):
            yield whole_run(folder, train, test)
            yield responses(small)


def whole_run(folder: Path, train: Split, test: Split) -> tuple:
    """Two tasks from the dataset to modulations and accuracies, one thread; stops if the two differ."""
    start = time.perf_counter()
    described = Training(
        keys={"dataset": NAMES[0], "benchmark": NAMES[1]},
        tasks=TASKS,
        interpolation="nearest",
        fill=0.0,
        units=UNITS,
        repeats=1,
        schedule=vars(Schedule(1, BATCH, RATE)),
        seed=SEED,
    )
    outputs = folder / "m.safetensors", folder / "history.csv"
    train_flynet(folder / "d.h5", *outputs, described, Compute("cpu", 1), Saving())
    middle = time.perf_counter()
    port, accuracies = sequential(train, test)
    end = time.perf_counter()
    trained = torch.from_numpy(read_modulations(folder / "m.safetensors")[0]["context_trained"][0])
    torch.testing.assert_close(trained, torch.stack(list(port.contexts)).detach(), atol=100 * TOLERANCE, rtol=0)
    assert np.allclose(read_csv(folder / "history.csv").accuracy, accuracies, atol=0.002), accuracies
    work = f"{len(TASKS)} tasks, {PICTURES:,} images, 1 epoch, {UNITS:,} units, 1 thread"
    return "T-GSH: training tasks in sequence", work, middle - start, end - middle, "the notebook's loop, ported", "s"


def responses(small: Dataset) -> tuple:
    """All measures of modulated responses, one thread, and the plain way to most of them; stops if the two differ."""
    set_reproducible(1)
    device, angles = torch.device("cpu"), [vars(Transformation(angle=10.0 * t)) for t in range(36)]
    arrays: dict[str, np.ndarray] = {}
    for state in ("untrained", "trained"):
        drawn = draw_modulations(UNITS, len(angles), seed=SEED, names=(state, 0))
        arrays |= {f"{part}_{state}": each[None] for part, each in zip(("context", "strength"), drawn)}
    keys = {"dataset": "mnist5k", "benchmark": "bench"}
    identity = {"keys": keys, "tasks": angles, "classes": CLASSES, "units": UNITS, "seed": SEED}
    net = FlyNet.of(*draw_flynet(UNITS, CLASSES, seed=SEED, repeat=0), device)
    model = Model([net], views(angles, "nearest", 0.0, device), arrays, identity, device)
    test = DeviceSplit(Split(small.test.images[:MEASURED], small.test.labels[:MEASURED]), device)
    start = time.process_time()
    ours = measure_repeat(model, 0, test, small.train, 2)
    middle = time.process_time()
    counts, right = plainly(model, test, small.train)
    end = time.process_time()
    for state, measured in ours.items():
        assert abs(measured.counts.cpu().numpy() - counts[state]).sum() < 0.2 * counts[state].sum(), "in bins of 0.001"
        assert np.allclose(measured.right[0].numpy(), right[state], atol=0.003 * MEASURED * len(angles))
    work = f"{len(angles)} tasks, {MEASURED} images, {UNITS:,} units, 1 thread"
    peer = "float32 products, state by state; pairs and neighbours alone"
    return "T-GSH: measuring responses", work, middle - start, end - middle, peer, "s"


def plainly(model: Model, test: DeviceSplit, train: Split) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Counts of pairs by kind, digit and bin, and of neighbours with the right digit and task, by state."""
    items, tasks = gallery_items(train.labels, 2), len(model.views)
    theirs = model.responses(0, DeviceSplit(Split(train.images[items], train.labels[items]), model.device).images)
    digit, task = np.tile(train.labels[items], tasks), np.repeat(np.arange(tasks), len(items))
    vectors = {state: model.vectors(state, 0) for state in STATES}
    galleries = {state: F.normalize(vectors[state][:, None] * theirs, dim=2).flatten(0, 1) for state in STATES}
    counts = {state: np.zeros((len(KINDS), CLASSES, BINS), np.int64) for state in STATES}
    right = {state: np.zeros(2, np.int64) for state in STATES}
    for part in blocks(len(test.labels), BLOCK):
        shown, digits = model.responses(0, test.images[part]), test.labels[part].repeat(tasks).numpy()
        kinds = pair_kinds(test.labels[part], tasks).numpy()
        own = np.repeat(np.arange(tasks), len(digits) // tasks)
        for state in STATES:
            unit = F.normalize(vectors[state][:, None] * shown, dim=2).flatten(0, 1)
            bins = ((unit @ unit.t() + 1) * (BINS / 2)).long().clamp_(0, BINS - 1).numpy()
            place = ((kinds * CLASSES + digits[:, None]) * BINS + bins)[kinds >= 0]
            counts[state] += np.bincount(place, minlength=counts[state].size).reshape(counts[state].shape)
            nearest = (unit @ galleries[state].t()).argmax(1).numpy()
            right[state] += [(digit[nearest] == digits).sum(), (task[nearest] == own).sum()]
    return counts, right
