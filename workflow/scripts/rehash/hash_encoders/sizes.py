"""The memory (MB) and run time (minutes) that the jobs of this wing ask for, from the size of their data and networks.

tests/unit/hash_encoders/test_sizes.py holds them against jobs that were measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from rehash.graph import Size, minutes
from rehash.hash_encoders.plan import cells, protocol_config, study_config, train_share

_BASE_MB = 1500  # of a process with torch, faiss and scipy
_FLOPS = {False: 1e10, True: 1e12}  # of products of matrices, a second, on a core of a CPU and on a GPU
_LAYER_S = {False: 5e-4, True: 2e-4}  # a layer of a network in a step of a training, beside its products
_READING_MB = 50  # a second
_FLOAT = 4
_CHUNK = 4096  # inputs that networks are shown at a time when they are encoded
_FACTORS_MB = 540  # of the preconditioners of logistic regression that are held at a time
_REGIONS = 200_000  # of a slice; more are not drawn


@dataclass(frozen=True)
class Work:
    """The size of a job on the networks of one width: its data, its networks and its cells.

    Attributes:
        size: of the dataset. train: how many of its train samples networks are trained on.
        depth, width: of the hidden layers. repeats: networks of a cell. cells: as `rehash.hash_encoders.plan.cells`.
    """

    size: Size
    train: int
    depth: int
    width: int
    repeats: int
    cells: list[dict[str, Any]]

    @classmethod
    def of(cls, config: dict, study: str, dataset: str, depth: str, layer_width: str, size: Size) -> Work:
        train = math.ceil(train_share(config, study, dataset) * size.train)
        repeats = study_config(config, study, dataset)["repeats"]
        return cls(size, train, int(depth), int(layer_width), repeats, cells(config, study, dataset))

    @property
    def bits(self) -> int:
        return self.depth * self.width

    @property
    def parameters(self) -> int:
        """Return the number of parameters of one network, biases and BatchNorm included."""
        kernels = (self.size.inputs + (self.depth - 1) * self.width + self.size.classes) * self.width
        return kernels + 3 * self.bits + self.size.classes

    @property
    def network_mb(self) -> float:
        return self.parameters * _FLOAT / 1e6

    @property
    def networks(self) -> int:
        """Return how many networks a job trains."""
        return len(self.cells) * self.repeats

    @property
    def kept(self) -> int:
        """Return how many networks are in the file that it writes."""
        return sum(map(_snapshots, self.cells)) * self.repeats

    def samples(self, cell: dict[str, Any]) -> int:
        """Return how many training inputs a cell has."""
        return cell.get("sample_size") or self.train

    def shown(self, cell: dict[str, Any]) -> int:
        """Return about how many inputs an epoch shows, repeated ones counted each time."""
        return self.train if cell.get("tiled", True) else self.samples(cell)

    def inputs_mb(self, samples: int) -> float:
        """Return the size of so many inputs as float32."""
        return samples * self.size.inputs * _FLOAT / 1e6


def _snapshots(cell: dict[str, Any]) -> int:
    return len(cell["epochs"]) if "epochs" in cell else 1 + cell.get("untrained", False)


def training_mb(
    config: dict, study: str, dataset: str, protocol: str, depth: str, layer_width: str, size: Size, attempt: int
) -> int:
    """Return the memory to train all networks of a job.

    Inputs are held as they are in their file, and once as float32 for all cells and once for each with noise of its
    own; networks with what the optimiser remembers of them, and once more while a state is saved; and all of a step.
    """
    work = Work.of(config, study, dataset, depth, layer_width, size)
    noisy = sum(cell.get("instance_noise", 0) > 0 for cell in work.cells)
    inputs = size.mb + (1 + noisy) * work.inputs_mb(work.train) * (1 + size.number_bytes / _FLOAT)
    networks = (8 * work.networks + 3 * work.kept) * work.network_mb
    numbers = 3 * size.inputs + 8 * work.bits + 4 * size.classes
    step = work.networks * protocol_config(config, protocol)["batch_size"] * numbers * _FLOAT / 1e6
    orders = work.repeats * sum(work.shown(cell) for cell in work.cells) * 2 * 8 / 1e6
    return int((_BASE_MB + 1.5 * (inputs + networks + step + orders)) * attempt)


def training_minutes(
    config: dict,
    study: str,
    dataset: str,
    protocol: str,
    depth: str,
    layer_width: str,
    size: Size,
    gpu: bool,
    attempt: int,
) -> int:
    """Return a generous run time limit of a training to its last epoch: a time for each layer, and for each product."""
    work, block = Work.of(config, study, dataset, depth, layer_width, size), protocol_config(config, protocol)
    seconds = size.mb / _READING_MB
    for cell in work.cells:
        batch = min(block["batch_size"], work.shown(cell))
        steps = max(cell.get("epochs", [block["epochs"]])) * math.ceil(work.shown(cell) / batch)
        # Three products of a batch with each kernel, and the optimiser's update, which takes as long as a few inputs.
        products = 6 * (batch + 8) * work.parameters / _FLOPS[gpu]
        seconds += work.repeats * steps * (work.depth * _LAYER_S[gpu] + products)
    return minutes(seconds / 60, attempt)


def properties_mb(
    config: dict, study: str, dataset: str, depth: str, layer_width: str, size: Size, attempt: int
) -> int:
    """Return the memory to encode inputs and to measure the codes of one network after another."""
    work, codes = Work.of(config, study, dataset, depth, layer_width, size), size.train + size.test
    networks = 2 * (work.kept + work.repeats) * work.network_mb
    packed = work.repeats * codes * work.bits / 8 / 1e6
    problems, pairs = _problems(config, size)
    grams = size.classes * (work.bits + 1) ** 2 * _FLOAT / 1e6 if pairs else 0
    factors = min(problems * (work.bits + 1) ** 2 * _FLOAT / 1e6, _FACTORS_MB)
    bits = 6 * codes * work.bits * _FLOAT / 1e6
    inputs = size.mb + 1.5 * work.inputs_mb(codes) + _passing_mb(work)
    return int((_BASE_MB + inputs + networks + packed + grams + 2.5 * factors + bits) * attempt)


def _passing_mb(work: Work) -> float:
    """Return the memory of a pass of all repeats of a cell over some inputs, and of the inputs that they are shown."""
    chunk = max(1, min(_CHUNK, 2**24 // work.size.inputs))
    activations = work.repeats * chunk * (3 * work.bits + 3 * work.size.classes) * _FLOAT / 1e6
    return activations + (1 + work.repeats) * work.inputs_mb(chunk)


def _problems(config: dict, size: Size) -> tuple[int, bool]:
    """Return how many problems the logistic regression of a network has, and whether they are pairs of classes."""
    pairs = size.classes <= config["hash_encoders"]["one_vs_one_classes"]
    return size.classes * (size.classes - 1) // 2 if pairs else size.classes, pairs


def measuring_minutes(
    config: dict, study: str, dataset: str, depth: str, layer_width: str, size: Size, attempt: int
) -> int:
    """Return a generous run time limit to measure all codes, on one core of a CPU."""
    work = Work.of(config, study, dataset, depth, layer_width, size)
    seconds = size.mb / _READING_MB
    for cell in work.cells:
        train = work.samples(cell)
        network = sum(_kmeans_s(n, work.bits, min(size.classes, n)) for n in (train, size.test))
        network += train * size.test * (2e-9 + 2e-11 * work.bits) + (train + size.test) * 1e-5
        network += _regression_s(train, work.bits, size.classes, _problems(config, size)[0])
        network += 2 * (train + size.test) * work.parameters / _FLOPS[False]
        seconds += _snapshots(cell) * (work.repeats * (1 + network) + 2 * work.inputs_mb(train) / _READING_MB)
    return minutes(seconds / 60, attempt)


def _kmeans_s(codes: int, bits: int, clusters: int) -> float:
    """Return the seconds of K-Means: ten starts with a hundred and fifty passes each."""
    return 10 * clusters * codes * 150 * (4e-9 + 1e-10 * bits)


def _regression_s(codes: int, bits: int, classes: int, problems: int) -> float:
    """Return the seconds of logistic regression: sixty passes over all codes, and as many uses of preconditioners.

    Each class's codes are in as many problems as there are classes, whether these are pairs or a class and the rest.
    """
    passes = classes * codes * 60 * (2e-8 + 4 * bits / _FLOPS[False])
    return passes + problems * ((bits + 1) ** 3 / _FLOPS[False] + 60 * (bits + 1) ** 2 * 2e-9)


def random_inputs_mb(config: dict, dataset: str, depth: str, layer_width: str, size: Size, attempt: int) -> int:
    """Return the memory to make random inputs, a kind after another, and to show them to networks."""
    work = Work.of(config, "training_time", dataset, depth, layer_width, size)
    codes = size.test * work.bits / 1e6 * (work.repeats / 8 + 2)
    inputs = size.mb + 6 * work.inputs_mb(size.test) + _passing_mb(work)
    return int((_BASE_MB + inputs + codes + 2 * (work.kept + work.repeats) * work.network_mb) * attempt)


def random_inputs_minutes(config: dict, dataset: str, depth: str, layer_width: str, size: Size, attempt: int) -> int:
    """Return a generous run time limit to make four kinds of inputs and to show them to networks."""
    work = Work.of(config, "training_time", dataset, depth, layer_width, size)
    network = 2 * size.test * work.parameters / _FLOPS[False] + size.test * (1e-5 + 1e-8 * work.bits)
    seconds = size.mb / _READING_MB + 4 * (work.inputs_mb(size.test) / _READING_MB + work.kept * (0.1 + network))
    return minutes(seconds / 60, attempt)


def regions_mb(config: dict, dataset: str, depth: str, layer_width: str, size: Size, attempt: int) -> int:
    """Return the memory to follow lines, in float64, and for the regions of a slice and their table."""
    work = Work.of(config, "capacity", dataset, depth, layer_width, size)
    lines = study_config(config, "regions", dataset)["lines"]
    points = 3 * 2 * lines * size.inputs * 8 / 1e6
    regions = min(_REGIONS, work.bits**2)
    slices = 2 * regions * (work.bits + 3000) / 1e6
    networks = 2 * work.kept * work.network_mb + 3 * 2 * work.network_mb
    return int((_BASE_MB + size.mb * 2 + 3 * points + slices + networks) * attempt)


def regions_minutes(config: dict, dataset: str, depth: str, layer_width: str, size: Size, attempt: int) -> int:
    """Return a generous run time limit to follow lines through linear regions, and to cut a slice into them."""
    work = Work.of(config, "capacity", dataset, depth, layer_width, size)
    lines = 3 * study_config(config, "regions", dataset)["lines"]
    line = 2e-3 * work.depth + 5e-8 * work.bits**2 + 1.5e-8 * work.parameters
    regions = min(_REGIONS, work.bits**2) * work.depth * (3e-4 + 5e-8 * work.bits)
    seconds = size.mb / _READING_MB + 2 * (work.repeats * lines * line + regions)
    return minutes(seconds / 60, attempt)
