"""The training of a network of any shape against a plain loop of torch, and after interruptions."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from graphs import DEFAULT, merged
from rehash.config import validated
from rehash.datasets.layout import Split, write_dataset
from rehash.errors import InputError
from rehash.hash_encoders import plan
from rehash.hash_encoders.augmentation import Augmentation, augmented, draw
from rehash.hash_encoders.models.architectures import ARCHITECTURES
from rehash.hash_encoders.models.inputs import Preparation
from rehash.hash_encoders.models.origins import Origin
from rehash.hash_encoders.models.train import ModelTraining, NetworkTraining, penalised, train_model
from rehash.hash_encoders.protocols import Protocol
from rehash.job import Saving
from rehash.seeds import integer, stream
from rehash.tensors import read_tensors
from rehash.training import Compute
from toys import CPU, digits

MOVED = {"rotation": 15, "shift": 0.1, "flip": True}
ADAM = Protocol("adam", 0.01, 16, 4, decay_every=2, l2=1e-3, clip=1e-7, augmentation=MOVED)
SGD = Protocol("sgd", 0.05, 16, 4, decay_epochs=[1, 3], weight_decay=0.03, fresh_optimiser=True)
NAMES = ("hash_encoders", "model=m", "dataset=d")
IMAGES, LABELS = digits(104)
UNIT = Preparation()


def network(seed: int = 0) -> nn.Module:
    """A convolution with BatchNorm, dropout, and a kernel that is stored by columns."""
    torch.manual_seed(seed)
    made = nn.Sequential(
        nn.Conv2d(1, 5, 3, bias=False), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(80, 12), nn.ReLU(),
        nn.Dropout(0.3), nn.Linear(12, 4),
    )  # fmt: skip
    made[4].weight = nn.Parameter(made[4].weight.detach().t().contiguous().t())
    return made


def training(
    protocol: Protocol, made: nn.Module | None = None, shown: Preparation = UNIT, repeat: int = 0, **more
) -> NetworkTraining:
    """The training of a small network: 72 images in four whole batches and a half one, 32 for validation."""
    splits = (Split(IMAGES[:72], LABELS[:72]), Split(IMAGES[72:], LABELS[72:]))
    settings = {"seed": 5, "names": NAMES, "repeat": repeat, "device": CPU, **more}
    return NetworkTraining(made or network(), *splits, 4, protocol, shown, **settings)


def run(job: NetworkTraining) -> NetworkTraining:
    while not job.done:
        job.step()
    return job


@pytest.mark.parametrize("protocol", [ADAM, SGD, replace(ADAM, fresh_optimiser=True)], ids=["adam", "sgd", "fresh"])
def test_a_training_is_a_plain_loop_of_torch(protocol):
    job, model = run(training(protocol)), network()

    def optimiser_of(rate: float) -> torch.optim.Optimizer:
        if protocol.optimiser == "adam":
            return torch.optim.Adam(model.parameters(), rate, eps=1e-7, weight_decay=protocol.weight_decay)
        return torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=protocol.weight_decay)

    x, y = torch.from_numpy(IMAGES)[:, None].float() / 255, torch.from_numpy(LABELS)
    optimiser, rates = optimiser_of(1.0), []
    for epoch in range(4):
        falls = epoch // 2 if protocol.decay_every else (epoch >= 1) + (epoch >= 3)
        if protocol.fresh_optimiser:
            optimiser = optimiser_of(1.0)
        rates.append(protocol.learning_rate * 0.1**falls)
        optimiser.param_groups[0]["lr"] = rates[-1]
        order = stream(5, *NAMES, "order", 0, epoch).permutation(72)
        draws = torch.from_numpy(draw(stream(5, *NAMES, "augmentation", 0, epoch), 72))
        lost, right = 0.0, 0
        model.train()
        for batch, rows in enumerate(np.split(order, range(16, 72, 16))):
            shown = augmented(x[rows], draws[rows], Augmentation(**MOVED)) if protocol.augmentation else x[rows]
            torch.manual_seed(integer(5, *NAMES, "step", 0, epoch, batch))
            logits = model(shown)
            loss = F.cross_entropy(logits, y[rows])
            loss = loss + protocol.l2 * (model[0].weight.square().sum() + model[4].weight.square().sum())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            lost, right = lost + loss.item() * len(rows), right + (logits.argmax(1) == y[rows]).sum().item()
        model.eval()
        with torch.no_grad():
            logits = model(x[72:])
        row = job.history[epoch]
        assert (row["epoch"], row["accuracy"]) == (epoch + 1, right / 72)
        assert row["learning_rate"] == pytest.approx(rates[-1])
        assert row["loss"] == pytest.approx(lost / 72, rel=1e-4)
        assert row["validation_loss"] == pytest.approx(F.cross_entropy(logits, y[72:]).item(), rel=1e-3)
        assert row["validation_accuracy"] == (logits.argmax(1) == y[72:]).float().mean().item()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(job.network.state_dict()[name], tensor, rtol=1e-3, atol=1e-5)
    assert not torch.allclose(model[4].weight, network()[4].weight, atol=1e-3), "the loop has to train"


@pytest.mark.parametrize("protocol", [ADAM, SGD], ids=["adam", "sgd"])
def test_a_training_goes_on_from_any_step_as_if_it_had_not_stopped(protocol):
    """With dropout, augmentation and validation; through the file that holds a state."""
    once = run(training(protocol))
    torch.manual_seed(99)
    job = training(protocol)
    while not job.done:
        job.step()
        (tensors, values), untrained = job.state(), training(protocol, network(seed=1))
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        untrained.restore(tensors, json.loads(json.dumps(values)))
        job = untrained
        torch.rand(3)
    assert job.history == once.history and job.finished_steps == once.finished_steps == once.total
    for name, tensor in once.network.state_dict().items():
        assert torch.equal(tensor, job.network.state_dict()[name]), name
    other = run(training(protocol, repeat=1))
    assert not torch.equal(other.network[0].weight, once.network[0].weight)


def test_validation_changes_nothing_in_a_network():
    alone, nothing = network(), Split(IMAGES[:0], LABELS[:0])
    shown = Split(IMAGES[:72], LABELS[:72])
    settings = {"seed": 5, "names": NAMES, "repeat": 0, "device": CPU}
    job = run(NetworkTraining(alone, shown, nothing, 4, ADAM, UNIT, **settings))
    assert [row["validation_accuracy"] for row in job.history] == [None] * 4
    for name, tensor in run(training(ADAM)).network.state_dict().items():
        assert torch.equal(tensor, alone.state_dict()[name])


def test_a_training_stops_by_its_patience():
    """The first epoch at which the best loss, by more than min_delta, is three epochs old."""
    patient = replace(ADAM, epochs=40, learning_rate=0.003, patience=3, min_delta=0.02, decay_every=None)
    endless = [row["loss"] for row in run(training(replace(patient, patience=None))).history]
    best, age, expected = np.inf, 0, 0
    while age < 3:
        best, age = (endless[expected], 0) if endless[expected] < best - 0.02 else (best, age + 1)
        expected += 1
    stopped = run(training(patient))
    assert 3 < expected < 40 and [row["loss"] for row in stopped.history] == endless[:expected]
    assert stopped.epoch == expected and stopped.done


def test_kernels_are_penalised_but_shortcuts_and_the_head_are_not():
    """As in the public scripts: `kernel_regularizer` of convolutions and hidden dense layers."""
    names = penalised(ARCHITECTURES["resnet8"](3, 10))
    blocks = [f"block{stage}_1.conv{i}.weight" for stage in (1, 2, 3) for i in (1, 2)]
    assert names == ["conv.weight", *blocks]
    assert penalised(ARCHITECTURES["vgg4"](3, 10)) == [
        "block1.conv1.weight",
        "block2.conv1.weight",
        "dense1.linear.weight",
    ]
    frozen = network()
    frozen[0].weight.requires_grad_(False)
    assert penalised(frozen) == ["4.weight"]


def test_vectors_train_a_network_of_vectors():
    """Two heaps of points that a network without convolutions tells apart; a frozen layer stays as it is."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    vectors = Split((rng.normal(0, 1, (200, 3)) + 4 * labels[:, None]).astype(np.float32), labels)
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    made[0].requires_grad_(False)
    before = made[0].weight.clone()
    settings = {"seed": 5, "names": NAMES, "repeat": 0, "device": CPU}
    protocol = Protocol("adam", 0.05, 16, 8, l2=1e-3)
    job = run(NetworkTraining(made, vectors, vectors, 2, protocol, UNIT, **settings))
    assert job.history[-1]["validation_accuracy"] > 0.95 and torch.equal(made[0].weight, before)


def test_what_cannot_be_trained_is_said():
    wide = network()
    wide[7] = nn.Linear(12, 1000)
    with pytest.raises(InputError, match=r"m: the network gives \(2, 1000\) for 2 inputs; expected \(2, 4\)"):
        training(ADAM, wide, where="m")
    with pytest.raises(
        InputError, match=r"m: .* inputs, of shape \(1, 6, 6\) \(RuntimeError: .*; image_size and channels"
    ):
        training(ADAM, nn.Linear(7, 4), where="m")
    with pytest.raises(InputError, match=r"m: the network was shown images of 40 x 40 pixels"):
        training(ADAM, ARCHITECTURES["vgg4"](1, 4), Preparation(size=40), where="m")
    with pytest.raises(InputError, match="no parameter that can be trained"):
        training(ADAM, network().requires_grad_(False))
    precise = network()
    precise[7].bias = nn.Parameter(precise[7].bias.double())
    with pytest.raises(InputError, match=r"parameter 7.bias is torch.float64; expected torch.float32"):
        training(ADAM, precise)
    vectors = Split(np.zeros((4, 80), np.float32), LABELS[:4])
    settings = {"seed": 5, "names": NAMES, "repeat": 0, "device": CPU}
    with pytest.raises(InputError, match="has augmentation, and the inputs are vectors"):
        NetworkTraining(network()[4:], vectors, vectors, 4, ADAM, UNIT, **settings)
    with pytest.raises(InputError, match=r"the loss is (nan|inf) in step \d of epoch 1.*learning_rate"):
        run(training(Protocol("sgd", 1e30, 16, 4), where="m"))


# The job and the plan


def config_with(**changes) -> dict:
    config = merged(DEFAULT)
    config["hash_encoders"]["models"] |= {"m": {"source": "rehash", "name": "resnet8", "protocol": "quick", **changes}}
    quick = {**config["hash_encoders"]["protocols"]["convolutional"], "epochs": 2, "batch_size": 32}
    config["hash_encoders"]["protocols"]["quick"] = quick
    return config


def test_a_killed_job_writes_the_same_bytes(tmp_path, monkeypatch):
    split = Split(np.repeat(np.repeat(IMAGES, 2, 1), 2, 2), LABELS)
    write_dataset(
        tmp_path / "d.h5", {"train": split, "test": split}, name="d", source="", licence="", class_names=[*"abcd"]
    )
    settings = ModelTraining(
        keys={"dataset": "d", "model": "m", "repeat": "0"},
        model={"source": "rehash", "name": "resnet8", "arguments": {"filters": [3, 5]}, "inputs": None}
        | {"image_size": None, "channels": 3},
        protocol={"optimiser": "adam", "learning_rate": 0.01, "batch_size": 32, "epochs": 2, "l2": 5e-6}
        | {"augmentation": MOVED},
        train_share=0.8,
        seed=1,
    )

    def train(folder: str) -> list[bytes]:
        (tmp_path / folder).mkdir(exist_ok=True)
        files = [tmp_path / folder / "network.safetensors", tmp_path / folder / "training.csv"]
        train_model(tmp_path / "d.h5", Origin(), *files, settings, Compute("cpu", 1), Saving(every_s=0))
        return [file.read_bytes() for file in files]

    once, step, calls = train("once"), NetworkTraining.step, []

    def interrupted(job: NetworkTraining) -> None:
        calls.append(1)
        if len(calls) in (2, 6):
            raise KeyboardInterrupt
        step(job)

    monkeypatch.setattr(NetworkTraining, "step", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            train("killed")
        assert not list((tmp_path / "killed").glob("[!.]*")), "nothing half-written stays"
    assert train("killed") == once
    steps = 2 * (3 + 1)  # of two epochs: 83 images in batches of 32, and 21 for validation
    assert len(calls) == steps + 2, "a resumed training takes no step twice"
    tensors, about = read_tensors(tmp_path / "once" / "network.safetensors")
    assert about["keys"]["model"] == "m" and about["epochs"] == 2
    ARCHITECTURES["resnet8"](3, 4, filters=[3, 5]).load_state_dict(tensors)
    with open(tmp_path / "once" / "training.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2"] and float(rows[1]["validation_accuracy"]) >= 0


def test_a_training_depends_on_what_makes_a_network_and_not_on_what_is_measured():
    one = plan.model_training_params(validated(config_with()), "mnist5k", "m")
    for same in ({"repeats": 3}, {"nodes": ["relu"]}):
        assert plan.model_training_params(validated(config_with(**same)), "mnist5k", "m") == one
    assert Protocol(**one["protocol"]) == Protocol(**plan.model_protocol(validated(config_with()), "m"))
    for other in ({"name": "vgg4"}, {"channels": 3}, {"inputs": "imagenet"}, {"protocol": "convolutional"}):
        assert plan.model_training_params(validated(config_with(**other)), "mnist5k", "m") != one


def test_protocols_that_do_not_fit_a_network_are_refused():
    with pytest.raises(
        InputError, match=r"models.m.protocol: (batch_norm|initialisation) of hash_encoders.protocols.scripts is"
    ):
        validated(config_with(protocol="scripts"))
    with pytest.raises(InputError, match=r"models.m.protocol: unknown protocol 'quik'; did you mean 'quick'"):
        validated(config_with(protocol="quik"))
    with pytest.raises(InputError, match="has weights, and a protocol"):
        validated(config_with(weights="w.safetensors"))
    untrained = validated(config_with(protocol=None))
    with pytest.raises(InputError, match=r"models.m: has no protocol, so it is not trained; name one of"):
        plan.model_training_params(untrained, "mnist5k", "m")
    with pytest.raises(InputError, match=r"models: unknown model 'n'. Valid: m, resnet8, vgg4"):
        plan.model_training_params(untrained, "mnist5k", "n")
