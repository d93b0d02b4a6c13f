"""The memory (MB) and run time (minutes) that the jobs of this wing ask for, from the size of their data and networks.

tests/unit/hash_encoders/test_sizes.py holds them against jobs that were measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from rehash.graph import Size, minutes
from rehash.hash_encoders.models.costs import COSTS, UNKNOWN, Cost
from rehash.hash_encoders.plan import (
    cells,
    model_config,
    model_protocol,
    model_train_share,
    protocol_config,
    study_config,
    train_share,
)

_BASE_MB = 1500  # of a process with torch, faiss and scipy
_FLOPS = {False: 1e10, True: 1e12}  # of products of matrices, a second, on a core of a CPU and on a GPU
_LAYER_S = {False: 5e-4, True: 2e-4}  # a layer of a network in a step of a training, beside its products
_CONVOLUTION_FLOPS = {False: 2e10, True: 1e12}  # of convolutions in both directions, as above
_ACTIVATION_S = {False: 2e-9, True: 2e-11}  # to write and to read a number between layers, in both directions
_READING_MB = 50  # a second
_CHANGING_S = 5e-8  # a number of an image that is changed at random
_FLOAT = 4
_CHUNK = 4096  # inputs that networks are shown at a time when they are encoded
_FACTORS_MB = 540  # of the preconditioners of logistic regression that are held at a time
_LAYERS = 30  # of a network from outside, of which nothing is known before it is built
_RUNNING_MB = 1500  # of a network and its values for a batch
_NUMBER_S = {False: 1e-5, True: 2e-7}  # of a convolutional network, for a number of its input
_REGIONS = 200_000  # of a slice; more are not drawn
_GRADIENTS_MB = 200  # of the units' gradients that are held at a time to find nearest faces


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
    def of(
        cls, config: dict, study: str, dataset: str, depth: str, layer_width: str, size: Size, repeats: str = ""
    ) -> Work:
        """Return the size of a job with as many repeats as a file's name says, or as the study's block does."""
        train = math.ceil(train_share(config, study, dataset) * size.train)
        networks = int(repeats or study_config(config, study, dataset)["repeats"])
        return cls(size, train, int(depth), int(layer_width), networks, cells(config, study, dataset))

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


def _is_changed(cell: dict[str, Any], block: dict[str, Any]) -> bool:
    """Return whether a cell's images are changed at random, by its own setting or that of its protocol's block."""
    return cell.get("augmentation", block["augmentation"] is not None)


def training_mb(
    config: dict,
    study: str,
    dataset: str,
    protocol: str,
    depth: str,
    layer_width: str,
    repeats: str,
    size: Size,
    attempt: int,
) -> int:
    """Return the memory to train all networks of a job.

    Inputs are held as they are in their file, and once as float32 for all cells and once for each with noise of its
    own; networks with what the optimiser remembers of them, and once more while a state is saved; and all of a step,
    with its changed images and where their pixels come from.
    """
    work, block = Work.of(config, study, dataset, depth, layer_width, size, repeats), protocol_config(config, protocol)
    changed = [cell for cell in work.cells if _is_changed(cell, block)]
    noisy = sum(cell.get("instance_noise", 0) > 0 for cell in work.cells)
    inputs = size.mb + (1 + noisy) * work.inputs_mb(work.train) * (1 + size.number_bytes / _FLOAT)
    networks = (8 * work.networks + 3 * work.kept) * work.network_mb
    numbers = 3 * size.inputs + 8 * work.bits + 4 * size.classes
    numbers = work.networks * numbers + work.repeats * len(changed) * 10 * size.inputs
    step = block["batch_size"] * numbers * _FLOAT / 1e6
    orders = work.repeats * sum(work.shown(cell) * (1 + (cell in changed)) for cell in work.cells) * 2 * 8 / 1e6
    return int((_BASE_MB + 1.5 * (inputs + networks + step + orders)) * attempt)


def training_minutes(
    config: dict,
    study: str,
    dataset: str,
    protocol: str,
    depth: str,
    layer_width: str,
    repeats: str,
    size: Size,
    gpu: bool,
    attempt: int,
) -> int:
    """Return a generous run time limit of a training to its last epoch: a time for each layer, and for each product.

    All repeats count, though some may be taken from an earlier job, which is not known beforehand.
    """
    work, block = Work.of(config, study, dataset, depth, layer_width, size, repeats), protocol_config(config, protocol)
    seconds = size.mb / _READING_MB
    for cell in work.cells:
        batch = min(block["batch_size"], work.shown(cell))
        steps = max(cell.get("epochs", [block["epochs"]])) * math.ceil(work.shown(cell) / batch)
        # Three products of a batch with each kernel, and the optimiser's update, which takes as long as a few inputs.
        products = 6 * (batch + 8) * work.parameters / _FLOPS[gpu]
        changes = _CHANGING_S * batch * size.inputs * _is_changed(cell, block)
        seconds += work.repeats * steps * (work.depth * _LAYER_S[gpu] + products + changes)
    return minutes(seconds / 60, attempt)


def _cost(block: dict[str, Any], size: Size) -> Cost:
    """Return what a network costs with a dataset's images; beyond 32 x 32 pixels, all but the parameters grow."""
    cost = COSTS.get(block["name"], UNKNOWN) if block["source"] == "rehash" else UNKNOWN
    pixels = block["image_size"] ** 2 if block["image_size"] else size.inputs / _channels(size)
    times = max(1, pixels / 32**2)
    return replace(cost, products=int(times * cost.products), activations=int(times * cost.activations))


def _channels(size: Size) -> int:
    """Return how many channels images of this many numbers have: one, unless only three make them square."""
    return 1 if math.isqrt(size.inputs) ** 2 == size.inputs else 3


def model_training_mb(config: dict, dataset: str, model: str, size: Size, attempt: int) -> int:
    """Return the memory to train one network: the data as they are in their file, the network with its gradients, what
    the optimiser remembers and the state that is saved of them, and all layers of a batch in both directions.
    """
    block, batch = model_config(config, model), model_protocol(config, model)["batch_size"]
    cost = _cost(block, size)
    step = batch * (2 * cost.activations + 8 * size.inputs) * _FLOAT / 1e6
    return int((_BASE_MB + 1.5 * size.mb + 12 * cost.parameters * _FLOAT / 1e6 + step) * attempt)


def model_training_minutes(config: dict, dataset: str, model: str, size: Size, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit of the training of one network to its last epoch."""
    block, protocol = model_config(config, model), model_protocol(config, model)
    cost, train = _cost(block, size), math.ceil(model_train_share(config, dataset) * size.train)
    # A product with each weight forward and two backward, on numbers that are read and written layer by layer.
    image = 6 * cost.products / _CONVOLUTION_FLOPS[gpu] + cost.activations * _ACTIVATION_S[gpu]
    steps = math.ceil(train / protocol["batch_size"])
    step = cost.layers * _LAYER_S[gpu] + cost.parameters * _FLOAT / 1e9
    seconds = steps * (step + protocol["batch_size"] * image) + (size.train - train) * image / 2
    return minutes((size.mb / _READING_MB + protocol["epochs"] * seconds) / 60, attempt)


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


def regions_mb(config: dict, study: str, dataset: str, depth: str, layer_width: str, size: Size, attempt: int) -> int:
    """Return the memory to follow lines of one kind of points, in float64, and for the slices' regions and tables."""
    work, block = Work.of(config, study, dataset, depth, layer_width, size), study_config(config, "regions", dataset)
    # Starts, vectors in each direction, and what of them is turned, scaled and passed on.
    points = (4 + len(block["directions"])) * block["lines"] * size.inputs * 8 / 1e6
    regions = min(_REGIONS, work.bits**2)
    slices = block["slice"] * _moments(block, study, work) * regions * (work.bits + 3000) / 1e6
    # A network in float64, and the triangular factor of its first kernel.
    networks = 2 * work.kept * work.network_mb + 4 * 2 * work.network_mb
    return int((_BASE_MB + size.mb * 2 + 3 * points + slices + networks + _GRADIENTS_MB) * attempt)


def _moments(block: dict, study: str, work: Work) -> int:
    """Return at how many moments of a training regions are measured."""
    return len(block["epochs"]) if study == "training_time" and block["epochs"] else _snapshots(work.cells[0])


def regions_minutes(
    config: dict, study: str, dataset: str, depth: str, layer_width: str, size: Size, attempt: int
) -> int:
    """Return a generous run time limit to follow lines through linear regions, and to cut slices into them."""
    work, block = Work.of(config, study, dataset, depth, layer_width, size), study_config(config, "regions", dataset)
    lines = 3 * block["lines"]
    line = 2e-3 * work.depth + 5e-8 * work.bits**2 + 1.5e-8 * work.parameters
    # The gradients of all units, a product of kernels for each layer but the first, whose factor takes a while.
    gradients = 2 * (work.depth - 1) * work.width**3 / _FLOPS[False]
    factor = 3 * 4 * size.inputs * work.width * min(size.inputs, work.width) / _FLOPS[False]
    regions = min(_REGIONS, work.bits**2) * work.depth * (3e-4 + 5e-8 * work.bits) if block["slice"] else 0
    network = lines * (line + gradients) + factor
    seconds = size.mb / _READING_MB + _moments(block, study, work) * (work.repeats * network + regions)
    return minutes(seconds / 60, attempt)


def _encoded(config: dict, dataset: str, size: Size) -> int:
    """Return how many samples of a dataset the layers of a network are encoded for."""
    block = study_config(config, "layers", dataset)
    train = math.ceil(train_share(config, "layers", dataset) * size.train)
    return min(block["train_samples"] or train, train) + min(block["test_samples"] or size.test, size.test)


def _layer_codes(config: dict, dataset: str) -> int:
    """Return how many codes of a network are taken, if it has _LAYERS layers, of which nothing is known beforehand."""
    block = study_config(config, "layers", dataset)
    return _LAYERS * len(block["pool"]) * len(block["bits"])


def encoding_mb(config: dict, dataset: str, size: Size, attempt: int) -> int:
    """Return the memory to encode the layers of a network: itself, its values for a batch, and all codes."""
    block = study_config(config, "layers", dataset)
    code = 16 + block["max_bits"] * (_FLOAT if "sum" in block["pool"] else 1 / 8)
    codes = _encoded(config, dataset, size) * _layer_codes(config, dataset) * code / 1e6
    return int((_BASE_MB + _RUNNING_MB + 2 * size.mb + 2 * codes) * attempt)


def encoding_minutes(config: dict, dataset: str, size: Size, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit to encode the layers of a network of common size for its inputs."""
    seconds = _encoded(config, dataset, size) * (0.02 + size.inputs * _NUMBER_S[gpu])
    return minutes((size.mb / _READING_MB + seconds) / 60, attempt)


def layers_mb(config: dict, dataset: str, size: Size, attempt: int) -> int:
    """Return the memory to measure the codes of a network's layers, one after another."""
    block, samples = study_config(config, "layers", dataset), _encoded(config, dataset, size)
    code = 16 + block["max_bits"] * (_FLOAT if "sum" in block["pool"] else 1 / 8)
    codes = samples * _layer_codes(config, dataset) * code / 1e6
    problems, pairs = _problems(config, size)
    square = (block["max_bits"] + 1) ** 2 * _FLOAT / 1e6
    factors = min(problems * square, _FACTORS_MB) + (size.classes * square if pairs else 0)
    bits = 6 * samples * block["max_bits"] * _FLOAT / 1e6
    return int((_BASE_MB + size.mb + 1.5 * codes + 2.5 * factors + bits) * attempt)


def layers_minutes(config: dict, dataset: str, size: Size, attempt: int) -> int:
    """Return a generous run time limit to measure the codes of a network's layers, on one core of a CPU."""
    block, samples = study_config(config, "layers", dataset), _encoded(config, dataset, size)
    bits, test = block["max_bits"], min(block["test_samples"] or size.test, size.test)
    code = 1 + _kmeans_s(samples, bits, min(size.classes, samples)) + samples * test * (2e-9 + 2e-11 * bits)
    code += _regression_s(samples, bits, size.classes, _problems(config, size)[0])
    code *= 4 if "sum" in block["pool"] else 1  # scikit-learn's classifiers of numbers
    seconds = _layer_codes(config, dataset) * len(block["classes"] or [0]) * code
    return minutes((size.mb / _READING_MB + seconds) / 60, attempt)


def model_regions_mb(config: dict, dataset: str, size: Size, attempt: int) -> int:
    """Return the memory to follow lines through the regions of a network of any shape, in float64."""
    return int((_BASE_MB + 2 * _RUNNING_MB + 2 * size.mb) * attempt)


def model_regions_minutes(config: dict, dataset: str, size: Size, attempt: int) -> int:
    """Return a generous run time limit to follow lines through regions, and to find the nearest faces of their starts.

    A nearest face takes a derivative of the network for each number of an input, and a line a few dozen.
    """
    block = study_config(config, "layers", dataset)
    inputs = 3 * block["lines"]
    derivative = 0.01 + size.inputs * _NUMBER_S[False]
    seconds = inputs * derivative * (size.inputs + 100 * len(block["directions"]))
    return minutes((size.mb / _READING_MB + seconds) / 60, attempt)
