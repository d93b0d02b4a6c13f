"""What the Snakefile computes for this wing: paths, tasks, job lists and targets as pure functions of the config."""

from __future__ import annotations

from typing import Any

from rehash.errors import InputError, unknown
from rehash.graph import DATASET, Size, dataset_config, dataset_text, minutes
from rehash.tgsh.kinds import FLY, KINDS, density
from rehash.tgsh.methods import METHODS
from rehash.tgsh.streams import declared_tasks
from rehash.tgsh.tasks import GREY, Shape, Transformation

DATASET_FOLDER = "results/tgsh/{dataset}/"
# A benchmark in a path is its name and, with another network than the default, a hyphen and that one's name.
FOLDER = DATASET_FOLDER + "{benchmark}/"
ORTHOGONALITY = DATASET_FOLDER + "orthogonality"
MODULATIONS = f"{FOLDER}modulations.safetensors"
INVERSE = DATASET_FOLDER + "pseudo_inverse{network}.h5"  # nothing, or a hyphen and the network's name
PUBLISHED_ANGLES = (0, 10, 20, 30, 40)  # degrees, of the notebook's five tasks
DEFAULT = "fly"  # the network whose files have no name in their path
PUBLISHED = {"encoder": FLY, "decoder": "frozen", "modulation": "both"}
_DIGITS = ("mnist5k", "svhn")  # readers whose classes are the ten digits
SHAPES: dict[str, Shape] = {"mnist5k": GREY, "cifar": (3, 32, 32), "svhn": (3, 32, 32)}  # of readers' images


def flynet_config(config: dict, dataset: str) -> dict:
    """Return the config's block of FlyNet on a dataset: its size, and how it is trained.

    Raises:
        InputError: there is no such dataset, or it has no block.
    """
    dataset_config(config, dataset)
    blocks = config["tgsh"]["flynet"]
    if dataset not in blocks:
        beside = f"; add one beside {', '.join(sorted(blocks))}" if blocks else ""
        raise InputError(f"config: tgsh.flynet: no block for dataset '{dataset}'{beside}")
    return blocks[dataset]


def benchmark_config(config: dict, benchmark: str) -> dict:
    """Return the config's block of a benchmark, with or without a network's name."""
    benchmarks, name = config["tgsh"]["benchmarks"], benchmark.partition("-")[0]
    if name not in benchmarks:
        raise unknown("benchmark", name, benchmarks, "config: tgsh.benchmarks")
    return benchmarks[name]


def network_name(benchmark: str) -> str:
    """Return the name of the network with which a benchmark is run, the default's if it names none.

    Raises:
        InputError: it names the default, whose files are elsewhere.
    """
    name, hyphen, network = benchmark.partition("-")
    if network == DEFAULT:
        raise InputError(f"{benchmark}: {DEFAULT} is the default; what it makes has no name of a network: say {name}")
    return network if hyphen else DEFAULT


def network_config(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """Return the settings of a frozen network: units; encoder, its kind and settings; decoder; modulation.

    Raises:
        InputError: there is no such network; names the nearest one.
    """
    name, blocks = network_name(benchmark), config["tgsh"]["encoders"]
    if name not in (*blocks, *KINDS):
        raise unknown("encoder", name, (*blocks, *KINDS), "config: tgsh.encoders")
    block = blocks.get(name, {})  # a kind is a network without a block, too
    kind = block.get("kind") or (name if name in KINDS else DEFAULT)
    own = {key: default if block.get(key) is None else block[key] for key, default in KINDS[kind].takes.items()}
    return {
        "units": block.get("units") or flynet_config(config, dataset)["units"],
        "encoder": {"kind": kind, **own},
        "decoder": block.get("decoder", PUBLISHED["decoder"]),
        "modulation": block.get("modulation", PUBLISHED["modulation"]),
    }


def is_published(network: dict[str, Any]) -> bool:
    """Return whether a network is the published one, of any width."""
    return all(network[name] == value for name, value in PUBLISHED.items())


def image_shape(config: dict, dataset: str) -> Shape | None:
    """Return the shape of a dataset's images, as far as its reader tells before they are read."""
    block = dataset_config(config, dataset)
    return SHAPES.get(dataset_config(config, block["dataset"])["reader"] if block["dataset"] else block["reader"])


def tasks(config: dict, dataset: str, benchmark: str) -> list[dict[str, Any]]:
    """Return the tasks of a benchmark that a dataset's FlyNet learns, see `rehash.tgsh.tasks`.

    Raises:
        InputError: `task_step` leaves one task.
    """
    where = f"config: tgsh.benchmarks.{benchmark.partition('-')[0]}"
    declared = declared_tasks(benchmark_config(config, benchmark), where, dataset)
    step = flynet_config(config, dataset)["task_step"]
    if step >= len(declared):
        raise InputError(
            f"config: tgsh.flynet.{dataset}.task_step: {step} leaves one of the {len(declared)} tasks of {benchmark}, "
            f"and a benchmark compares tasks; expected at most {len(declared) - 1}, or other `benchmarks`"
        )
    return declared[::step]


def other_datasets(config: dict, dataset: str, benchmark: str) -> list[str]:
    """Return the files of the datasets that tasks of a benchmark name, beside the one that it is run on."""
    named = dict.fromkeys(task["dataset"] for task in tasks(config, dataset, benchmark) if "dataset" in task)
    for name in named:
        dataset_config(config, name)
    return [DATASET.format(dataset=name) for name in named]


def baseline_tasks(config: dict, dataset: str, benchmark: str) -> list[int]:
    """Return the numbers of the tasks that the baselines of a dataset learn.

    Raises:
        InputError: the dataset has no baselines.
    """
    blocks = config["tgsh"]["baselines"]
    if dataset not in blocks:
        raise InputError(f"config: tgsh.baselines: no block for dataset '{dataset}'")
    return list(range(0, len(tasks(config, dataset, benchmark)), blocks[dataset]["task_step"]))


def held_out_params(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """Return what is held out of a benchmark: tasks, classes, and images on which known modulations are tried.

    Raises:
        InputError: nothing is held out of the dataset; there is no such task; or none is left that is known.
    """
    blocks = config["tgsh"]["held_out"]
    if dataset not in blocks:
        raise InputError(f"config: tgsh.held_out: no block for dataset '{dataset}'; add one with benchmarks and tasks")
    block, count = blocks[dataset], len(tasks(config, dataset, benchmark))
    where = f"config: tgsh.held_out.{dataset}.tasks"
    if (last := max(block["tasks"])) >= count:
        raise InputError(f"{where}: {last}, but {benchmark} has the tasks 0 to {count - 1} on {dataset}")
    if len(block["tasks"]) == count:
        raise InputError(
            f"{where}: all {count} tasks of {benchmark} are held out, and none is left that is known; hold out fewer"
        )
    return {key: block[key] for key in ("tasks", "classes", "images")}


def known_classes(config: dict, dataset: str) -> list[str] | None:
    """Return the names of a dataset's classes, where the config or the reader tells them before the data are read."""
    block = dataset_config(config, dataset)
    return block["class_names"] or ([str(digit) for digit in range(10)] if block["reader"] in _DIGITS else None)


def orthogonality_params(config: dict, dataset: str) -> dict[str, Any]:
    """Return the settings of the study of untrained modulations: widths, repeats and the seed."""
    repeats = flynet_config(config, dataset)["repeats"]
    return {"widths": config["tgsh"]["measurements"]["widths"], "repeats": repeats, "seed": config["seed"]}


def has_notebook_tasks(config: dict, dataset: str, benchmark: str) -> bool:
    """Return whether a task is one of the published notebook's, not counting the one that leaves images unchanged."""
    wanted = [vars(Transformation(angle=angle)) for angle in PUBLISHED_ANGLES if angle]
    return any(task in wanted for task in tasks(config, dataset, benchmark))


def share_images(config: dict, dataset: str, benchmark: str) -> bool:
    """Return whether all tasks of a benchmark show all images of the dataset that it is run on."""
    return not any("dataset" in task or "classes" in task for task in tasks(config, dataset, benchmark))


def modulations_of_shared_images(config: dict, dataset: str, benchmark: str) -> str:
    """Return the file of modulations whose responses are compared pair by pair, each image in every task.

    Raises:
        InputError: tasks have images of their own.
    """
    if not share_images(config, dataset, benchmark):
        raise InputError(
            f"config: tgsh.benchmarks.{benchmark.partition('-')[0]}: its tasks have images of their own (classes, or a "
            "dataset), and pairs of responses are of images that every task shows: expected tasks that transform or "
            "permute. Accuracy, task_similarity, codes and generated are measured of any"
        )
    return MODULATIONS.format(dataset=dataset, benchmark=benchmark)


def drawing(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """Return the settings that images under every task depend on: tasks, interpolation and fill.

    Where it matters, the seed of orders of pixels, too, and whether each class has to be in a task.
    """
    block, found = benchmark_config(config, benchmark), tasks(config, dataset, benchmark)
    settings = {"tasks": found, **{key: block[key] for key in ("interpolation", "fill")}}
    if any(task.get("permutation") for task in found):
        settings["seed"] = config["seed"]
    return settings | _whole(config, dataset, benchmark)


def _whole(config: dict, dataset: str, benchmark: str) -> dict[str, bool]:
    """Return {"whole": True} for a benchmark that splits the classes, all of whose tasks are learned."""
    split = benchmark_config(config, benchmark)["stream"] == "split"
    return {"whole": True} if split and flynet_config(config, dataset)["task_step"] == 1 else {}


def training_params(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """Return the settings that FlyNet's training depends on besides its wildcards and its data."""
    block, network = flynet_config(config, dataset), network_config(config, dataset, benchmark)
    return {
        **drawing(config, dataset, benchmark),
        **{"units": network["units"], "repeats": block["repeats"]},
        "schedule": {key: block[key] for key in ("epochs", "batch_size", "learning_rate")},
        "seed": config["seed"],
        **_unpublished(network),
    }


def _unpublished(network: dict[str, Any]) -> dict[str, Any]:
    """Return a network's settings that are not the published ones: those of earlier results say nothing of these."""
    return {name: network[name] for name, value in PUBLISHED.items() if network[name] != value}


def baseline_params(config: dict, dataset: str, benchmark: str) -> dict[str, Any]:
    """Return the settings that the baselines' training depends on besides its wildcards and its data."""
    numbers = baseline_tasks(config, dataset, benchmark)
    block = config["tgsh"]["baselines"][dataset]
    params = training_params(config, dataset, benchmark)
    params = {key: value for key, value in params.items() if key != "whole"}
    own = {key for name in block["methods"] for key in METHODS[name].settings}
    return {
        **params,
        "tasks": [params["tasks"][number] for number in numbers],
        "task_numbers": numbers,
        "schedule": {key: block[key] for key in ("epochs", "batch_size", "learning_rate")},
        "methods": [name for name in METHODS if name in block["methods"]],
        **{key: block[key] for key in sorted(own)},
    }


def inverse_file(config: dict, dataset: str, benchmark: str) -> str:
    """Return the file of the pseudo-inverses of the encoders with which a benchmark is run.

    Raises:
        InputError: its encoder has none.
    """
    network, usual = (network_config(config, dataset, each) for each in (benchmark, benchmark.partition("-")[0]))
    _check_inverse(network, network_name(benchmark))
    same = all(network[key] == usual[key] for key in ("units", "encoder"))
    return INVERSE.format(dataset=dataset, network="" if same else "".join(benchmark.partition("-")[1:]))


def _check_inverse(network: dict[str, Any], name: str) -> None:
    kind = network["encoder"]["kind"]
    if KINDS[kind].matrix is None:
        there = ", ".join(other for other, each in KINDS.items() if each.matrix)
        raise InputError(
            f"config: tgsh.encoders.{name}: images are generated by the pseudo-inverse of an encoder's matrix, and a "
            f"{kind} has none; expected a kind that has one: {there}"
        )


def network_params(config: dict, dataset: str, network: str) -> dict[str, Any]:
    """Return the settings that the frozen networks of a dataset depend on; `network` is as in `INVERSE`."""
    found = network_config(config, dataset, network)
    _check_inverse(found, network_name(network))
    settings = {"units": found["units"], "repeats": flynet_config(config, dataset)["repeats"], "seed": config["seed"]}
    return settings | ({} if found["encoder"] == FLY else {"encoder": found["encoder"]})


def benchmarks_of(config: dict, dataset: str) -> list[str]:
    """Return the benchmarks that are built for a dataset: those that its block lists, or all.

    Each is built with each of the block's encoders, and one that names its network with that alone. A benchmark whose
    tasks name datasets is built where it is listed.
    """
    block, there = flynet_config(config, dataset), config["tgsh"]["benchmarks"]
    found = []
    for name in block["benchmarks"] or [name for name, each in there.items() if not _names_datasets(each)]:
        found += [name] if "-" in name else [name if e == DEFAULT else f"{name}-{e}" for e in block["encoders"]]
    return list(dict.fromkeys(found))


def _names_datasets(benchmark: dict) -> bool:
    tasks = benchmark["tasks"]
    return isinstance(tasks, list) and any(isinstance(task, dict) and "dataset" in task for task in tasks)


def asked(config: dict) -> list[tuple[str, dict[str, str]]]:
    """List the figures that the config asks for, in the report's order, each with its wildcards."""
    found = []
    for dataset in config["tgsh"]["datasets"]:
        for benchmark in benchmarks_of(config, dataset):
            network = network_config(config, dataset, benchmark)
            names = ["tasks", "accuracy"]
            alike = is_published(network) and has_notebook_tasks(config, dataset, benchmark)
            names += ["notebook"] if alike else []
            shared = share_images(config, dataset, benchmark)
            pairs = ["hash_property", "manifolds", "transfer"] if shared else []
            names += ["task_similarity", *pairs, "codes"]
            names += ["generated"] if KINDS[network["encoder"]["kind"]].matrix else []
            if benchmark in config["tgsh"]["baselines"].get(dataset, {"benchmarks": []})["benchmarks"]:
                names.append("baselines")
            if benchmark in config["tgsh"]["held_out"].get(dataset, {"benchmarks": []})["benchmarks"]:
                names.append("held_out")
            found += [(name, {"dataset": dataset, "benchmark": benchmark}) for name in names]
        found.append(("orthogonality", {"dataset": dataset}))
    return found


def data_text(config: dict, name: str, dataset: str, benchmark: str = "") -> str:
    """Say where the data of a figure come from, for the report."""
    return dataset_text(config, dataset)


def notebook_params(config: dict, dataset: str, benchmark: str) -> dict[str, int]:
    """Return the settings that decide whether our networks are comparable to the published notebook's.

    Raises:
        InputError: the network is another than the notebook's, of any width.
    """
    network = network_config(config, dataset, benchmark)
    if not is_published(network):
        raise InputError(
            f"config: tgsh.encoders.{network_name(benchmark)}: the notebook has FlyNet, which sums {FLY['inputs']} "
            "pixels a unit, a frozen decoder and both parts of the modulation; only this is compared with it"
        )
    return {"units": network["units"], "epochs": flynet_config(config, dataset)["epochs"]}


# How long a step takes beside FlyNet's: measured on one core, in batches of 128 images of 784 numbers, 7,840 units.
_SLOWER = {"fly": 1.0, "fly_wta": 5.0, "dense": 4.0, "signed": 1.0, "convolution": 20.0}


def slower(network: dict[str, Any], inputs: int) -> float:
    """Return how much longer a network's steps take than the published one's on images of its size, as a factor.

    Args:
        inputs: numbers of an image.
    """
    encoder = network["encoder"]
    by_size = 1.0 if encoder["kind"] in ("fly", "fly_wta") else max(1.0, inputs / 784)
    by_inputs = max(1.0, encoder.get("inputs", 7) / 7)
    if encoder["kind"] == "signed":
        by_inputs = max(1.0, density(encoder, inputs) * inputs / 28)
    return _SLOWER[encoder["kind"]] * by_size * by_inputs * (1.5 if network["decoder"] == "learned" else 1.0)


def network_mb(config: dict, dataset: str, benchmark: str, size: Size) -> float:
    """Return the memory for all frozen networks of a benchmark and what its tasks learn, in MB."""
    network, repeats = network_config(config, dataset, benchmark), flynet_config(config, dataset)["repeats"]
    encoder, units = network["encoder"], network["units"]
    # An array as drawn, in the file and on the device; signs have two numbers for each that is not 0 there.
    signs = 2 + 20 * density(encoder, size.inputs) if encoder["kind"] == "signed" else 0
    bytes_a_unit = {
        "dense": 12 * size.inputs, "signed": signs * size.inputs, "convolution": 100,
    }.get(encoder["kind"], 20 * encoder.get("inputs", 0))  # fmt: skip
    decoders = len(tasks(config, dataset, benchmark)) if network["decoder"] == "learned" else 1
    return repeats * units * (bytes_a_unit + 16 * size.classes * decoders) / 1e6


def training_mb(config: dict, dataset: str, benchmark: str, size: Size, attempt: int) -> int:
    """Return the memory of a training: images as bytes and, of all test images, as float32; and the networks."""
    return int((2500 + 10 * size.mb + network_mb(config, dataset, benchmark, size)) * attempt)


def training_minutes(config: dict, dataset: str, benchmark: str, size: Size, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit: 20 ms a step at the published width, on a GPU, for all tasks, a fifth."""
    block, network = flynet_config(config, dataset), network_config(config, dataset, benchmark)
    steps = len(tasks(config, dataset, benchmark)) * block["epochs"] * size.train / block["batch_size"]
    seconds = (0.004 if gpu else 0.02) * slower(network, size.inputs)
    return minutes(block["repeats"] * steps * network["units"] / 7840 * seconds / 60, attempt)


def baseline_mb(config: dict, dataset: str, benchmark: str, size: Size, attempt: int) -> int:
    """Return the memory of the baselines: FlyNet's and, of a full network, Adam's moments, Fisher and temporaries."""
    block = config["tgsh"]["baselines"][dataset]
    parameters = network_config(config, dataset, benchmark)["units"] * (size.inputs + size.classes)
    pictures = 3 * block["replay_images"] * size.inputs
    more = int(4 * (12 * parameters + pictures) / 1e6 * attempt)
    return training_mb(config, dataset, benchmark, size, attempt) + more


def baseline_minutes(config: dict, dataset: str, benchmark: str, size: Size, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit of all baselines: 300 ms a step of a full network at the published width.

    On a GPU it is a tenth. A probe takes as long as FlyNet, whose response it learns on.
    """
    params, network = baseline_params(config, dataset, benchmark), network_config(config, dataset, benchmark)
    steps = len(params["tasks"]) * params["schedule"]["epochs"] * size.train / params["schedule"]["batch_size"]
    full = (0.03 if gpu else 0.3) * max(1.0, size.inputs / 784)
    seconds = sum(
        METHODS[name].work * (0.03 * slower(network, size.inputs) if METHODS[name].frozen else full)
        for name in params["methods"]
    )
    return minutes(params["repeats"] * steps * params["units"] / 7840 * seconds / 60, attempt)


def measuring_minutes(config: dict, dataset: str, benchmark: str, size: Size, attempt: int) -> int:
    """Return a generous run time limit: half a minute a network, task and 10,000 test images at the published width."""
    block, network = flynet_config(config, dataset), network_config(config, dataset, benchmark)
    work = block["repeats"] * len(tasks(config, dataset, benchmark)) * network["units"] / 7840
    return minutes(0.5 * work * size.test / 10_000 * slower(network, size.inputs), attempt)


def measuring_mb(config: dict, dataset: str, benchmark: str, size: Size, attempt: int) -> int:
    """Return the memory for the codes of all tasks' images, responses to a block and the gallery, and their pairs."""
    units, count = network_config(config, dataset, benchmark)["units"], len(tasks(config, dataset, benchmark))
    measured = config["tgsh"]["measurements"]
    codes = count * (size.test + measured["references"]) * units / 8
    block, gallery = count * 16, count * size.classes * measured["gallery"]
    numbers = (block + gallery) * units + 6 * (block + gallery) ** 2
    networks = network_mb(config, dataset, benchmark, size)
    return int((2000 + 10 * size.mb + networks + 4 * (codes + 4 * numbers) / 1e6) * attempt)


def transfer_mb(config: dict, dataset: str, benchmark: str, size: Size, attempt: int) -> int:
    """Return the memory to try all modulations on a task: their decoders, and the logits of a block of images."""
    units, count = network_config(config, dataset, benchmark)["units"], len(tasks(config, dataset, benchmark))
    classifiers = 2 * count * size.classes  # of two states
    numbers = 3 * classifiers * (units + 500)
    return int((2000 + 10 * size.mb + network_mb(config, dataset, benchmark, size) + 4 * numbers / 1e6) * attempt)


def held_out_minutes(config: dict, dataset: str, benchmark: str, size: Size, gpu: bool, attempt: int) -> int:
    """Return a generous run time limit: each new task is trained three times, and measured some 40 times on the way."""
    share = 3 * len(held_out_params(config, dataset, benchmark)["tasks"]) / len(tasks(config, dataset, benchmark))
    training = training_minutes(config, dataset, benchmark, size, gpu, attempt)
    return int((1 + share) * training + measuring_minutes(config, dataset, benchmark, size, attempt))


def orthogonality_mb(config: dict, dataset: str, size: Size, attempt: int) -> int:
    """Return the memory to compare modulations of the widest network: responses to some images, in several copies."""
    widest = max(config["tgsh"]["measurements"]["widths"])
    return int((1500 + 10 * size.mb + 10 * 8 * 64 * widest / 1e6) * attempt)


def orthogonality_minutes(config: dict, dataset: str, attempt: int) -> int:
    """Return a generous run time limit: half a minute a network of the published width, most of it to draw it."""
    units = sum(config["tgsh"]["measurements"]["widths"])
    return minutes(0.5 * flynet_config(config, dataset)["repeats"] * units / 7840, attempt)


def generation_mb(config: dict, dataset: str, benchmark: str, size: Size, attempt: int) -> int:
    """Return the memory to generate images: the pseudo-inverse of an encoder, and each task's test images."""
    units, count = network_config(config, dataset, benchmark)["units"], len(tasks(config, dataset, benchmark))
    generated = 2 * count * size.classes * units * 8
    networks = network_mb(config, dataset, benchmark, size)
    return int((1500 + 10 * size.mb + networks + (3 * size.inputs * units * 8 + generated) / 1e6) * attempt)


def inverse_mb(config: dict, dataset: str, network: str, size: Size, attempt: int) -> int:
    """Return the memory to invert an encoder: some copies of it in float64."""
    units = network_config(config, dataset, network)["units"]
    return int((1500 + 8 * size.inputs * units * 8 / 1e6) * attempt)


def inverse_minutes(config: dict, dataset: str, network: str, size: Size, attempt: int) -> int:
    """Return a generous run time limit to invert encoders: two minutes each at the published width."""
    repeats, units = flynet_config(config, dataset)["repeats"], network_config(config, dataset, network)["units"]
    return minutes(2 * repeats * units / 7840 * (size.inputs / 784) ** 2, attempt)
