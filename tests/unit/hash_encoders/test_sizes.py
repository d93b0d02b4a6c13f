"""Memory and time that jobs ask for, against jobs that were measured."""

import copy
from dataclasses import replace

import pytest

from graphs import DEFAULT, merged
from rehash.config import validated
from rehash.graph import Size
from rehash.hash_encoders import sizes

DATA = {
    "two": Size(4000, 1000, 28 * 28, 1, 2),
    "many": Size(6000, 2000, 28 * 28, 1, 200),
    "small": Size(6000, 2000, 16 * 16, 1, 500),
    "colour": Size(2000, 500, 64 * 64 * 3, 1, 10),
    "large": Size(300, 100, 224 * 224 * 3, 1, 5),
    "vectors": Size(2000, 500, 10_000, 4, 10),
    "grey": Size(6000, 2000, 28 * 28, 1, 10),
    "mnist": Size(60_000, 10_000, 28 * 28, 1, 10),
}
# Trainings of our convolutional networks, by the protocol `convolutional` and on 80% of the train split: architecture,
# size of the data, epochs and batch; then as below.
TRAINED = [
    ("vgg16", Size(1000, 200, 32 * 32 * 3), 2, 64, 35.3, 1441),
    ("vgg19", Size(1000, 200, 32 * 32 * 3), 1, 64, 24.8, 1627),
    ("resnet18", Size(600, 120, 32 * 32 * 3), 1, 64, 14.7, 1390),
    ("resnet20", Size(2000, 400, 32 * 32 * 3), 2, 64, 9.9, 785),
    ("resnet20", Size(1000, 200, 32 * 32 * 3), 1, 256, 3.7, 1174),
    ("resnet20", Size(600, 120, 64 * 64 * 3), 1, 32, 6.0, 927),
    ("resnet56", Size(1000, 200, 32 * 32 * 3), 1, 64, 7.0, 972),
    ("resnet8", Size(4000, 800, 28 * 28), 4, 64, 13.3, 699),
    ("resnet8", Size(60_000, 12_000, 32 * 32 * 3), 1, 64, 45.5, 926),
    ("vgg4", Size(4000, 800, 28 * 28), 8, 64, 9.5, 651),
]
# Job, data, width, depth, repeats and epochs; then CPU seconds and MB at most (ru_maxrss) of the job in a process of its
# own on one thread of an x86 core. Networks of the protocol `scripts`, kept untrained and trained, 80% of the train
# split; of 100 lines each, in three directions, where there were inputs for them.
MEASURED = [
    ("training", "two", 40, 1, 3, 30, 2.3, 623),
    ("measuring", "two", 40, 1, 3, 30, 1.8, 694),
    ("random_inputs", "two", 40, 1, 3, 30, 1.4, 626),
    ("regions", "two", 40, 1, 3, 30, 2.1, 610),
    ("training", "many", 40, 1, 3, 30, 3.2, 632),
    ("measuring", "many", 40, 1, 3, 30, 8.6, 782),
    ("random_inputs", "many", 40, 1, 3, 30, 1.5, 653),
    ("regions", "many", 40, 1, 3, 30, 1.8, 612),
    ("training", "colour", 40, 1, 3, 30, 7.4, 764),
    ("measuring", "colour", 40, 1, 3, 30, 2.3, 884),
    ("random_inputs", "colour", 40, 1, 3, 30, 1.7, 791),
    ("regions", "colour", 40, 1, 3, 30, 3.8, 734),
    ("training", "large", 40, 1, 3, 30, 23.6, 1864),
    ("measuring", "large", 40, 1, 3, 30, 2.7, 1201),
    ("random_inputs", "large", 40, 1, 3, 30, 2.8, 1136),
    ("regions", "large", 40, 1, 3, 30, 34.2, 1918),
    ("training", "vectors", 40, 1, 3, 30, 5.4, 815),
    ("measuring", "vectors", 40, 1, 3, 30, 1.9, 776),
    ("random_inputs", "vectors", 40, 1, 3, 30, 1.5, 808),
    ("regions", "vectors", 40, 1, 3, 30, 3.2, 787),
    ("training", "grey", 1000, 1, 2, 10, 5.8, 684),
    ("measuring", "grey", 1000, 1, 2, 10, 19.3, 1209),
    ("random_inputs", "grey", 1000, 1, 2, 10, 1.9, 703),
    ("regions", "grey", 1000, 1, 2, 10, 38.1, 914),
    ("training", "small", 40, 1, 2, 10, 1.8, 615),
    ("measuring", "small", 40, 1, 2, 10, 10.1, 823),
    ("random_inputs", "small", 40, 1, 2, 10, 1.5, 633),
    ("training", "colour", 200, 5, 2, 10, 7.5, 905),
    ("measuring", "colour", 200, 5, 2, 10, 15.8, 1299),
    ("random_inputs", "colour", 200, 5, 2, 10, 2.3, 828),
    ("regions", "colour", 200, 5, 2, 10, 68.6, 1400),
    ("training", "mnist", 40, 1, 3, 3, 3.6, 840),
    ("measuring", "mnist", 40, 1, 3, 3, 13.2, 1079),
    ("random_inputs", "mnist", 40, 1, 3, 3, 2.4, 814),
]
OWN_S, OWN_MB = 1.4, 600  # of the smallest job: Python and its libraries
BASE_S, BASE_MB = 600, 1500  # of every limit


def config_of(data: str, width: int, depth: int, repeats: int, epochs: int) -> dict:
    config = copy.deepcopy(merged(DEFAULT))
    config["datasets"] |= {data: {"reader": "npz", "path": "somewhere"}}
    wing, block = config["hash_encoders"], {"layer_widths": [width], "depth": depth, "repeats": repeats}
    wing["capacity"][data] = block
    wing["training_time"][data] = {**block, "epochs": [0, epochs]}
    wing["regions"][data] = {"studies": ["capacity", "training_time"], "layer_widths": [width], "lines": 100}
    return validated(config)


def asked(job: str, data: str, width: int, depth: int, repeats: int, epochs: int, size: Size) -> tuple[int, int]:
    """Minutes and MB."""
    where = {"config": config_of(data, width, depth, repeats, epochs), "dataset": data, "size": size, "attempt": 1}
    where |= {"depth": str(depth), "layer_width": str(width)}
    if job == "training":
        where |= {"study": "training_time", "protocol": "scripts"}
        where |= {"repeats": str(repeats)}
        return sizes.training_minutes(**where, gpu=False), sizes.training_mb(**where)
    if job == "measuring":
        where |= {"study": "training_time"}
        return sizes.measuring_minutes(**where), sizes.properties_mb(**where)
    ask = {"random_inputs": (sizes.random_inputs_minutes, sizes.random_inputs_mb)}
    if job == "regions":
        where |= {"study": "capacity"}
        return sizes.regions_minutes(**where), sizes.regions_mb(**where)
    return tuple(one(**where) for one in ask[job])


@pytest.mark.parametrize(("job", "data", "width", "depth", "repeats", "epochs", "seconds", "megabytes"), MEASURED)
def test_a_job_gets_what_it_took_and_not_much_more(job, data, width, depth, repeats, epochs, seconds, megabytes):
    limit, memory = asked(job, data, width, depth, repeats, epochs, DATA[data])
    assert 60 * limit >= 1.5 * seconds and 60 * limit - BASE_S <= 20 * seconds
    assert memory >= 1.5 * megabytes and memory - BASE_MB <= 20 * max(megabytes - OWN_MB, 30)


@pytest.mark.parametrize(
    ("job", "data", "width", "depth", "repeats", "epochs", "seconds", "megabytes"),
    [measured for measured in MEASURED if measured[0] != "regions"],
)
def test_a_hundred_times_as_many_samples_get_as_much_more(job, data, width, depth, repeats, epochs, seconds, megabytes):
    """Where what a limit has for any job no longer hides what is missing. Regions do not depend on how many there are."""
    size = replace(DATA[data], train=100 * DATA[data].train, test=100 * DATA[data].test)
    limit, memory = asked(job, data, width, depth, repeats, epochs, size)
    own = 100 * max(0, seconds - OWN_S)
    assert 60 * limit - BASE_S >= 1.5 * own - 60
    if job == "training":
        assert 60 * limit - BASE_S <= 20 * 100 * seconds
    shown = {"training": 0.8 * size.train, "measuring": 0.8 * size.train + size.test, "random_inputs": size.test}[job]
    held = (size.train + size.test) * size.inputs * size.number_bytes + shown * size.inputs * 4
    assert 1.2 * held <= 1e6 * memory <= 20e6 * (100 * megabytes)


def test_limits_of_regions_follow_the_moments_lines_and_slices_that_are_asked_for():
    def asked_for(**changes: object) -> tuple[float, float]:
        """Seconds and MB beyond those of any job."""
        config = config_of("colour", 200, 5, 2, 100)
        config["hash_encoders"]["training_time"]["colour"]["epochs"] = list(range(20))
        config["hash_encoders"]["regions"]["colour"] |= {"lines": 1000, **changes}
        where = {"config": config, "study": "training_time", "dataset": "colour", "size": DATA["colour"], "attempt": 1}
        where |= {"depth": "5", "layer_width": "200"}
        return 60 * sizes.regions_minutes(**where) - BASE_S, sizes.regions_mb(**where) - BASE_MB

    (seconds, megabytes), (few_seconds, few_megabytes) = asked_for(), asked_for(epochs=[0, 19])
    assert seconds == pytest.approx(10 * few_seconds, rel=0.06) and megabytes > 3 * few_megabytes
    assert asked_for(slice=False)[0] < seconds - 60 and asked_for(slice=False)[1] < megabytes / 3
    assert asked_for(lines=10_000, slice=False)[0] == pytest.approx(10 * asked_for(slice=False)[0], rel=0.06)


def test_classes_grow_the_limits_of_measuring_and_pairs_of_them_more():
    """Of 40 and 50 classes all pairs, (50 / 40)^2 as many; of more, a classifier each."""

    def minutes_of(classes: int) -> int:
        size = Size(60_000, 10_000, 784, 1, classes)
        return asked("measuring", "mnist", 1000, 1, 50, 10, size)[0]

    few, more, many = (minutes_of(classes) for classes in (25, 50, 200))
    assert 2 < more / few < 4.5 and 1.5 < minutes_of(400) / many < 2.1


def test_a_limit_of_a_training_follows_its_schedule_and_share():
    def seconds_of(**changes: object) -> float:
        config = config_of("mnist", 100, 1, 3, 100)
        block = config["hash_encoders"]["training_time"]["mnist"]
        block |= {key: value for key, value in changes.items() if key in block}
        config["hash_encoders"]["protocols"]["scripts"] |= {k: v for k, v in changes.items() if k == "batch_size"}
        where = {"config": config, "study": "training_time", "dataset": "mnist", "protocol": "scripts", "attempt": 1}
        where |= {"depth": "1", "layer_width": "100", "repeats": str(block["repeats"])}
        limit = sizes.training_minutes(**where, size=DATA["mnist"], gpu=False)
        return 60 * limit - BASE_S

    once = seconds_of()
    assert seconds_of(epochs=[0, 200]) == pytest.approx(2 * once, rel=0.06)
    assert seconds_of(repeats=6) == pytest.approx(2 * once, rel=0.06)
    assert seconds_of(train_share=0.4) == pytest.approx(once / 2, rel=0.06)
    assert seconds_of(batch_size=32) > once, "more steps for the same samples"


def asked_of_model(name: str, size: Size, epochs: int, batch: int, **block: object) -> tuple[int, int]:
    """Minutes and MB of the training of one network."""
    config = copy.deepcopy(merged(DEFAULT))
    wing = config["hash_encoders"]
    wing["models"]["m"] = {"source": "rehash", "name": name, "protocol": "convolutional", **block}
    wing["protocols"]["convolutional"] |= {"epochs": epochs, "batch_size": batch}
    where = {"config": validated(config), "dataset": "mnist5k", "model": "m", "size": size, "attempt": 1}
    return sizes.model_training_minutes(**where, gpu=False), sizes.model_training_mb(**where)


@pytest.mark.parametrize(("name", "size", "epochs", "batch", "seconds", "megabytes"), TRAINED)
def test_a_training_of_a_network_gets_what_it_took_and_not_much_more(name, size, epochs, batch, seconds, megabytes):
    limit, memory = asked_of_model(name, size, epochs, batch)
    assert 60 * limit >= 1.5 * seconds and 60 * limit - BASE_S <= 20 * seconds
    assert memory >= 1.5 * megabytes and memory - BASE_MB <= 20 * max(megabytes - OWN_MB, 30)
    longer, held = asked_of_model(name, replace(size, train=100 * size.train, test=100 * size.test), epochs, batch)
    assert 1.5 * 100 * (seconds - OWN_S) - 60 <= 60 * longer - BASE_S <= 20 * 100 * seconds
    assert 1e6 * (held - BASE_MB) >= 1.2 * 100 * (size.train + size.test) * size.inputs


def test_networks_that_a_plan_does_not_know_get_as_much_as_large_ones():
    """One of torchvision's, even if one of ours has its name; and images that are scaled up take as much more."""
    size = Size(10_000, 1000, 32 * 32 * 3)
    known = asked_of_model("resnet18", size, 10, 64)
    minutes, memory = asked_of_model("resnet18", size, 10, 64, source="torchvision")
    assert minutes > known[0] and memory > 1500 + 12 * 4 * 25.5
    scaled = asked_of_model("resnet18", size, 10, 64, image_size=64)
    assert scaled[0] - 10 == pytest.approx(4 * (known[0] - 10), rel=0.1) and scaled[1] - BASE_MB > 2 * (
        known[1] - BASE_MB
    )


@pytest.mark.parametrize(
    ("data", "epochs", "seconds", "megabytes"), [("grey", 10, 0.9, 4), ("colour", 10, 4.8, 61), ("large", 5, 11.1, 526)]
)
def test_changed_images_get_the_time_and_the_memory_that_they_took(data, epochs, seconds, megabytes):
    """What three networks of width 40 took more than without augmentation, measured as above; and a hundred epochs each."""
    config = config_of(data, 40, 1, 3, 100 * epochs)
    where = {"config": config, "study": "training_time", "dataset": data, "protocol": "scripts", "attempt": 1}
    where |= {"depth": "1", "layer_width": "40", "repeats": "3", "size": DATA[data]}

    def asked_for() -> tuple[int, int]:
        return 60 * sizes.training_minutes(**where, gpu=False), sizes.training_mb(**where)

    plain = asked_for()
    config["hash_encoders"]["protocols"]["scripts"]["augmentation"] = {"rotation": 15, "shift": 0.1, "flip": False}
    changed = asked_for()
    assert 1.5 * 100 * seconds <= changed[0] - plain[0] <= 20 * 100 * seconds
    assert 1.5 * megabytes <= changed[1] - plain[1] <= 20 * megabytes
