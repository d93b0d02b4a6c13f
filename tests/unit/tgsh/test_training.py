"""FlyNet against a plain network: dense products, autograd, one task after another, one image after another."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from rehash.datasets.layout import Split, write_dataset
from rehash.errors import InputError
from rehash.job import Saving
from rehash.seeds import stream
from rehash.store import read_csv
from rehash.tgsh.accuracy import measure_accuracy
from rehash.tgsh.flynet import DeviceSplit, FlyNet, correct, gradients, respond, task_decoder, views
from rehash.tgsh.generate import dense_encoder
from rehash.tgsh.initialisation import DEVIATION, MEAN, draw_flynet, draw_modulations
from rehash.tgsh.modulations import read_digits, read_modulations
from rehash.tgsh.tasks import PIXELS, Transformation, sampling, transformed
from rehash.tgsh.train import FlyNetTraining, Schedule, Training, train_flynet
from rehash.training import Compute, StateFile
from toys import BARS, bars

CPU = torch.device("cpu")
UNITS, CLASSES = 30, 3
TASKS = [
    vars(Transformation(angle=40)),
    vars(Transformation(dx=3.4)),
    vars(Transformation(contrast=1.5, scale=0.8)),
    vars(Transformation()),
]
SCHEDULE = Schedule(epochs=2, batch_size=16, learning_rate=0.01)
TRAIN, TEST = BARS["train"], BARS["test"]


def training(dtype=torch.float64, tasks_at_once: int = 1, tasks=TASKS, repeats: int = 2) -> FlyNetTraining:
    drawn = [draw_flynet(UNITS, CLASSES, seed=5, repeat=repeat) for repeat in range(repeats)]
    starts = [draw_modulations(UNITS, len(tasks), seed=5, names=("d", "b", repeat)) for repeat in range(repeats)]
    context, strength = (torch.from_numpy(np.stack(part)).to(dtype) for part in zip(*starts))
    return FlyNetTraining(
        *(DeviceSplit(split, CPU) for split in (TRAIN, TEST)),
        views(tasks, "nearest", 0.0, CPU, dtype),
        [FlyNet.of(*arrays, CPU, dtype) for arrays in drawn],
        context,
        strength,
        SCHEDULE,
        seed=5,
        names=("d", "b"),
        tasks_at_once=tasks_at_once,
    )


def finished(job: FlyNetTraining) -> FlyNetTraining:
    while not job.done:
        job.step()
    return job


def plain_loop(repeat: int, task: int) -> tuple[torch.Tensor, torch.Tensor, float, float]:
    """The notebook's way for one task: every image transformed by itself, a dense encoder, autograd, torch's loss."""
    encoder, decoder = draw_flynet(UNITS, CLASSES, seed=5, repeat=repeat)
    encoder, decoder = torch.from_numpy(dense_encoder(encoder)), torch.from_numpy(decoder).double()
    start = draw_modulations(UNITS, len(TASKS), seed=5, names=("d", "b", repeat))
    context, strength = (torch.nn.Parameter(torch.tensor(part[task]).double()) for part in start)
    optimiser = torch.optim.RMSprop([context, strength], lr=0.01)
    how = sampling(Transformation(**TASKS[task]))

    def logits(images: np.ndarray) -> torch.Tensor:
        shown = np.stack([transformed(image[None], how, 0.0)[0].ravel() for image in images])
        inputs = (torch.from_numpy(shown).double() - MEAN) / DEVIATION
        sums = inputs @ encoder.t()
        response = torch.relu(sums - sums.mean(1, keepdim=True))
        return (context * response) @ decoder.t() * strength

    for epoch in range(SCHEDULE.epochs):
        order = stream(5, "tgsh", "d", "b", repeat, task, "order", epoch).permutation(len(TRAIN.labels))
        total, learned = 0.0, 0
        for first in range(0, len(order), SCHEDULE.batch_size):
            chosen = order[first : first + SCHEDULE.batch_size]
            optimiser.zero_grad()
            given, labels = logits(TRAIN.images[chosen]), torch.from_numpy(TRAIN.labels[chosen])
            found = torch.nn.functional.cross_entropy(given, labels)
            found.backward()
            optimiser.step()
            total += found.item() * len(chosen)
            learned += int((given.argmax(1) == labels).sum())
    with torch.no_grad():
        right = (logits(TEST.images).argmax(1).numpy() == TEST.labels).mean()
    return context.detach(), strength.detach(), total / len(order), learned / len(order), right


def test_training_is_the_plain_loop():
    job = finished(training())
    history = pd.DataFrame(job.history).set_index(["repeat", "task", "epoch"])
    assert len(history) == 2 * len(TASKS) * SCHEDULE.epochs
    for repeat in range(2):
        for task in range(len(TASKS)):
            context, strength, loss, learned, accuracy = plain_loop(repeat, task)
            # Images are float32 on one side until they are normalised.
            torch.testing.assert_close(job.context[repeat, task], context, rtol=1e-5, atol=1e-6)
            torch.testing.assert_close(job.strength[repeat, task], strength, rtol=1e-5, atol=1e-6)
            last = history.loc[repeat, task, SCHEDULE.epochs]
            assert last.loss == pytest.approx(loss, rel=1e-5)
            assert last.accuracy_train == learned and last.accuracy == accuracy
    assert history.accuracy.mean() > 0.6  # it learns: a third is chance


@pytest.mark.parametrize("together", [2, 3, 4])
def test_tasks_together_equal_tasks_in_sequence(together):
    one, many = finished(training()), finished(training(tasks_at_once=together))
    torch.testing.assert_close(many.context, one.context, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(many.strength, one.strength, rtol=1e-12, atol=1e-14)
    key = ["repeat", "task", "epoch"]
    a, b = (pd.DataFrame(job.history).sort_values(key, ignore_index=True) for job in (one, many))
    pd.testing.assert_frame_equal(a, b, rtol=1e-12)


def test_a_task_does_not_depend_on_which_others_there_are():
    alone, all_four = finished(training(torch.float32, tasks=TASKS[:1])), finished(training(torch.float32))
    assert torch.equal(alone.context[:, 0], all_four.context[:, 0])
    assert torch.equal(alone.strength[:, 0], all_four.strength[:, 0])


def test_training_a_task_leaves_the_others_alone():
    job = training(torch.float32)
    before = job.context.clone()
    for _ in range(job.ends[0]):
        job.step()
    assert not torch.equal(job.context[0, 0], before[0, 0])
    assert torch.equal(job.context[0, 1:], before[0, 1:]) and torch.equal(job.context[1], before[1])


def test_gradients_are_autograds():
    torch.manual_seed(0)
    net = FlyNet.of(*draw_flynet(UNITS, CLASSES, seed=1, repeat=0), CPU, torch.float64)
    responses, labels = torch.rand(UNITS, 9, dtype=torch.float64), torch.arange(9) % CLASSES
    context = torch.randn(UNITS, dtype=torch.float64, requires_grad=True)
    strength = torch.tensor(-0.7, dtype=torch.float64, requires_grad=True)
    logits = (context[:, None] * responses).t() @ net.decoder.t() * strength
    theirs = torch.nn.functional.cross_entropy(logits, labels)
    theirs.backward()
    ours = gradients(responses, labels, net, context.detach(), strength.detach())
    right = (logits.argmax(1) == labels).sum()
    for found, expected in zip(ours, (theirs.detach(), right, context.grad, strength.grad)):
        torch.testing.assert_close(found, expected)


def test_response_is_the_dense_product():
    encoder, decoder = draw_flynet(200, CLASSES, seed=1, repeat=0)
    net, inputs = FlyNet.of(encoder, decoder, CPU, torch.float64), torch.randn(PIXELS, 11, dtype=torch.float64)
    sums = torch.from_numpy(dense_encoder(encoder)) @ inputs
    torch.testing.assert_close(respond(inputs, net), (sums - sums.mean(0)).clamp_min(0))


def test_contrast_below_one_only_scales_the_response():
    """The encoder takes the mean away: an affine change of brightness that is not cut off changes no cosine."""
    net = FlyNet.of(*draw_flynet(200, CLASSES, seed=1, repeat=0), CPU, torch.float64)
    tasks = [vars(Transformation()), vars(Transformation(contrast=0.5))]
    images = torch.from_numpy(TEST.images.reshape(len(TEST.images), -1))
    plain, dim = (respond(view.inputs(images), net) for view in views(tasks, "nearest", 0.0, CPU, torch.float64))
    torch.testing.assert_close(dim, plain / 2)


def test_draws_are_as_published():
    encoder, decoder = draw_flynet(7840, 10, seed=3, repeat=0)
    assert encoder.shape == (7840, 7) and all(len(set(row)) == 7 for row in encoder.tolist())
    counts = np.bincount(encoder.ravel(), minlength=784)
    assert counts.min() > 30 and counts.max() < 115  # 70 +- 8 each
    conv = torch.nn.Conv2d(7840, 10, 1, bias=False).weight.detach().numpy()
    assert abs(decoder).max() <= 7840**-0.5 and decoder.std() == pytest.approx(conv.std(), rel=0.02)
    context, strength = draw_modulations(7840, 200, seed=3, names=("d",))
    xavier = torch.nn.init.xavier_normal_(torch.empty(1, 7840))
    assert context.std() == pytest.approx(float(xavier.std()), rel=0.03) and context.std() == pytest.approx(
        0.016, rel=0.01
    )
    assert strength.std() == pytest.approx(1, abs=0.15)
    other, _ = draw_flynet(7840, 10, seed=3, repeat=1)
    assert (other != encoder).any()


@pytest.mark.parametrize("stop", [0, 1, 4, 5, 9, 10, 11, 40, 79])
@pytest.mark.parametrize("together", [1, 3])
def test_killed_and_resumed_ends_with_the_same_bytes(tmp_path, stop, together):
    whole, job = finished(training(torch.float32, together)), training(torch.float32, together)
    for _ in range(min(stop, job.total - 1)):
        job.step()
    with StateFile(tmp_path / "m", {}) as state:
        state.save(*job.state())
        again = training(torch.float32, together)
        again.restore(*state.load())
    finished(again)
    assert torch.equal(again.context, whole.context) and torch.equal(again.strength, whole.strength)
    assert again.history == whole.history


def trained(dataset: Path, folder: Path, tasks=TASKS) -> tuple[Path, Path]:
    """Files of modulations and of their history, from the job."""
    job = Training(
        keys={"dataset": "d", "benchmark": "b"},
        tasks=tasks,
        interpolation="nearest",
        fill=0.0,
        units=UNITS,
        repeats=2,
        schedule=vars(SCHEDULE),
        seed=5,
    )
    paths = folder / "modulations.safetensors", folder / "training.csv"
    train_flynet(dataset, *paths, job, Compute("cpu"), Saving())
    return paths


@pytest.fixture(scope="module")
def files(dataset, tmp_path_factory) -> tuple[Path, Path]:
    """Modulations of all tasks and their history, which are only read."""
    return trained(dataset, tmp_path_factory.mktemp("trained"))


def test_nothing_is_forgotten_to_the_last_bit(tmp_path, dataset, files):
    modulations, _ = files
    measure_accuracy(dataset, *files, tmp_path / "accuracy.csv", Compute("cpu"))
    table = read_csv(tmp_path / "accuracy.csv")
    assert len(table) == 2 * len(TASKS)
    assert (table.accuracy_at_training.map(float.hex) == table.accuracy_after_all.map(float.hex)).all()
    assert table.accuracy_after_all.mean() > table.accuracy_untrained.mean() + 0.2
    # The file's numbers are the plain network's, counted image by image.
    arrays, identity = read_modulations(modulations)
    net = FlyNet.of(arrays["encoder"][1], arrays["decoder"][1], CPU)
    decoder = task_decoder(
        net, *(torch.from_numpy(arrays[f"{part}_trained"])[1, 2] for part in ("context", "strength"))
    )
    view = views(identity["tasks"], "nearest", 0.0, CPU)[2]
    test = DeviceSplit(TEST, CPU)
    one_by_one = sum(
        correct(test.images[i : i + 1], test.labels[i : i + 1], view, net, decoder) for i in range(len(TEST.labels))
    )
    row = table[(table.repeat == 1) & (table.task == 2)].iloc[0]
    assert row.accuracy_after_all == one_by_one / len(TEST.labels) and row.contrast == 1.5


def test_history_of_other_tasks_is_refused(tmp_path, dataset, files):
    modulations, history = files[0], tmp_path / "training.csv"
    read_csv(files[1]).query("task < 3").to_csv(history, index=False)
    with pytest.raises(InputError, match="no last epoch of repeat 0, task 3"):
        measure_accuracy(dataset, modulations, history, tmp_path / "a.csv", Compute("cpu"))
    assert not (tmp_path / "a.csv").exists()


def test_damaged_modulations_are_refused(tmp_path, dataset, files):
    modulations = tmp_path / "modulations.safetensors"
    modulations.write_bytes(files[0].read_bytes()[:-100])
    with pytest.raises(InputError, match="not a file of modulations of rehash, or damaged"):
        read_modulations(modulations)
    with pytest.raises(InputError, match="make it again with"):
        read_modulations(dataset)


def test_splits_without_a_class_are_refused(tmp_path):
    def read(train: Split, test: Split, classes: int = CLASSES) -> None:
        names = [f"digit {i}" for i in range(classes)]
        splits = {"train": train, "test": test}
        write_dataset(tmp_path / "d.h5", splits, name="d", source="", licence="", class_names=names)
        read_digits(tmp_path / "d.h5")

    few, four = bars(8, 0), Split(TRAIN.images, np.arange(len(TRAIN.labels)) % 4)
    with pytest.raises(InputError, match="the test split has no image of digit 3"):
        read(four, few, classes=4)
    with pytest.raises(InputError, match="the train split has no image of digit 3"):
        read(few, four, classes=4)


def test_state_belongs_to_the_data_and_the_tasks(tmp_path, dataset, files):
    """What was saved for other tasks is not gone on with: files of the two trainings differ as they should."""
    one, two = files[0], trained(dataset, tmp_path, tasks=TASKS[:2])[0]
    states = [next(path.parent.glob(".*.state")).name for path in (one, two)]
    assert states[0] != states[1]
    assert json.loads(json.dumps(read_modulations(two)[1]["tasks"])) == TASKS[:2]
