"""The fully trained networks against plain torch, and their saved state."""

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import ks_2samp

from rehash.datasets.layout import Split
from rehash.errors import InputError
from rehash.job import Saving, discard_state
from rehash.seeds import stream
from rehash.store import read_csv
from rehash.tgsh.baselines import AdamSchedule, BaselineTraining, FullTraining, draw_network, train_baselines
from rehash.tgsh.flynet import DeviceSplit, views
from rehash.tgsh.forgetting import COLUMNS
from rehash.training import Compute, StateFile, run
from toys import BARS

CPU = torch.device("cpu")
TASKS = [{"angle": 0.0}, {"angle": 90.0}, {"dx": 5.0, "contrast": 0.5}]
NUMBERS = [0, 3, 7]
SCHEDULE = AdamSchedule(epochs=2, batch_size=16, learning_rate=0.003)
STEPS = 2 * 3 * 2 * 5  # repeats, tasks, epochs, batches (the last has 6 images)
TRAIN, TEST = BARS["train"], BARS["test"]


def training(fresh: bool, chosen=range(3), dtype=torch.float32, fill=0.2) -> FullTraining:
    return FullTraining(
        DeviceSplit(TRAIN, CPU),
        DeviceSplit(TEST, CPU),
        views([TASKS[t] for t in chosen], "nearest", fill, CPU, dtype),
        [NUMBERS[t] for t in chosen],
        SCHEDULE,
        fresh=fresh,
        units=16,
        classes=3,
        repeats=2,
        seed=5,
        names=("toy", "b", "m"),
    )


def finish(job: FullTraining) -> FullTraining:
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


def plain_accuracy(model: torch.nn.Module, task: int) -> float:
    return float((model(shown(TEST, task)).argmax(1).numpy() == TEST.labels).mean())


@pytest.mark.parametrize("fresh", [True, False], ids=["per_task", "in_sequence"])
def test_equals_plain_torch(fresh):
    job = finish(training(fresh, dtype=torch.float64))
    labels = torch.from_numpy(TRAIN.labels)
    expected = np.full((2, 3, 3), np.nan)
    for repeat in range(2):
        for task in range(3):
            if fresh or task == 0:
                model = plain_model(repeat, task)
            if fresh:
                expected[repeat, :task, task] = plain_accuracy(model, task)
            optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
            inputs = shown(TRAIN, task)
            for epoch in range(2):
                order = stream(5, "tgsh", "toy", "b", "m", repeat, NUMBERS[task], "order", epoch).permutation(70)
                for rows in np.split(order, [16, 32, 48, 64]):
                    optimiser.zero_grad()
                    F.cross_entropy(model(inputs[rows]), labels[rows]).backward()
                    optimiser.step()
            if fresh:
                expected[repeat, task:, task] = plain_accuracy(model, task)
            else:
                expected[repeat, task] = [plain_accuracy(model, other) for other in range(3)]
    for parameter, (name, ours) in zip(model.parameters(), job.network.items()):
        torch.testing.assert_close(ours, parameter, rtol=1e-7, atol=1e-9, msg=name)
    assert np.array_equal(job.accuracy.numpy(), expected)
    assert len(np.unique(expected)) > 3, "the case must tell networks apart"


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


def result(folder, fresh: bool, kill_at=(), every: int = 1) -> dict[str, bytes]:
    """Train, dying right before each of the given numbers of steps; what is left in the end."""
    for limit in [*kill_at, None]:
        job = training(fresh)
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
    tensors = {**job.network, "accuracy": job.accuracy}
    return {name: tensor.detach().numpy().tobytes() for name, tensor in tensors.items()}


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize("fresh", [True, False], ids=["per_task", "in_sequence"])
def test_killed_and_resumed_ends_with_the_same_bytes(tmp_path, fresh, every):
    kills = [1, 5, 10, 16, 30, 36, 50, STEPS - 1]  # within an epoch, and at the ends of an epoch, a task and a repeat
    assert result(tmp_path, fresh) == result(tmp_path, fresh, kills, every)


def test_one_task_is_the_same_in_sequence_and_alone():
    alone, sequence = (finish(training(fresh, chosen=[1])) for fresh in (True, False))
    assert torch.equal(alone.accuracy, sequence.accuracy)
    for name, parameter in alone.network.items():
        assert torch.equal(parameter, sequence.network[name])


def test_a_task_alone_does_not_depend_on_which_others_are_chosen():
    three, one = finish(training(True)), finish(training(True, chosen=[2]))
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
)


def train(dataset: Path, output: Path, training: BaselineTraining = TRAINING) -> dict:
    """The job, which saves its state after every step."""
    return train_baselines(dataset, output, training, Compute("cpu"), Saving(every_s=0))


def test_table_of_a_job_that_was_killed(tmp_path, dataset, monkeypatch):
    """The first method's result is kept when the second is killed, and the table is the same."""
    once, output = tmp_path / "once.csv", tmp_path / "run" / "full.csv"
    assert train(dataset, once)["device"] == "cpu"
    taken, step = count(1), FullTraining.step

    def mortal(job):
        if next(taken) == STEPS + 10:
            raise Killed
        step(job)

    monkeypatch.setattr(FullTraining, "step", mortal)
    with pytest.raises(Killed):
        train(dataset, output)
    assert not output.exists()
    train(dataset, output)
    assert next(taken) == 2 * STEPS + 2, "no step but the killed one was taken again"
    assert output.read_bytes() == once.read_bytes()
    table = read_csv(output, COLUMNS)
    assert list(table) == COLUMNS and len(table) == 2 * 2 * 3 * 3
    assert set(table.method) == {"full_per_task", "full_in_sequence"} and sorted(set(table.trained)) == NUMBERS
    assert table[table.method == "full_per_task"].accuracy.isin(np.arange(41) / 40).all()
    discard_state(output)
    assert [path.name for path in output.parent.iterdir()] == ["full.csv"]


@pytest.mark.parametrize("numbers", [[0, 3], [3, 0, 7], [0, 0, 7]])
def test_task_numbers_that_do_not_fit(tmp_path, dataset, numbers):
    with pytest.raises(
        InputError, match=r"full\.csv: the numbers of 3 tasks are .*expected one for each, in ascending"
    ):
        train(dataset, tmp_path / "full.csv", replace(TRAINING, task_numbers=numbers))
