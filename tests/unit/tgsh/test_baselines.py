"""The baselines against plain torch, what they keep against slow definitions, and their saved state."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import chi2, ks_2samp

from rehash.datasets.layout import Split
from rehash.errors import InputError
from rehash.job import Saving, discard_state
from rehash.seeds import stream
from rehash.store import read_csv
from rehash.tgsh.baselines import (
    AdamSchedule,
    BaselineTraining,
    StreamTraining,
    draw_network,
    fisher,
    train_baselines,
)
from rehash.tgsh.flynet import DeviceSplit, FlyNet, views
from rehash.tgsh.forgetting import COLUMNS
from rehash.tgsh.initialisation import draw_flynet
from rehash.tgsh.methods import BASELINES, METHODS
from rehash.training import Compute, StateFile, run
from toys import BARS

CPU = torch.device("cpu")
TASKS = [{"angle": 0.0}, {"angle": 90.0}, {"dx": 5.0, "contrast": 0.5}]
NUMBERS = [0, 3, 7]
SCHEDULE = AdamSchedule(epochs=2, batch_size=16, learning_rate=0.003)
STEPS = 2 * 3 * 2 * 5  # repeats, tasks, epochs, batches (the last has 6 images)
TRAIN, TEST = BARS["train"], BARS["test"]


OWN = {"online_ewc": {"ewc_lambda": 30.0, "ewc_gamma": 0.7}, "experience_replay": {"replay_images": 25}}


def training(method: str, chosen=range(3), dtype=torch.float32, fill=0.2, repeats=2, **own) -> StreamTraining:
    drawn = [draw_flynet(16, 3, seed=5, repeat=repeat) for repeat in range(repeats)]
    return StreamTraining(
        DeviceSplit(TRAIN, CPU),
        DeviceSplit(TEST, CPU),
        views([TASKS[t] for t in chosen], "nearest", fill, CPU, dtype),
        [NUMBERS[t] for t in chosen],
        SCHEDULE,
        method=METHODS[method],
        units=16,
        classes=3,
        repeats=repeats,
        seed=5,
        names=("toy", "b", "m"),
        frozen=[FlyNet.of(*arrays, CPU, dtype) for arrays in drawn] if METHODS[method].frozen else (),
        **(own or OWN.get(method, {})),
    )


def finish(job: StreamTraining) -> StreamTraining:
    while not job.done:
        job.step()
    return job


def shown(split: Split, task: int) -> torch.Tensor:
    """Images as `TASKS` shows them, by numpy alone."""
    images = split.images / 255
    moved = np.pad(images, ((0, 0), (0, 0), (5, 0)), constant_values=0.2)[:, :, :28]
    views = [images, np.rot90(images, axes=(1, 2)), (moved - 0.5) * 0.5 + 0.5]
    return torch.from_numpy((views[task].reshape(-1, 784) - 0.1307) / 0.3081)


def plain_model(repeat: int, task: int) -> torch.nn.Sequential:
    """The network of torch.nn as drawn for a task."""
    model = torch.nn.Sequential(torch.nn.Linear(784, 16), torch.nn.ReLU(), torch.nn.Linear(16, 3)).double()
    drawn = draw_network(16, 3, seed=5, names=("toy", "b", "m", repeat, NUMBERS[task]), device=CPU, dtype=torch.float64)
    with torch.no_grad():
        for parameter, ours in zip(model.parameters(), drawn.values()):
            parameter.copy_(ours)
    return model


class FrozenResponse(torch.nn.Module):
    """FlyNet's response by a dense matrix."""

    def __init__(self, pixels: np.ndarray) -> None:
        super().__init__()
        self.matrix = torch.zeros(784, 16, dtype=torch.float64)
        for unit, own in enumerate(pixels):
            self.matrix[own.astype(int), unit] = 1

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        sums = inputs @ self.matrix
        return (sums - sums.mean(1, keepdim=True)).relu()


def plain_probe(repeat: int) -> torch.nn.Sequential:
    encoder, decoder = draw_flynet(16, 3, seed=5, repeat=repeat)
    head = torch.nn.Linear(16, 3, bias=False).double()
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(decoder))
    return torch.nn.Sequential(FrozenResponse(encoder), head)


def plain_accuracy(model: torch.nn.Module, task: int) -> float:
    return float((model(shown(TEST, task)).argmax(1).numpy() == TEST.labels).mean())


def plain_fisher(model: torch.nn.Module, inputs: torch.Tensor) -> list[torch.Tensor]:
    """Mean over images of the squared gradients of log p(k), weighted by p(k): one backward pass an image and class."""
    parameters = list(model.parameters())
    found = [torch.zeros_like(parameter) for parameter in parameters]
    for image in inputs:
        log_shares = model(image[None]).log_softmax(1)[0]
        for log_share in log_shares:
            for total, slope in zip(found, torch.autograd.grad(log_share, parameters, retain_graph=True)):
                total += log_share.detach().exp() * slope**2 / len(inputs)
    return found


def plain_memory(repeat: int, task: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The images of earlier tasks with the smallest keys, by task and place."""
    keyed = []
    for past in range(task):
        keys = stream(5, "tgsh", "toy", "b", "m", repeat, NUMBERS[past], "memory").random(70)
        keyed += [(key, past, row) for row, key in enumerate(keys)]
    kept = sorted((past, row) for _, past, row in sorted(keyed)[:size])
    return torch.stack([shown(TRAIN, past)[row] for past, row in kept]), TRAIN.labels[[row for _, row in kept]]


@pytest.mark.parametrize("method", BASELINES)
def test_equals_plain_torch(method):
    """Every method beside a loop over torch's modules, whose loss has EWC's penalty and whose batches have replays."""
    job = finish(training(method, dtype=torch.float64))
    labels, told = torch.from_numpy(TRAIN.labels), METHODS[method].told
    expected, start = np.full((2, 3, 3), np.nan), np.full((2, 3), np.nan)
    for repeat in range(2):
        importance, anchor = [], []
        for task in range(3):
            if told or task == 0:
                model = plain_probe(repeat) if method == "linear_probe" else plain_model(repeat, task)
                tasks = [task] if told else range(3)
                start[repeat, tasks] = [plain_accuracy(model, each) for each in tasks]
            optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
            inputs = shown(TRAIN, task)
            for epoch in range(2):
                names = (5, "tgsh", "toy", "b", "m", repeat, NUMBERS[task])
                order = stream(*names, "order", epoch).permutation(70)
                again = None
                if method == "experience_replay" and task:
                    pixels, truth = plain_memory(repeat, task, 25)
                    again = stream(*names, "replay", epoch).integers(25, size=70)
                for rows in np.split(np.arange(70), [16, 32, 48, 64]):
                    shown_now, truth_now = inputs[order[rows]], labels[order[rows]]
                    if again is not None:
                        shown_now = torch.cat([shown_now, pixels[again[rows]]])
                        truth_now = torch.cat([truth_now, torch.from_numpy(truth[again[rows]])])
                    optimiser.zero_grad()
                    loss = F.cross_entropy(model(shown_now), truth_now)
                    for weight, place, parameter in zip(importance, anchor, model.parameters()):
                        loss = loss + 30.0 / 2 * (0.7 * weight * (parameter - place) ** 2).sum()
                    loss.backward()
                    optimiser.step()
            if method == "online_ewc":
                found = plain_fisher(model, inputs)
                importance = [0.7 * old + new for old, new in zip(importance or [0] * 4, found)]
                anchor = [parameter.detach().clone() for parameter in model.parameters()]
            if told:
                expected[repeat, :task, task] = start[repeat, task]
                expected[repeat, task:, task] = plain_accuracy(model, task)
            else:
                expected[repeat, task] = [plain_accuracy(model, other) for other in range(3)]
    for parameter, (name, ours) in zip(model.parameters(), job.network.items()):
        torch.testing.assert_close(ours, parameter, rtol=1e-7, atol=1e-9, msg=name)
    assert np.array_equal(job.accuracy.numpy(), expected) and np.array_equal(job.start.numpy(), start)
    assert len(np.unique(expected)) > 3, "the case must tell networks apart"


def test_fisher_information_is_that_of_a_backward_pass_an_image_and_class():
    model, view = plain_model(0, 0), views(TASKS[:1], "nearest", 0.2, CPU, torch.float64)[0]
    network = draw_network(16, 3, seed=5, names=("toy", "b", "m", 0, 0), device=CPU, dtype=torch.float64)
    found = fisher(network, DeviceSplit(TRAIN, CPU).images, view)
    for (name, ours), expected in zip(found.items(), plain_fisher(model, shown(TRAIN, 0))):
        torch.testing.assert_close(ours, expected, rtol=1e-9, atol=1e-15, msg=name)
    assert all(part.max() > 0 for part in found.values())


def test_a_penalty_of_no_strength_is_training_in_sequence():
    plain, weak = finish(training("full_in_sequence")), finish(training("online_ewc", ewc_lambda=0.0))
    assert torch.equal(plain.accuracy, weak.accuracy) and torch.equal(plain.start, weak.start)


def test_every_image_is_as_likely_to_be_remembered_and_none_comes_back():
    """As in a reservoir: each of the 140 images of two tasks has 25 of 140 chances, over 400 memories."""
    job = training("experience_replay", repeats=400)

    def pixels(shown: torch.Tensor) -> list[bytes]:
        return [image.tobytes() for image in (255 * (shown * 0.3081 + 0.1307)).round().to(torch.uint8).numpy()]

    place = {image: 70 * task + row for task in range(2) for row, image in enumerate(pixels(shown(TRAIN, task)))}
    assert len(place) == 140
    counts = np.zeros(140)
    for repeat in range(400):
        first, both = ({place[image] for image in pixels(job._remembered(repeat, task)[0])} for task in (1, 2))
        assert len(first) == len(both) == 25 and {kept for kept in both if kept < 70} <= first
        counts[list(both)] += 1
    # Without replacement a count varies less than a Poisson's by the share that is left out.
    statistic = ((counts - counts.mean()) ** 2).sum() / counts.mean() / (1 - 25 / 140)
    assert 0.001 < chi2.cdf(statistic, 139) < 0.999


@pytest.mark.parametrize("method", BASELINES)
def test_costs_count_what_is_there(method):
    job = training(method)
    costs, size = job.costs(), sum(part.numel() for part in job.network.values())
    kept = {"online_ewc": size, "full_in_sequence": size / 3, "experience_replay": size / 3}.get(method, size)
    assert costs["learned"] == size and costs["kept"] == pytest.approx(kept) and costs["seconds"] == 0
    memory = 0
    if method == "experience_replay":
        memory = sum(part.nbytes for part in job._remembered(0, 2))
    assert costs["memory_bytes"] == memory


def test_networks_are_drawn_as_torch_draws_them():
    torch.manual_seed(0)
    ours = draw_network(300, 90, seed=1, names=("x",), device=CPU)
    theirs = torch.nn.ModuleDict({"hidden": torch.nn.Linear(784, 300), "head": torch.nn.Linear(300, 90)})
    for name, parameter in theirs.named_parameters():
        assert ours[name].shape == parameter.shape and ours[name].dtype == torch.float32
        samples = (tensor.detach().flatten().numpy() for tensor in (ours[name], parameter))
        assert ks_2samp(*samples).pvalue > 0.01, name
    assert not torch.equal(ours["head.bias"], draw_network(300, 90, seed=1, names=("y",), device=CPU)["head.bias"])


class Killed(Exception):
    pass


def result(folder, method: str, kill_at=(), every: int = 1) -> dict[str, bytes]:
    """Train, dying right before each of the given numbers of steps; what is left in the end."""
    for limit in [*kill_at, None]:
        job = training(method)
        step = job.step

        def mortal(job=job, step=step, limit=limit):
            if job.finished_steps == limit:
                raise Killed
            step()

        job.step = mortal
        try:
            with StateFile(folder / "out", {"a": 1}) as state:
                save, calls = state.save, count()
                # Only every `every`-th state reaches the disk, so that a restart has steps to repeat.
                state.save = lambda *s, save=save, calls=calls: next(calls) % every or save(*s)
                run(job, state, save_every_s=0, log_every_s=0)
        except Killed:
            pass
    discard_state(folder / "out")
    tensors = {**job.network, "accuracy": job.accuracy, "start": job.start}
    return {name: tensor.detach().numpy().tobytes() for name, tensor in tensors.items()}


@pytest.mark.parametrize(
    ("method", "every"),
    [
        *((name, 5) for name in ("full_per_task", "full_in_sequence")),
        *((name, 1) for name in BASELINES[2:]),
        (BASELINES[0], 5),
    ],
)
def test_killed_and_resumed_ends_with_the_same_bytes(tmp_path, method, every):
    kills = [1, 5, 10, 16, 30, 36, 50, STEPS - 1]  # within an epoch, and at the ends of an epoch, a task and a repeat
    assert result(tmp_path, method) == result(tmp_path, method, kills, every)


def test_one_task_is_the_same_in_sequence_and_alone():
    alone, sequence = (finish(training(method, chosen=[1])) for method in ("full_per_task", "full_in_sequence"))
    assert torch.equal(alone.accuracy, sequence.accuracy)
    for name, parameter in alone.network.items():
        assert torch.equal(parameter, sequence.network[name])


def test_a_task_alone_does_not_depend_on_which_others_are_chosen():
    three, one = finish(training("full_per_task")), finish(training("full_per_task", chosen=[2]))
    assert torch.equal(three.accuracy[:, 2, 2], one.accuracy[:, 0, 0])
    for name, parameter in one.network.items():
        assert torch.equal(parameter, three.network[name])


TRAINING = BaselineTraining(
    keys={"dataset": "toy", "benchmark": "b"},
    tasks=TASKS,
    task_numbers=NUMBERS,
    interpolation="nearest",
    fill=0.2,
    units=16,
    repeats=2,
    schedule=vars(SCHEDULE),
    seed=5,
    replay_images=25,
)


def train(dataset: Path, output: Path, training: BaselineTraining = TRAINING, every_s: float = 1e9) -> dict:
    return train_baselines(dataset, output, training, Compute("cpu"), Saving(every_s=every_s))


def test_table_of_a_job_that_was_killed(tmp_path, dataset, monkeypatch):
    """The first method's result is kept when the second is killed, and the table is the same."""
    once, output = tmp_path / "once.csv", tmp_path / "run" / "full.csv"
    notes = train(dataset, once)
    assert notes["device"] == "cpu" and list(notes["costs"]) == ["flynet", *BASELINES]
    assert notes["costs"]["flynet"] == {"learned": 17, "kept": 17, "memory_bytes": 0}
    assert all(notes["costs"][name]["seconds"] > 0 for name in BASELINES)
    taken, step = count(1), StreamTraining.step

    def mortal(job):
        if next(taken) == STEPS + 10:
            raise Killed
        step(job)

    monkeypatch.setattr(StreamTraining, "step", mortal)
    with pytest.raises(Killed):
        train(dataset, output, every_s=0)
    assert not output.exists()
    train(dataset, output)
    assert next(taken) == len(BASELINES) * STEPS + 2, "no step but the killed one was taken again"
    assert output.read_bytes() == once.read_bytes()
    table = read_csv(output, COLUMNS)
    assert list(table) == COLUMNS and len(table) == len(BASELINES) * 2 * 3 * 3
    assert set(table.method) == set(BASELINES) and sorted(set(table.trained)) == NUMBERS
    told = table.setting == "task-incremental"
    assert set(table[told].method) == {"linear_probe", "full_per_task"}
    assert set(table[~told].setting) == {"domain-incremental"}
    assert table.accuracy.isin(np.arange(41) / 40).all() and table.accuracy_start.isin(np.arange(41) / 40).all()
    discard_state(output)
    assert [path.name for path in output.parent.iterdir()] == ["full.csv"]


def test_a_method_does_not_depend_on_which_others_are_trained_nor_on_their_settings(tmp_path, dataset):
    """Methods in sequence start alike and see the same batches, so that their difference is what they keep."""
    train(dataset, tmp_path / "all.csv")
    other = replace(TRAINING, methods=("linear_probe", "full_in_sequence"), ewc_lambda=3.0, replay_images=4)
    train(dataset, tmp_path / "two.csv", other)
    every, two = read_csv(tmp_path / "all.csv"), read_csv(tmp_path / "two.csv")
    assert every[every.method.isin(other.methods)].reset_index(drop=True).equals(two)
    first = every[every.trained == NUMBERS[0]].pivot(index=["repeat", "task"], columns="method", values="accuracy")
    assert first.full_in_sequence.equals(first.online_ewc.rename("full_in_sequence"))
    assert first.full_in_sequence.equals(first.experience_replay.rename("full_in_sequence"))


@pytest.mark.parametrize("numbers", [[0, 3], [3, 0, 7], [0, 0, 7]])
def test_task_numbers_that_do_not_fit(tmp_path, dataset, numbers):
    with pytest.raises(
        InputError, match=r"full\.csv: the numbers of 3 tasks are .*expected one for each, in ascending"
    ):
        train(dataset, tmp_path / "full.csv", replace(TRAINING, task_numbers=numbers))
