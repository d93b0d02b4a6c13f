"""Training many networks at once against plain torch, step by step."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from rehash.datasets.layout import Split
from rehash.equihash.databases.mixing import mix
from rehash.errors import InputError
from rehash.hash_encoders.cohort import CohortTraining, Recipe
from rehash.hash_encoders.encode import encode
from rehash.hash_encoders.lines import POINTS, draw_lines
from rehash.hash_encoders.networks import Shape, as_inputs, losses
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.random_inputs import random_inputs
from rehash.seeds import integer, stream
from toys import SCRIPTS, SHAPE, cohort, digits, effective, mixed

FIGURES = Protocol("sgd", 0.05, 16, 4)
DROPOUT = Protocol("sgd", 0.05, 16, 4, dropout=0.3)
ACTIVATIONS = {"relu": torch.nn.ReLU, "leaky": torch.nn.LeakyReLU, "prelu": torch.nn.PReLU}


def plain_model(job: CohortTraining, repeat: int) -> torch.nn.Sequential:
    """The same network from torch.nn, with the cohort's parameters."""
    layers = []
    for name, out, into in job.shape.layers():
        dense = torch.nn.Linear(into, out, dtype=torch.float64)
        with torch.no_grad():
            dense.weight.copy_(job.tensors[f"{name}.weight"][repeat])
            dense.bias.copy_(job.tensors[f"{name}.bias"][repeat])
        layers.append(dense)
        if name != "head":
            norm = job.protocol.norm
            layers += [torch.nn.BatchNorm1d(out, norm.eps, norm.momentum, dtype=torch.float64)] if norm else []
            layers.append(ACTIVATIONS[job.protocol.activation]().double())
    return torch.nn.Sequential(*layers)


OTHERS = [
    replace(SCRIPTS, activation="leaky"),
    replace(SCRIPTS, activation="prelu"),
    replace(FIGURES, activation="prelu"),
]


@pytest.mark.parametrize("protocol", [SCRIPTS, FIGURES, *OTHERS], ids=lambda of: f"{of.optimiser}, {of.activation}")
def test_cohort_equals_plain_torch_over_50_steps(protocol):
    job = cohort(protocol)
    images, labels = digits()
    x, y = torch.from_numpy(images).double().reshape(len(images), -1) / 255, torch.from_numpy(labels)
    models = [plain_model(job, repeat) for repeat in range(3)]
    for _ in range(50):
        job.step()
    for repeat, model in enumerate(models):
        if protocol.optimiser == "adam":
            optimiser = torch.optim.Adam(model.parameters(), lr=protocol.learning_rate, eps=protocol.eps)
        else:
            optimiser = torch.optim.SGD(model.parameters(), lr=protocol.learning_rate, momentum=protocol.momentum)
        kernels = [layer.weight for layer in model if isinstance(layer, torch.nn.Linear)][:-1]
        for step in range(50):
            epoch, batch = divmod(step, 13)
            order = stream(5, "t", "order", repeat, epoch).permutation(len(y))
            rows = order[batch * 16 : batch * 16 + 16]
            optimiser.param_groups[0]["lr"] = protocol.learning_rate * (
                0.1 ** (epoch // 2) if protocol.decay_every else 1
            )
            loss = F.cross_entropy(model(x[rows]), y[rows]) + protocol.l2 * sum(k.square().sum() for k in kernels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        dense = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
        for (name, _, _), layer in zip(SHAPE.layers(), dense):
            ours = job.tensors[f"{name}.weight"][repeat]
            torch.testing.assert_close(ours, layer.weight, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(job.tensors["head.bias"][repeat], dense[-1].bias, rtol=1e-7, atol=1e-9)
        for i, layer in enumerate(layer for layer in model if isinstance(layer, torch.nn.BatchNorm1d)):
            for part, theirs in (("scale", layer.weight), ("shift", layer.bias), ("variance", layer.running_var)):
                torch.testing.assert_close(job.tensors[f"hidden.{i}.{part}"][repeat], theirs, rtol=1e-7, atol=1e-9)
        for i, layer in enumerate(layer for layer in model if isinstance(layer, torch.nn.PReLU)):
            torch.testing.assert_close(job.tensors[f"hidden.{i}.slope"][repeat], layer.weight, rtol=1e-7, atol=1e-9)
            assert (layer.weight - 0.25).abs() > 1e-3, "it must have learned"
        # The code and the measures come from the same network.
        network = {name: tensor[repeat : repeat + 1].detach() for name, tensor in job.tensors.items()}
        codes, right, mean_loss = encode(network, x, y, SHAPE, protocol.norm, chunk=50)
        model.eval()
        activations, h = [], x
        for layer in model:
            before, h = h, layer(h)
            activations += [before > 0] if isinstance(layer, ACTIVATIONS[protocol.activation]) else []
        assert (np.packbits(torch.cat(activations, 1).numpy(), axis=1) == codes[0]).all()
        assert right[0] == (h.argmax(1) == y).double().mean() and mean_loss[0] == pytest.approx(
            F.cross_entropy(h, y).item()
        )


# Weight decay on all parameters, a list of epochs at which the rate falls, and inputs less an offset.
DECAYED = {"weight_decay": 0.03, "decay_epochs": [1, 3], "decay_factor": 0.2, "offset": 0.5}
PUBLIC = {
    "sgd": Protocol("sgd", 0.05, 16, 5, **DECAYED),
    "sgd, anew": Protocol("sgd", 0.05, 16, 5, fresh_optimiser=True, **DECAYED),
    "adam": Protocol("adam", 0.01, 16, 5, l2=1e-2, batch_norm={"momentum": 0.01, "eps": 1e-3}, **DECAYED),
    "adam, anew": Protocol("adam", 0.01, 16, 5, fresh_optimiser=True, **DECAYED),
    "sgd, prelu": Protocol("sgd", 0.05, 16, 5, activation="prelu", **DECAYED),
}


@pytest.mark.parametrize("protocol", PUBLIC.values(), ids=PUBLIC)
def test_decay_offset_and_a_fresh_optimiser_are_torchs(protocol):
    """torch.optim's weight_decay, a rate set by hand, and an optimiser made in each epoch, as the public SVHN script."""
    job = cohort(protocol, repeats=1)
    images, labels = digits()
    x, y = torch.from_numpy(images).double().reshape(len(images), -1) / 255 - 0.5, torch.from_numpy(labels)
    model = plain_model(job, 0)
    kernels = [layer.weight for layer in model if isinstance(layer, torch.nn.Linear)][:-1]

    def made(rate: float) -> torch.optim.Optimizer:
        if protocol.optimiser == "adam":
            return torch.optim.Adam(model.parameters(), rate, eps=protocol.eps, weight_decay=protocol.weight_decay)
        return torch.optim.SGD(model.parameters(), rate, momentum=0.9, weight_decay=protocol.weight_decay)

    optimiser = made(protocol.learning_rate)
    for epoch, factor in enumerate((1, 0.2, 0.2, 0.04)):
        if protocol.fresh_optimiser:
            optimiser = made(protocol.learning_rate)
        optimiser.param_groups[0]["lr"] = protocol.learning_rate * factor
        order = stream(5, "t", "order", 0, epoch).permutation(len(y))
        for rows in np.split(order, range(16, len(y), 16)):
            loss = F.cross_entropy(model(x[rows]), y[rows]) + protocol.l2 * sum(k.square().sum() for k in kernels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    for _ in range(4 * 13):
        job.step()
    ours = job.tensors
    dense = [layer for layer in model if isinstance(layer, torch.nn.Linear)]
    norms = [layer for layer in model if isinstance(layer, torch.nn.BatchNorm1d)]
    for (name, _, _), layer in zip(SHAPE.layers(), dense):
        torch.testing.assert_close(ours[f"{name}.weight"][0], layer.weight, rtol=1e-7, atol=1e-9)
        if not norms:  # what is in front of BatchNorm only moves the running mean, and its gradient is noise
            torch.testing.assert_close(ours[f"{name}.bias"][0], layer.bias, rtol=1e-7, atol=1e-9)
    for i, norm in enumerate(norms):
        torch.testing.assert_close(ours[f"hidden.{i}.scale"][0], norm.weight, rtol=1e-7, atol=1e-9)
        torch.testing.assert_close(ours[f"hidden.{i}.shift"][0], norm.bias, rtol=1e-7, atol=1e-9)
    for i, unit in enumerate(layer for layer in model if isinstance(layer, torch.nn.PReLU)):
        torch.testing.assert_close(ours[f"hidden.{i}.slope"][0], unit.weight, rtol=1e-7, atol=1e-9)


TURNED = {"rotation": 90.0, "shift": 0.2, "flip": True}
RESUMED = PUBLIC | {
    "leaky": replace(SCRIPTS, activation="leaky"),
    "changed": replace(SCRIPTS, activation="prelu", augmentation=TURNED, dropout=0.2),
}


@pytest.mark.parametrize("protocol", RESUMED.values(), ids=RESUMED)
def test_a_resumed_training_of_the_public_protocols_goes_on_as_it_was(protocol):
    """Stopped in the middle of an epoch, at its end and after a fall of the rate, by what a saved state holds.

    So do those with other units, and whose images are changed.
    """
    once = cohort(protocol, snapshots=(0, 1, 2))
    while not once.done:
        once.step()
    job = cohort(protocol, snapshots=(0, 1, 2))
    for steps in (5, 8, 13, 15):
        for _ in range(steps):
            job.step()
        tensors, values = job.state()
        job = cohort(protocol, snapshots=(0, 1, 2))
        job.restore({name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(values)))
    while not job.done:
        job.step()
    assert job.trained[0].history == once.trained[0].history
    for snapshot, network in once.trained[0].networks.items():
        assert all(torch.equal(tensor, job.trained[0].networks[snapshot][name]) for name, tensor in network.items())


def test_the_rate_falls_after_the_epochs_of_a_list():
    protocol = Protocol("sgd", 1.0, 16, 100, decay_epochs=[40, 60, 90], decay_factor=0.5)
    assert [protocol.rate(epoch) for epoch in (0, 39, 40, 59, 60, 89, 90, 99)] == [
        1,
        1,
        0.5,
        0.5,
        0.25,
        0.25,
        *[0.125] * 2,
    ]


@pytest.mark.parametrize("protocol", [SCRIPTS, FIGURES, DROPOUT], ids=["scripts", "figures", "dropout"])
def test_member_alone_equals_member_of_seven(protocol):
    alone, seven = cohort(protocol, repeats=1), cohort(protocol, repeats=7)
    for _ in range(50):
        alone.step()
        seven.step()
    one, other = (effective({k: v[:1].detach() for k, v in job.tensors.items()}) for job in (alone, seven))
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-9, atol=1e-9)


def test_a_loss_must_improve_by_more_than_min_delta():
    """As Keras' EarlyStopping: an epoch counts whose loss is below the best one by more than min_delta."""
    patient = Protocol("adam", 0.01, 16, 60, patience=3, min_delta=0.02)
    stopped, endless = cohort(patient, 5), cohort(Protocol(**{**vars(patient), "patience": None}), 5)
    for job in (stopped, endless):
        while not job.done:
            job.step()
    expected = []
    for repeat in range(5):
        best, since = np.inf, 0
        for row in (row for row in endless.trained[0].history if row["repeat"] == repeat):
            best, since = (row["loss"], 0) if best - row["loss"] > 0.02 else (best, since + 1)
            if since == 3:
                break
        expected.append(row["epoch"])
    assert stopped.trained[0].epochs["trained"] == expected and max(expected) < 60
    every = cohort(Protocol(**{**vars(patient), "min_delta": 0.0}), 5)
    while not every.done:
        every.step()
    assert every.trained[0].epochs["trained"] != expected, "the case must tell min_delta from none"


def test_a_clipped_loss_is_keras():
    """Keras' categorical_crossentropy of a softmax layer's output, in NumPy; and beyond the clip there is no gradient."""
    rng = np.random.default_rng(0)
    logits = torch.from_numpy(rng.normal(0, 12, (2, 4, 50)).astype(np.float32)).requires_grad_()
    labels = torch.from_numpy(rng.integers(0, 4, (2, 50)))
    loss = losses(logits, labels, 1e-7)
    exponents = np.exp(logits.detach().numpy().astype(np.float64))
    output = (exponents / exponents.sum(1, keepdims=True)).astype(np.float32)
    target = np.moveaxis(np.eye(4)[labels.numpy()], 2, 1)
    clipped = np.clip(output, np.float32(1e-7), np.float32(1 - 1e-7))
    assert loss.detach().numpy() == pytest.approx(-(target * np.log(clipped)).sum(1).mean(1), rel=1e-5)
    loss.sum().backward()
    probability = (output * target).sum(1)
    certain = (probability >= np.float32(1 - 1e-7)) | (probability <= 1e-7)
    assert 10 < certain.sum() < 90
    none = (logits.grad.abs().amax(1) == 0).numpy()
    assert (none == certain).all()
    exact = losses(logits.detach(), labels)
    assert exact.numpy() == pytest.approx(
        torch.nn.functional.cross_entropy(logits, labels, reduction="none").detach().mean(1)
    )


def test_a_clip_reaches_the_training():
    """Networks that are certain of every input stay as they are under a clipped loss, and go on under the exact one."""
    moved = []
    for clip in (0.0, 0.3):
        job = cohort(Protocol("adam", 0.05, 16, 60, clip=clip), 1)
        while job.epoch < 30:
            job.step()
        before = job.tensors["head.weight"].detach().clone()
        while job.epoch < 45:
            job.step()
        moved.append((job.tensors["head.weight"] - before).abs().max().item())
    assert moved[1] < 1e-6 < 1e-3 < moved[0]


def test_each_member_stops_by_its_own_training_loss():
    """The histories obey the rule: first epoch at which the best loss is `patience` epochs old; the rest go on unchanged."""
    patient = Protocol("adam", 0.05, 16, 60, patience=3, batch_norm={"momentum": 0.01, "eps": 1e-3})
    stopped, endless = cohort(patient, 5), cohort(Protocol(**{**vars(patient), "patience": None}), 5)
    for job in (stopped, endless):
        while not job.done:
            job.step()
    losses = {r: [h["loss"] for h in endless.trained[0].history if h["repeat"] == r] for r in range(5)}
    expected = []
    for curve in losses.values():
        best = np.minimum.accumulate(curve)
        waits = [e - int(np.argmax(np.array(curve[: e + 1]) == best[e])) for e in range(60)]
        expected.append(next((e + 1 for e, wait in enumerate(waits) if wait >= 3), 60))
    assert len(set(expected)) > 1, "the case must have members that stop at different epochs"
    assert stopped.trained[0].epochs["trained"] == expected
    for row in stopped.trained[0].history:
        assert row["loss"] == pytest.approx(losses[row["repeat"]][row["epoch"] - 1], rel=1e-6)


def test_remainders_and_bad_shapes():
    job = cohort(n=49)  # three batches of 16, and one input that BatchNorm could not use alone
    assert job.batches == 3 and cohort(n=50).batches == 4
    while not job.done:
        job.step()
    assert all(np.isfinite(row["loss"]) for row in job.trained[0].history)
    with pytest.raises(InputError, match="layer_width is 0"):
        Shape(inputs=36, layer_width=0, depth=1, classes=4)
    with pytest.raises(InputError, match="repeats is 0"):
        cohort(repeats=0)
    with pytest.raises(InputError, match="unknown initialisation 'glorot'; did you mean 'glorot_uniform'"):
        cohort(Protocol("adam", 0.01, 16, 1, initialisation="glorot"))


def test_initialisation_has_the_published_distribution():
    job = cohort(shape=Shape(784, 100, 1, 10), repeats=2)
    weight = job.tensors["hidden.0.weight"].detach()
    bound = np.sqrt(6 / 884)
    assert weight.abs().max() <= bound and weight.std() == pytest.approx(bound / np.sqrt(3), rel=0.02)
    assert not job.tensors["hidden.0.bias"].any() and not torch.equal(weight[0], weight[1])


def trained_together(recipes: list[Recipe], dtype=torch.float64, device="cpu", repeats=2) -> CohortTraining:
    """A finished training."""
    more = {"repeats": repeats, "seed": 5, "name": ("t",), "device": torch.device(device), "dtype": dtype}
    job = CohortTraining(recipes, SHAPE, **more)
    while not job.done:
        job.step()
    return job


@pytest.mark.parametrize(("optimiser", "activation"), [("adam", "relu"), ("sgd", "relu"), ("sgd", "prelu")])
def test_a_recipe_alone_equals_one_among_others(optimiser, activation):
    """Every tensor at every snapshot, the history and the stops; members stop at different epochs."""
    protocol = replace(SCRIPTS, optimiser=optimiser, activation=activation, epochs=30, patience=2, decay_every=20)
    recipes = mixed(protocol, snapshots=(0, 1, 3))
    together = trained_together(recipes)
    ends = set()
    for recipe, found in zip(recipes, together.trained):
        alone = trained_together([recipe]).trained[0]
        assert found.epochs == alone.epochs and list(found.networks) == ["untrained", "epoch=1", "epoch=3", "trained"]
        assert ("hidden.0.scale" in found.networks["trained"]) == (recipe.protocol.batch_norm is not None)
        ends |= set(found.epochs["trained"])
        for ours, theirs in zip(found.history, alone.history, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-6)
        for snapshot, network in alone.networks.items():
            one, other = effective(found.networks[snapshot]), effective(network)
            assert one.keys() == other.keys()
            for name, tensor in other.items():
                torch.testing.assert_close(one[name], tensor, rtol=1e-5, atol=1e-6)
    assert len(ends) > 2, "the case must have members that stop at different epochs"


def test_recipes_that_do_not_go_together_are_refused():
    images, labels = digits()
    one = Recipe(images, labels, SCRIPTS)
    others = {
        "timetables": [Recipe(images[:100], labels[:100], SCRIPTS), Recipe(images, labels, SCRIPTS, snapshots=())]
        + [
            Recipe(images, labels, replace(SCRIPTS, **{name: value}))
            for name, value in (("epochs", 9), ("learning_rate", 0.1), ("activation", "leaky"), ("patience", 3))
        ],
        "settings of BatchNorm": [Recipe(images, labels, replace(SCRIPTS, batch_norm={"momentum": 0.5, "eps": 1e-3}))],
    }
    for message, recipes in others.items():
        for other in recipes:
            with pytest.raises(InputError, match=message):
                trained_together([one, other])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("protocol", [SCRIPTS, FIGURES, DROPOUT], ids=["scripts", "figures", "dropout"])
def test_captured_steps_equal_eager_ones(protocol, dtype):
    """With a rate that falls and, where rounding cannot decide it, members that stop: a step is then captured anew."""
    patience = 2 if dtype == torch.float64 else None
    recipes = mixed(replace(protocol, epochs=8, patience=patience, decay_every=3))
    captured, eager = (trained_together(recipes, dtype, device) for device in ("cuda", "cpu"))
    allowed = {"rtol": 1e-5, "atol": 1e-6} if dtype == torch.float64 else {"rtol": 1e-2, "atol": 1e-3}
    for one, other in zip(captured.trained, eager.trained):
        assert one.epochs == other.epochs
        found, expected = (effective(trained.networks["trained"]) for trained in (one, other))
        for name, tensor in expected.items():
            torch.testing.assert_close(found[name], tensor, **allowed)


def splitmix_numbers(key: int, step: int, shape: tuple[int, ...]) -> torch.Tensor:
    """Numbers in [0, 1), 16 bits each, four from each of a step's words of SplitMix64, in Python's integers."""
    count = math.prod(shape)
    words = -(-count // 4)
    found = []
    for place in range(step * 2**32 + 1, step * 2**32 + words + 1):
        word = mix((key + place * 0x9E3779B97F4A7C15) % 2**64)
        found += [((word >> 16 * part) + 2**15) % 2**16 / 2**16 for part in range(4)]
    return torch.tensor(found[:count], dtype=torch.float64).view(shape)


def test_dropout_equals_plain_torch_with_the_same_gates():
    job = cohort(DROPOUT, repeats=2)
    images, labels = digits()
    x, y = torch.from_numpy(images).double().reshape(len(images), -1) / 255, torch.from_numpy(labels)
    models = [plain_model(job, repeat) for repeat in range(2)]
    kept = []
    for _ in range(26):
        job.step()
    for repeat, model in enumerate(models):
        optimiser = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        for step in range(26):
            epoch, batch = divmod(step, 13)
            rows = stream(5, "t", "order", repeat, epoch).permutation(len(y))[batch * 16 : batch * 16 + 16]
            open_ = splitmix_numbers(integer(5, "t", "dropout", repeat, bits=63), step, (2, 9, 16)) >= 0.3
            kept.append(open_.double().mean().item())
            h = x[rows]
            for layer in range(2):
                h = F.relu(model[2 * layer](h)) * open_[layer].T / (1 - round(0.3 * 2**16) / 2**16)
            optimiser.zero_grad()
            F.cross_entropy(model[4](h), y[rows]).backward()
            optimiser.step()
        for name, layer in (("hidden.0", model[0]), ("hidden.1", model[2]), ("head", model[4])):
            torch.testing.assert_close(job.tensors[f"{name}.weight"][repeat], layer.weight, rtol=1e-6, atol=1e-8)
    assert np.mean(kept) == pytest.approx(0.7, abs=0.02)


def test_snapshots_are_the_ends_of_shorter_trainings():
    """Codes are taken along one training; a training to that epoch alone gives the same networks."""
    endless = Protocol(**{**vars(SCRIPTS), "epochs": 4, "patience": None})
    along = cohort(endless, snapshots=(0, 1, 3, 4))
    while not along.done:
        along.step()
    assert list(along.trained[0].networks) == ["untrained", "epoch=1", "epoch=3", "trained"]
    assert along.trained[0].epochs == {"untrained": [0] * 3, "epoch=1": [1] * 3, "epoch=3": [3] * 3, "trained": [4] * 3}
    for epochs, name in ((1, "epoch=1"), (3, "epoch=3"), (4, "trained")):
        short = cohort(Protocol(**{**vars(endless), "epochs": epochs}), snapshots=())
        while not short.done:
            short.step()
        for key, tensor in short.trained[0].networks["trained"].items():
            assert torch.equal(tensor, along.trained[0].networks[name][key])


def test_an_epoch_of_a_small_sample_sees_each_input_as_often_as_it_should():
    job = cohort(n=10, passes=20)
    assert job.batches == 13  # 200 inputs in batches of 16; the last has 8
    counts = [np.bincount(row, minlength=10) for row in job.order_MN.numpy()]
    assert all((count == 20).all() for count in counts)
    while job.epoch == 0:
        job.step()
    assert 0 <= job.trained[0].history[0]["accuracy"] <= 1


def test_a_member_that_diverges_stops_and_the_others_go_on():
    job, alone = (cohort(SCRIPTS, snapshots=(1, 2, 4)) for _ in range(2))
    for _ in range(15):
        job.step(), alone.step()
    with torch.no_grad():
        job.tensors["head.weight"][1] = float("nan")
    while not job.done:
        job.step()
    while not alone.done:
        alone.step()
    lengths = [sum(row["repeat"] == repeat for row in job.trained[0].history) for repeat in range(3)]
    assert lengths == [4, 2, 4]
    for snapshot, network in job.trained[0].networks.items():
        finite = [all(bool(tensor[r].isfinite().all()) for tensor in network.values()) for r in range(3)]
        assert finite == ([True] * 3 if snapshot == "epoch=1" else [True, False, True])
    for name, tensor in job.trained[0].networks["trained"].items():
        torch.testing.assert_close(tensor[[0, 2]], alone.trained[0].networks["trained"][name][[0, 2]])


def test_inputs_are_scaled_to_one():
    assert as_inputs(np.full((2, 3, 3), 255, np.uint8), torch.device("cpu")).tolist() == [[1.0] * 9] * 2


def test_an_offset_is_taken_from_all_that_a_network_is_shown():
    """0 and 255 become -0.5 and 0.5; vectors stay as they are but for it, and their array is not written to."""
    images = np.array([[[0, 255]]], np.uint8)
    assert as_inputs(images, torch.device("cpu"), offset=0.5).tolist() == [[-0.5, 0.5]]
    vectors = np.array([[3.0, -1.0]], np.float32)
    assert as_inputs(vectors, torch.device("cpu"), offset=0.5).tolist() == [[2.5, -1.5]]
    assert vectors.tolist() == [[3.0, -1.0]]
    many = np.repeat(images, 40, 0)
    made = dict(random_inputs(many, seed=1, dataset="d", offset=0.5))
    plain = dict(random_inputs(many, seed=1, dataset="d"))
    assert made["test"].tolist() == [[-0.5, 0.5]] * 40
    for kind in ("test", "permuted", "uniform", "uniform_negative"):
        assert np.allclose(made[kind] + 0.5, plain[kind], atol=1e-6)
    split = Split(many, np.zeros(40, np.int64))
    for points in POINTS:
        lines, unmoved = (draw_lines(points, split, split, 4, seed=1, dataset="d", offset=o) for o in (0.5, 0.0))
        assert points == "random" or lines[0].tolist() == [[-0.5, 0.5]] * 4
        assert np.allclose(lines[0] + 0.5, unmoved[0])
        assert all(np.allclose(vector, unmoved[1][way]) for way, vector in lines[1].items())


def test_a_code_is_of_what_goes_into_units_and_not_of_what_they_make_of_it():
    """Parametric ReLUs that have learned a slope below 0 have activations above 0 on both sides; codes are a ReLU's."""
    images, labels = digits()
    x, y = torch.from_numpy(images).reshape(208, 36).double() / 255, torch.from_numpy(labels)
    job = cohort(replace(FIGURES, activation="prelu"), shape=Shape(36, 9, 1, 4))
    network = {name: tensor.clone() for name, tensor in job.tensors.items()}
    codes = {}
    for slope in (0.0, 0.25, -0.5, -2.0):
        network["hidden.0.slope"].fill_(slope)
        codes[slope], _, loss = encode(network, x, y, job.shape, None)
        inner = x @ network["hidden.0.weight"][0].T + network["hidden.0.bias"][0]
        logits = torch.where(inner > 0, inner, slope * inner) @ network["head.weight"][0].T + network["head.bias"][0]
        assert loss[0] == pytest.approx(F.cross_entropy(logits, y).item(), rel=1e-9)
        assert (codes[slope][0] == np.packbits((inner > 0).numpy(), axis=1)).all()
    assert 0.1 < np.unpackbits(codes[-2.0], axis=2)[..., :9].mean() < 0.9
