"""Every kind of frozen encoder, and what its tasks may learn, against dense torch modules, loops and autograd."""

from dataclasses import replace
from itertools import product
from math import ceil, comb, floor

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.encoders import Wanted, encoded
from rehash.errors import InputError
from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import read_csv
from rehash.tgsh.accuracy import measure_accuracy
from rehash.tgsh.baselines import BaselineTraining, train_baselines
from rehash.tgsh.codes import measure_codes
from rehash.tgsh.encoder import modulated
from rehash.tgsh.flynet import PUBLISHED, DeviceSplit, FlyNet, gradients, respond, views
from rehash.tgsh.generate import dense_encoder, generate_digits, invert_encoder
from rehash.tgsh.images import normalisation
from rehash.tgsh.initialisation import draw_flynet, draw_modulations
from rehash.tgsh.kinds import FLY, KINDS
from rehash.tgsh.model import Model
from rehash.tgsh.modulations import read_modulations
from rehash.tgsh.tasks import Transformation, as_rows, sampling_of, transformed
from rehash.tgsh.train import FlyNetTraining, Schedule, Training, train_flynet
from rehash.training import Compute, StateFile

CPU = torch.device("cpu")
UNITS, CLASSES, SHAPE = 32, 4, (3, 10, 8)
SETTINGS = {
    "fly": {"kind": "fly", "inputs": 3},
    "fly_wta": {"kind": "fly_wta", "inputs": 3, "winners": 5, "binary": False},
    "fly_wta, binary": {"kind": "fly_wta", "inputs": 3, "winners": 0.25, "binary": True},
    "dense": {"kind": "dense"},
    "signed": {"kind": "signed", "density": None},
    "convolution": {"kind": "convolution", "kernel": 3, "pool": 4, "pooling": "max"},
    "convolution, average": {"kind": "convolution", "kernel": 4, "pool": 2, "pooling": "average"},
}
PLAIN = vars(Transformation())
TASKS = [
    {**PLAIN, "angle": 90.0},
    {**PLAIN, "permutation": 2},
    {**PLAIN, "classes": [1, 3]},
    {**PLAIN, "classes": [0, 2]},
]
HEADS = [[0, 1, 2, 3], [0, 1, 2, 3], [1, 3], [0, 2]]
SCHEDULE = {"epochs": 2, "batch_size": 16, "learning_rate": 0.01}


def colours(n: int, seed: int) -> Split:
    """Images in colour, uint8 (n, 10, 8, 3): noise with a bright quarter, whose place and colour is the class."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % CLASSES)
    images = rng.integers(0, 120, (n, 10, 8, 3))
    for image, label in zip(images, labels):
        image[5 * (label // 2) :, 4 * (label % 2) :, label % 3] += 100
    return Split(images.astype(np.uint8), labels.astype(np.int64))


COLOURS = {"train": colours(52, 0), "test": colours(36, 1)}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    path = tmp_path_factory.mktemp("colours") / "d.h5"
    write_dataset(path, COLOURS, name="d", source="", licence="", class_names=list("abcd"))
    return path


def convolved(image: torch.Tensor, filters: torch.Tensor, places: int, pool) -> torch.Tensor:
    """One image's (C, H, W) pooled responses to filters, a filter, place and pixel at a time."""
    side, found = filters.shape[-1], []
    height, width = (length - side + 1 for length in image.shape[1:])
    for each in filters:
        sums = torch.stack([
            torch.stack([(image[:, y : y + side, x : x + side] * each).sum() for x in range(width)])
            for y in range(height)
        ]).clamp_min(0)  # fmt: skip
        for i, j in product(range(places), repeat=2):
            rows = slice(floor(i * height / places), ceil((i + 1) * height / places))
            columns = slice(floor(j * width / places), ceil((j + 1) * width / places))
            found.append(pool(sums[rows, columns]))
    return torch.stack(found)


def slow_response(inputs: torch.Tensor, encoder: np.ndarray, settings: dict) -> torch.Tensor:
    """Responses (B, U) to normalised pixels (B, P), float64, image by image and without the library."""
    kind, pixels = settings["kind"], inputs.shape[1]
    if kind == "convolution":
        pool = torch.max if settings["pooling"] == "max" else torch.mean
        filters = torch.from_numpy(encoder).double()
        return torch.stack([convolved(x.reshape(SHAPE), filters, settings["pool"], pool) for x in inputs])
    if kind == "dense":
        weights = torch.from_numpy(encoder).double()
    elif kind == "signed":
        weights = torch.from_numpy(encoder).double() * (pixels**-0.5 * pixels) ** -0.5
    else:
        weights = torch.stack([F.one_hot(torch.from_numpy(row).long(), pixels).sum(0) for row in encoder]).double()
    linear = torch.nn.Linear(pixels, len(encoder), bias=False, dtype=torch.float64)
    linear.weight.data = weights
    sums = linear(inputs).detach()
    if kind in ("dense", "signed"):
        return torch.relu(sums)
    responses = torch.relu(sums - sums.mean(1, keepdim=True))
    if kind == "fly":
        return responses
    count = settings["winners"] if settings["winners"] >= 1 else round(settings["winners"] * len(encoder))
    kept = torch.zeros_like(responses)
    for row, response in zip(kept, responses):
        found = torch.topk(response, count)
        row[found.indices] = found.values
    return (kept > 0).double() if settings["binary"] else kept


@pytest.mark.parametrize("name", SETTINGS)
def test_responses_are_those_of_dense_modules(name):
    settings = SETTINGS[name]
    encoder, decoder = draw_flynet(UNITS, CLASSES, seed=1, repeat=0, encoder=settings, shape=SHAPE)
    inputs = torch.randn(240, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    net = FlyNet.of(encoder, decoder, CPU, torch.float64, settings, SHAPE)
    expected = slow_response(inputs.t(), encoder, settings)
    assert expected.shape == (9, UNITS) and 0.1 < (expected > 0).double().mean() <= 1
    torch.testing.assert_close(respond(inputs, net), expected.t())
    if KINDS[settings["kind"]].matrix:  # what images are generated by
        sums = inputs.t().numpy() @ dense_encoder(encoder, settings, SHAPE).T
        np.testing.assert_allclose(KINDS[settings["kind"]].response(sums, settings), expected, atol=1e-9)


def test_of_equal_responses_the_first_units_win():
    settings = {"kind": "fly_wta", "inputs": 1, "winners": 3, "binary": False}
    net = FlyNet.of(np.arange(6)[:, None], np.zeros((2, 6), np.float32), CPU, torch.float64, settings, (1, 1, 6))
    inputs = torch.tensor([[0.0, 5.0, 1.0, 5.0, 5.0, 5.0], [1.0] * 6], dtype=torch.float64).t()
    assert respond(inputs, net).t().tolist() == [[0, 1.5, 0, 1.5, 1.5, 0], [0] * 6]


def test_draws_are_what_their_kinds_say():
    def draw(kind: str, units=4000, **more) -> np.ndarray:
        settings = {"kind": kind, **KINDS[kind].takes, **more}
        return draw_flynet(units, 2, seed=3, repeat=0, encoder=settings, shape=(1, 20, 20))[0]

    assert draw("dense").var() == pytest.approx(1 / 400, rel=0.01) and abs(draw("dense").mean()) < 1e-4
    for density, share in ((None, 1 / 20), (1 / 3, 1 / 3), (1, 1)):
        signs = draw("signed", density=density)
        assert np.mean(signs != 0) == pytest.approx(share, rel=0.01) and abs(signs.mean()) < 0.005
        matrix = dense_encoder(signs, {"kind": "signed", "density": density}, (1, 20, 20))
        assert matrix.var() == pytest.approx(1 / 400, rel=0.01)
    assert draw("convolution", 98).shape == (2, 1, 5, 5)
    assert np.array_equal(draw("fly_wta"), draw("fly")) and all(len(set(row)) == 7 for row in draw("fly"))
    assert draw("fly", inputs=2).shape == (4000, 2)
    wide = draw_flynet(5, 2, seed=3, repeat=0, encoder={"kind": "fly", "inputs": 100}, shape=(3, 120, 120))[0]
    assert wide.max() > 32767, "as many pixels as int16 has no numbers for"
    one, two = (
        draw_flynet(40, 2, seed=3, repeat=0, encoder=SETTINGS[kind], shape=SHAPE)[1] for kind in ("fly", "dense")
    )
    assert np.array_equal(one, two), "networks of one width differ in their encoders alone"


@pytest.mark.parametrize("mode", ["mean", "std"])
def test_normalisation_is_the_train_splits_by_channel(mode):
    mean, deviation = normalisation(COLOURS["train"].images)
    values = COLOURS["train"].images.reshape(-1, 3) / 255
    np.testing.assert_allclose(mean if mode == "mean" else deviation, getattr(values, mode)(0), rtol=1e-12)
    assert normalisation(np.zeros((2, 28, 28), np.uint8)) == [list(each) for each in PUBLISHED]
    assert normalisation(np.full((2, 4, 4), 51, np.uint8)) == [[0.2], [1.0]]


def described(**more) -> Training:
    keys = {"dataset": "d", "benchmark": "b-other"}
    base = {"keys": keys, "tasks": TASKS, "interpolation": "nearest", "fill": 0.3, "units": UNITS, "repeats": 2}
    return Training(**{**base, "schedule": SCHEDULE, "seed": 5, "encoder": SETTINGS["fly"], **more})


def trained(dataset, folder, **more):
    paths = folder / "modulations.safetensors", folder / "training.csv"
    notes = train_flynet(dataset, *paths, described(**more), Compute("cpu"), Saving())
    return (*paths, notes)


def plain_loop(number: int, settings: dict, decoder_mode: str, modulation: str) -> tuple[dict, float]:
    """One task of `TASKS` on network 1, image by image and with autograd: what it learned, and its accuracy."""
    encoder, decoder = draw_flynet(UNITS, CLASSES, seed=5, repeat=1, encoder=settings, shape=SHAPE)
    head = HEADS[number]
    start = draw_modulations(UNITS, len(TASKS), seed=5, names=("d", "b", 1), modulation=modulation)
    learned = {
        "context": torch.nn.Parameter(torch.tensor(start[0][number]).double()),
        "strength": torch.nn.Parameter(torch.tensor(start[1][number]).double()),
        "decoder": torch.nn.Parameter(torch.from_numpy(decoder).double()),
    }
    chosen = [name for name in ("context", "strength") if modulation in ("both", name)]
    chosen += ["decoder"] if decoder_mode == "learned" else []
    optimiser = torch.optim.RMSprop([learned[name] for name in chosen], lr=0.01)
    how, moments = sampling_of(TASKS[number], "nearest", SHAPE, 5), COLOURS["train"].images.reshape(-1, 3) / 255
    images, labels = {}, {}
    for name, split in COLOURS.items():
        mine = np.isin(split.labels, head)
        shown = (transformed(split.images[mine], how, 0.3).astype(float) - moments.mean(0)) / moments.std(0)
        images[name] = slow_response(torch.from_numpy(as_rows(shown)), encoder, settings)
        labels[name] = torch.tensor([head.index(label) for label in split.labels[mine]])

    def logits(responses: torch.Tensor) -> torch.Tensor:
        return learned["strength"] * (learned["context"] * responses) @ learned["decoder"][head].t()

    for epoch in range(2):
        order = stream(5, "tgsh", "d", "b", 1, number, "order", epoch).permutation(len(labels["train"]))
        for first in range(0, len(order), 16):
            batch = order[first : first + 16]
            optimiser.zero_grad()
            F.cross_entropy(logits(images["train"][batch]), labels["train"][batch]).backward()
            optimiser.step()
    with torch.no_grad():
        right = (logits(images["test"]).argmax(1) == labels["test"]).double().mean().item()
    return {name: value.detach() for name, value in learned.items()}, right


CASES = [
    ("fly", "frozen", "both"),
    ("fly", "learned", "both"),
    ("fly", "frozen", "strength"),
    ("fly", "learned", "context"),
    ("dense", "frozen", "context"),
    ("convolution, average", "learned", "both"),
]


@pytest.mark.parametrize(("name", "decoder", "modulation"), CASES)
def test_training_is_the_plain_loop_with_autograd(tmp_path, dataset, name, decoder, modulation):
    """Colour, tasks that turn, permute and have classes of their own; what is kept is what each task then knows."""
    settings = SETTINGS[name]
    modulations, history, _ = trained(dataset, tmp_path, encoder=settings, decoder=decoder, modulation=modulation)
    arrays, identity = read_modulations(modulations)
    assert identity["heads"] == HEADS and ("decoder_trained" in arrays) == (decoder == "learned")
    table = read_csv(history).query("repeat == 1 and epoch == 2").set_index("task")
    for number in range(len(TASKS)):
        expected, accuracy = plain_loop(number, settings, decoder, modulation)
        for part in ("context", "strength", *(["decoder"] if decoder == "learned" else [])):
            found = torch.from_numpy(arrays[f"{part}_trained"][1])[number].double()
            torch.testing.assert_close(found, expected[part], rtol=2e-4, atol=2e-5)
        assert table.accuracy[number] == accuracy
    measure_accuracy(dataset, modulations, history, tmp_path / "a.csv", Compute("cpu"))
    kept = read_csv(tmp_path / "a.csv")
    assert (kept.accuracy_at_training == kept.accuracy_after_all).all()
    assert list(kept.classes.fillna("")) == ["", "", "1, 3", "0, 2"] * 2 and list(kept.permutation) == [0, 2, 0, 0] * 2
    if modulation != "strength":
        assert kept.accuracy_after_all.mean() > kept.accuracy_untrained.mean() + 0.1


def test_gradients_of_the_decoder_are_autograds():
    torch.manual_seed(0)
    responses, labels = torch.rand(UNITS, 9, dtype=torch.float64), torch.arange(9) % CLASSES
    drawn = draw_flynet(UNITS, CLASSES, seed=1, repeat=0, encoder=FLY)
    net = FlyNet.of(*drawn, CPU, torch.float64)
    decoder = net.decoder.clone().requires_grad_()
    context, strength = torch.randn(UNITS, dtype=torch.float64), torch.tensor(-0.7, dtype=torch.float64)
    F.cross_entropy((context[:, None] * responses).t() @ decoder.t() * strength, labels).backward()
    *_, by_classifier = gradients(responses, labels, net, context, strength)
    torch.testing.assert_close(by_classifier * (context * strength), decoder.grad)


def test_a_task_with_a_decoder_of_its_own_depends_on_no_other(tmp_path, dataset):
    (tmp_path / "one").mkdir()
    many = read_modulations(trained(dataset, tmp_path, decoder="learned")[0])[0]
    two = read_modulations(trained(dataset, tmp_path / "one", decoder="learned", tasks=TASKS[:2])[0])[0]
    for part in ("context", "strength", "decoder"):
        assert np.array_equal(many[f"{part}_trained"][:, :2], two[f"{part}_trained"])
    assert np.array_equal(many["decoder_trained"][:, 2, [0, 2]], many["decoder"][:, [0, 2]]), "rows of other classes"


def toy_job(at_once: int) -> FlyNetTraining:
    splits = [[Split(s.images[: n + 9], s.labels[: n + 9]) for n in (30, 30, 20)] for s in COLOURS.values()]
    encoder, decoder = draw_flynet(UNITS, CLASSES, seed=5, repeat=0, encoder=SETTINGS["fly"], shape=SHAPE)
    context, strength = (torch.from_numpy(part)[None] for part in draw_modulations(UNITS, 3, seed=5, names=("d",)))
    return FlyNetTraining(
        *([DeviceSplit(split, CPU) for split in part] for part in splits),
        views([PLAIN] * 3, "nearest", 0.0, CPU, shape=SHAPE, normalisation=[((0.5,) * 3, (0.2,) * 3)] * 3),
        [FlyNet.of(encoder, decoder, CPU, settings=SETTINGS["fly"], shape=SHAPE)],
        context,
        strength,
        Schedule(2, 16, 0.01),
        seed=5,
        names=("d",),
        decoder=torch.from_numpy(decoder)[None, None].repeat(1, 3, 1, 1),
        tasks_at_once=at_once,
    )


def test_tasks_of_unequal_lengths_killed_and_resumed_end_with_the_same_bytes(tmp_path):
    """Only tasks with as many images take their steps together."""
    whole = toy_job(3)
    assert [tasks for _, tasks in whole.groups] == [range(2), range(2, 3)] and whole.total == 2 * 3 + 2 * 2
    while not whole.done:
        whole.step()
    for stop in range(0, whole.total, 3):
        job, again = toy_job(3), toy_job(3)
        for _ in range(stop):
            job.step()
        with StateFile(tmp_path / "m", {}) as state:
            state.save(*job.state())
            again.restore(*state.load())
        while not again.done:
            again.step()
        for part in ("context", "strength", "decoder"):
            assert torch.equal(getattr(again, part), getattr(whole, part)), stop
        assert again.history == whole.history


def test_codes_and_images_of_tasks_with_classes_of_their_own(tmp_path, dataset):
    """The same bits as from dense products; generated images are of the task's classes, by its own decoder."""
    settings = SETTINGS["signed"]
    modulations, _, _ = trained(dataset, tmp_path, encoder=settings, decoder="learned")
    measure_codes(dataset, modulations, tmp_path / "c.csv", Compute("cpu"), references=10)
    arrays, model = read_modulations(modulations)[0], Model.read(modulations, CPU)
    row = read_csv(tmp_path / "c.csv").query("repeat == 1 and state == 'trained' and task == 2").iloc[0]
    mine = COLOURS["test"].images[np.isin(COLOURS["test"].labels, [1, 3])]
    moments = COLOURS["train"].images.reshape(-1, 3) / 255
    inputs = torch.from_numpy(as_rows((mine / 255 - moments.mean(0)) / moments.std(0)))
    vector = arrays["context_trained"][1, 2] * arrays["strength_trained"][1, 2]
    on = (slow_response(inputs, arrays["encoder"][1], settings).numpy() > 0) & (vector > 0)
    assert row.active_share == pytest.approx(on.mean()) and row.redundancy_test == 1 - len({*map(bytes, on)}) / len(on)

    how = {"units": UNITS, "repeats": 2, "seed": 5, "encoder": settings, "dataset": dataset}
    invert_encoder(tmp_path / "i.h5", **how)
    generate_digits(dataset, modulations, tmp_path / "i.h5", tmp_path / "g.h5", tmp_path / "g.csv")
    table = read_csv(tmp_path / "g.csv")
    by_task = table.groupby("task")[["digit", "recognised", "nearest"]].agg(lambda column: sorted(set(column)))
    assert (
        by_task.digit.tolist() == HEADS and set(by_task.nearest[2]) <= {1, 3} and set(by_task.recognised[3]) <= {0, 2}
    )
    assert table.query("state == 'trained'").eval("recognised == digit").mean() > 0.9
    assert model.classifier("trained", 0, 2).shape == (2, UNITS)


def test_a_source_of_codes_and_baselines_take_any_network_and_image(tmp_path, dataset):
    settings = SETTINGS["convolution"]
    modulations, _, _ = trained(dataset, tmp_path, encoder=settings)
    arrays, images = read_modulations(modulations)[0], Dataset.read(dataset)
    asked = Wanted.of(images, 0, 1, CPU, dataset="d", seed=1, where="config: comparison.sources.x")
    encoder = modulated({"modulations": str(modulations)}, {"task": 1, "state": "trained"}, asked)
    found = np.concatenate(list(encoded(encoder, images.test.inputs, CPU)))
    moments, order = COLOURS["train"].images.reshape(-1, 3) / 255, sampling_of(TASKS[1], shape=SHAPE, seed=5)
    shown = (transformed(images.test.images, order, 0.3).astype(float) - moments.mean(0)) / moments.std(0)
    responses = slow_response(torch.from_numpy(as_rows(shown)), arrays["encoder"][1], settings).numpy()
    expected = responses * arrays["context_trained"][1, 1] * arrays["strength_trained"][1, 1]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)

    schedule = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01}
    plain = {key: value for key, value in vars(described()).items() if key not in ("encoder", "schedule")}
    full = BaselineTraining(**plain, schedule=schedule, task_numbers=[0, 1, 2, 3])
    full = replace(full, encoder=settings)
    notes = train_baselines(dataset, tmp_path / "full.csv", full, Compute("cpu"), Saving())
    assert notes["costs"]["linear_probe"]["learned"] == UNITS * (4 + 4 + 2 + 2) / 4, "heads of the tasks' classes"
    rows = read_csv(tmp_path / "full.csv")
    told = rows.setting == "task-incremental"
    assert set(rows[told].method) == {"linear_probe", "full_per_task"}
    assert set(rows[~told].setting) == {"class-incremental"}
    table = rows.query("trained == 3").groupby(["method", "task"]).accuracy.mean()
    assert table["full_per_task"].min() > 0.7, "told the task, with all its weights trained"
    assert table["full_in_sequence"][3] > 0.7
    probe = rows.query("trained == task and method == 'linear_probe'")
    assert probe.accuracy.mean() > probe.accuracy_start.mean() + 0.1


@pytest.mark.parametrize(
    ("settings", "units", "shape", "message"),
    [
        ({"kind": "fly", "inputs": 7}, 98, (1, 2, 3), r"7 inputs a unit; images have 6 numbers \(1 x 2 x 3\)"),
        ({"kind": "fly", "inputs": 2}, comb(6, 2) + 1, (1, 2, 3), "16 units, of 2 inputs each; .* allow 15 different choi"),
        ({**SETTINGS["fly_wta"], "winners": 40}, 32, SHAPE, "40 winners among 32 units; expected at most so many"),
        (SETTINGS["convolution"], 40, SHAPE, "40 units; .* pooled to 4 x 4 places has a multiple of 16: expected 32 or 48"),
        ({**SETTINGS["convolution"], "kernel": 6}, 32, SHAPE, "images are 3 x 10 x 8; a kernel of 6 .* need 9 or more"),
    ],
)  # fmt: skip
def test_encoders_that_do_not_fit_are_refused(settings, units, shape, message):
    with pytest.raises(InputError, match=message):
        draw_flynet(units, 2, seed=0, repeat=0, encoder=settings, shape=shape)
    if settings == SETTINGS["convolution"]:
        with pytest.raises(
            InputError, match=r"convolution is no matrix, .*; expected one of fly, fly_wta, dense, signed"
        ):
            dense_encoder(np.zeros((2, 3, 3, 3)), settings, SHAPE)
