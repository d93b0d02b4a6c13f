"""Training of hash networks: one step against a plain loop, restarts, evaluations."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from rehash.equihash.images.mosaics import CPU
from rehash.equihash.images.noise import StreamSource
from rehash.equihash.learning import objectives, train
from rehash.equihash.learning.imported import import_network
from rehash.equihash.learning.objectives.base import Objective
from rehash.equihash.learning.train import HashTraining, Schedule
from rehash.equihash.learning.triplets import Triplets, draw_pairs, summary
from rehash.equihash.learning.weights import read_network
from rehash.errors import InputError
from rehash.seeds import stream
from small_index import write_bank
from small_training import bytes_of, job, run_training, small_bank

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As in a job; beside others more threads are slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def few_batches(monkeypatch):
    """So that what is seen before the first step takes no time; a test that is about it sets its own."""
    monkeypatch.setattr(train, "UNTRAINED_BATCHES", 3)


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return small_bank(tmp_path_factory.mktemp("bank"))


def slow_step(training: HashTraining) -> None:
    """The gradient of one step by autograd through everything, from the same streams."""
    network, objective, made = training.network, training.objective, training.mosaics["train"]
    network.train()
    batch = objective.draw(stream(5, "equihash", "training", "test", "labels", 0), 24)
    outputs = []
    for part in range(3):
        labels = batch.labels[part * 8 : part * 8 + 8].reshape(-1)
        chance = StreamSource(stream(5, "equihash", "training", "test", "views", 0, part))
        noise = chance.normal(16, 1, 28, 28) * 0.2
        outputs.append(network(made.plain(labels) + noise))
    chance = StreamSource(stream(5, "equihash", "training", "test", "objective", 0))
    logits = torch.cat(outputs).reshape(24, 2, 16)
    sum(objective(logits, torch.from_numpy(batch.targets), 0, chance).values()).backward()


@pytest.mark.parametrize("name", ["shannon_hamming", "hash_net", "jmlh"])
@pytest.mark.parametrize("forward", ["once", "recomputed", "twice"])
def test_a_step_is_the_gradient_of_the_whole_batch(bank, name, forward):
    """BatchNorm sees micro-batches, the objective sees all; clipped by value."""
    settings = {"jmlh": {"classes": 40}}.get(name, {})
    slow, fast = (job(bank, name, settings, clip=0.01, forward=forward, channels_last=False) for _ in range(2))
    slow_step(slow)
    fast.step()
    largest = 0.0
    for expected, found in zip(slow.parameters, fast.parameters, strict=True):
        wanted = expected.grad.clamp(-0.01, 0.01)
        largest = max(largest, expected.grad.abs().max().item())
        assert torch.allclose(found.grad, wanted, rtol=1e-3, atol=1e-6)
    assert largest > 0.01  # or nothing would have been clipped
    for (key, expected), found in zip(slow.network.named_buffers(), fast.network.buffers(), strict=True):
        if forward != "twice":
            assert torch.allclose(found, expected, rtol=1e-5), key
        elif key.endswith("num_batches_tracked"):
            assert found == 6 and expected == 3


def test_the_public_loops_second_pass_updates_running_statistics_again(bank):
    once, twice = job(bank), job(bank, forward="twice")
    once.step()
    twice.step()
    means = [next(buffer for name, buffer in j.network.named_buffers() if "mean" in name) for j in (once, twice)]
    # Three micro-batches with momentum 0.1, and the same three again: m, and then 0.9^3 m + m.
    assert torch.allclose(means[1], (1 + 0.9**3) * means[0], rtol=1e-5)


def test_the_public_jmlh_never_clears_the_gradient_of_its_classifier(bank):
    """G_t = clip(G_(t-1) + g_t), where ours has clip(g_t); the network's is made anew by both.

    The learning rate is so small that nothing is trained.
    """
    settings = {"classes": 40, "public": True}
    public, ours = (job(bank, "jmlh", s, clip=0.01, learning_rate=1e-30) for s in (settings, {"classes": 40}))
    ours.objective.labels = public.objective.labels
    summed, apart = None, 0.0
    for _ in range(4):
        ours.schedule = dataclasses.replace(ours.schedule, clip=1e9)
        for training in (public, ours):
            training.step()
        fresh = [p.grad.clone() for p in ours.objective.parameters()]
        summed = [(g + before).clamp(-0.01, 0.01) for g, before in zip(fresh, summed or [0.0, 0.0])]
        for expected, found in zip(summed, public.objective.parameters(), strict=True):
            torch.testing.assert_close(found.grad, expected, rtol=1e-5, atol=1e-8)
        apart = max(apart, (summed[0] - fresh[0].clamp(-0.01, 0.01)).abs().max().item())
        for mine, theirs in zip(ours.network.parameters(), public.network.parameters(), strict=True):
            torch.testing.assert_close(theirs.grad, mine.grad.clamp(-0.01, 0.01), rtol=1e-5, atol=1e-8)
    assert apart > 0.005, "the case must tell one from the other"


@pytest.mark.parametrize("name", [*objectives.names(), "jmlh, public", "dsh, sgd"])
def test_restarts_change_no_byte(bank, name):
    how = {"optimiser": "sgd", "milestones": [2, 4]} if name == "dsh, sgd" else {}
    settings = {"jmlh": {"classes": 40}, "shannon_hamming": {"tuple_size": 3, "covered": 2, "permuted": True}}
    settings["jmlh, public"] = {"classes": 40, "public": True}
    chosen, name = settings.get(name, {}), name.split(",")[0]
    whole = job(bank, name, chosen, **how)
    while not whole.done:
        whole.step()
    for stop in (2, 3):  # with an evaluation behind it, and between two
        first = job(bank, name, chosen, **how)
        for _ in range(stop):
            first.step()
        tensors, values = first.state()
        tensors = {key: tensor.detach().clone() for key, tensor in tensors.items()}
        second = job(bank, name, chosen, **how)
        second.restore(tensors, values)
        assert second.finished_steps == stop
        while not second.done:
            second.step()
        assert bytes_of(second.state()[0]) == bytes_of(whole.state()[0])
        assert str(second.history) == str(whole.history) and second.losses == whole.losses
        assert str(second.diagnostics) == str(whole.diagnostics) and second.histograms == whole.histograms


def test_a_state_holds_every_parameter_of_the_objective(bank):
    tensors, _ = job(bank, "jmlh", {"classes": 40}).state()
    assert tensors["objective.weight"].shape == (40, 16) and tensors["objective.bias"].shape == (40,)


def test_seeds_reach_weights_labels_and_views(bank):
    ends = []
    for seed in (5, 5, 6):
        training = job(bank, seed=seed, steps=2)
        training.step()
        ends.append(bytes_of(training.state()[0]))
    momenta = [key for key in ends[0] if key.startswith("moment/exp_avg/")]
    assert len(momenta) == len(training.parameters)
    assert ends[0] == ends[1] and all(ends[0][key] != ends[2][key] for key in momenta)


def test_learning_rate_zero_trains_nothing_but_running_statistics(bank):
    training = job(bank, learning_rate=0)
    before = {name: tensor.clone() for name, tensor in training.network.state_dict().items()}
    training.step()
    for name, tensor in training.network.state_dict().items():
        assert torch.equal(tensor, before[name]) == ("running" not in name and "tracked" not in name), name


@pytest.mark.parametrize("name", objectives.names())
def test_training_learns(bank, name):
    """Each objective's own loss falls, and codes of different labels come apart."""
    settings = {"jmlh": {"classes": 10}, "shannon_hamming": {"lambda_s": 0.7}, "hash_net_shannon": {"lambda_s": 0.01}}
    seen = {"evaluation_pairs": 1000} if name == "dsh" else {}  # whose distances differ by a bit after so few steps
    training = job(bank, name, settings.get(name, {}), steps=40, evaluate_every=10, pairs=32, **seen)
    while not training.done:
        training.step()
    losses = [row["mean"] for row in training.losses if row["term"] == "loss"]
    assert len(losses) == 4 and losses[-1] < losses[0]
    _, first, *_, last = (row for row in training.history if row["split"] == "train")
    assert last["different_distance_median"] >= first["different_distance_median"]
    assert last["entropy_median_3"] > first["entropy_median_3"]
    assert last["different_distance_median"] > last["same_distance_median"]


@pytest.mark.parametrize("forward", ["once", "recomputed"])
def test_a_network_is_trained_in_its_precision(bank, forward, monkeypatch):
    """Its gradients, too; the objective and the optimiser are float32 outside. On a CPU tf32 is float32."""
    matmul, seen, ends = torch.backends.cuda.matmul, [], {}
    layer = torch.nn.Conv2d._conv_forward

    def noted(self, views, *parameters):
        output = layer(self, views, *parameters)
        seen.append((matmul.allow_tf32, output.dtype))
        if output.requires_grad:
            output.register_hook(lambda gradient: seen.append((matmul.allow_tf32, gradient.dtype)))
        return output

    monkeypatch.setattr(torch.nn.Conv2d, "_conv_forward", noted)
    for precision in ("float32", "tf32", "bfloat16"):
        training = job(bank, steps=2, precision=precision, forward=forward)
        objective = training.objective.forward
        training.objective.forward = lambda *a, run=objective: seen.append((matmul.allow_tf32, a[0].dtype)) or run(*a)
        seen.clear()
        training.step()
        inside, outside = (precision == "tf32", torch.bfloat16 if precision == "bfloat16" else torch.float32), False
        assert set(seen) == {inside, (outside, torch.float32)} and seen.count((outside, torch.float32)) in (
            1,
            len(seen),
        )
        assert not matmul.allow_tf32 and {p.grad.dtype for p in training.parameters} == {torch.float32}
        ends[precision] = bytes_of(training.network.state_dict())
    assert ends["float32"] == ends["tf32"] != ends["bfloat16"]


@pytest.mark.parametrize("chosen", ["adam", "sgd"])
def test_the_optimiser_is_torchs_with_a_rate_that_falls_at_milestones(bank, chosen):
    """Each parameter moves as torch's own optimiser moves it by the same gradients, at the rates that were said."""
    how = {"optimiser": chosen, "learning_rate": 0.01, "weight_decay": 0.1, "milestones": [1, 3], "decay": 0.5}
    training = job(bank, steps=4, clip=0.5, **how)
    copies = [p.detach().clone().requires_grad_() for p in training.parameters]
    of = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[chosen]
    other = of(copies, weight_decay=0.1, **({"momentum": 0.9} if chosen == "sgd" else {}))
    for rate in (0.01, 0.005, 0.005, 0.0025):
        training.step()
        for copy, parameter in zip(copies, training.parameters):
            copy.grad = parameter.grad.clone()
        other.param_groups[0]["lr"] = rate
        other.step()
    for copy, parameter in zip(copies, training.parameters):
        torch.testing.assert_close(parameter.detach(), copy.detach(), rtol=0, atol=0)
    with pytest.raises(InputError, match="unknown optimiser 'adm'; did you mean 'adam'"):
        Schedule(optimiser="adm")


class Breaks(Objective):
    """Fine for three steps."""

    def forward(self, logits, targets, step, source):
        return {"loss": logits.mean() * (float("nan") if step == 3 else 1)}


def test_a_loss_that_is_no_number_stops_the_training(bank):
    training = job(bank, Breaks(16, 30**4, 5))
    with pytest.raises(InputError, match=r"the loss is nan at step 3 of the objective Breaks \(norm of the parameters"):
        for _ in range(6):
            training.step()
    assert all(torch.isfinite(tensor).all() for tensor in training.state()[0].values())


class Steep(Objective):
    """A loss of 0 with a gradient, and a term of another type."""

    def forward(self, logits, targets, step, source):
        return {"loss": (logits - logits.detach()).sum(), "other": logits.mean().double()}


def test_a_gradient_that_is_no_number_reaches_neither_parameters_nor_a_state(bank, monkeypatch):
    training = job(bank, Steep(16, 30**4, 5), learning_rate=1e-30)
    norm = torch.nn.utils.get_total_norm
    monkeypatch.setattr(
        torch.nn.utils, "get_total_norm", lambda *g: norm(*g) * (np.inf if training.finished_steps == 3 else 1)
    )
    with pytest.raises(InputError, match="the gradient is inf at step 3 of the objective Steep"):
        for _ in range(6):
            training.step()
    assert training.finished_steps == 3 and all(torch.isfinite(t).all() for t in training.state()[0].values())


@pytest.mark.parametrize("name", ["hash_net", "jmlh", "shannon_hamming"])
def test_a_step_waits_for_a_gpu_once(bank, name):
    """What it reads of the device's numbers: loss, norm and terms together, as one list."""
    training, read = job(bank, name, {"jmlh": {"classes": 40}}.get(name, {})), []
    training.step()

    class Watched(TorchDispatchMode):
        def __torch_dispatch__(self, operation, types, arguments=(), options=None):
            if operation.name() == "aten::_local_scalar_dense":
                read.append(arguments[0])
            return operation(*arguments, **options or {})

    training.optimiser.step = lambda: None  # Adam reads its count of steps, which lies on the CPU
    training.schedule = dataclasses.replace(training.schedule, evaluate_every=100)
    sums = dict(training.sums)
    with Watched():
        training.step()
    assert not read and sums.keys() == training.sums.keys() and all(training.sums[t] != sums[t] for t in sums)


def test_the_job_writes_weights_and_tables_and_goes_on_after_a_stop(bank, tmp_path, monkeypatch):
    whole = run_training(tmp_path / "whole", bank)
    network, about = read_network(tmp_path / "whole" / "network.safetensors", CPU)
    assert about["keys"]["model"] == "m" and not network.training
    history = pd.read_csv(tmp_path / "whole" / "training.csv")
    assert list(history.columns[:6]) == ["task", "model", "variant", "seed", "step", "split"]
    assert history.step.tolist() == [0, 0, 2, 2, 4, 4, 6, 6]
    assert history.loss.isna().tolist() == [True, True] + [False, True] * 3
    losses = pd.read_csv(tmp_path / "whole" / "losses.csv")
    terms = losses.pivot(index="step", columns="term", values="mean")
    assert np.allclose(terms["loss"], terms["hamming"] + terms["shannon"])

    step = HashTraining.step

    def breaks(self):
        if self.finished_steps == 3:
            raise KeyboardInterrupt
        step(self)

    monkeypatch.setattr(HashTraining, "step", breaks)
    with pytest.raises(KeyboardInterrupt):
        run_training(tmp_path / "cut", bank, every_s=0)
    monkeypatch.setattr(HashTraining, "step", step)
    assert [path.suffix for path in (tmp_path / "cut").iterdir()] == [".state"]
    taken = []
    monkeypatch.setattr(HashTraining, "step", lambda self: (taken.append(self.finished_steps), step(self)))
    assert run_training(tmp_path / "cut", bank, every_s=0) == whole and taken == [3, 4, 5]
    assert run_training(tmp_path / "cut", bank) == whole and taken == [3, 4, 5], (
        "the state is there until all is written"
    )
    # Another configuration does not take up that state.
    taken.clear()
    run_training(tmp_path / "cut", bank, seed=6)
    assert taken == [0, 1, 2, 3, 4, 5]


def test_impossible_settings_are_named(bank, tmp_path):
    with pytest.raises(InputError, match="bits is 0; expected a whole number from 1"):
        run_training(tmp_path, bank, bits=0)
    with pytest.raises(InputError, match="unknown forward 'onec'; did you mean 'once'"):
        run_training(tmp_path, bank, schedule={"forward": "onec"})
    with pytest.raises(InputError, match="unknown precision 'float23'; did you mean 'float32'"):
        run_training(tmp_path, bank, schedule={"precision": "float23"})
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


def test_few_labels_are_repeated_in_turn():
    """Classes: every round has each label once, or each but one, and both of a pair differ."""
    for count in (7, 10):
        labels = draw_pairs(count, 100, seed=1, name="x", repeated=True)
        assert labels.shape == (100, 2) and (labels[:, 0] != labels[:, 1]).all()
        together = count // 2
        for first in range(0, 100 - together, together):
            assert len(set(labels[first : first + together].ravel())) == 2 * together
        assert len(set(map(tuple, labels.tolist()))) > count, "rounds differ"
    assert (draw_pairs(300, 100, seed=1, name="x", repeated=True) == draw_pairs(300, 100, seed=1, name="x")).all()


def test_pairs_of_labels_never_share_one():
    labels = draw_pairs(30, 100, seed=1, name="x")
    assert labels.shape == (15, 2) and sorted(labels.ravel()) == list(range(30))
    with pytest.raises(InputError, match="x: 1 label; pairs of views need two that differ"):
        draw_pairs(1, 100, seed=1, name="x")
    many = draw_pairs(6 * 10**18, 50, seed=1, name="x")
    assert many.shape == (50, 2) and len(set(many.ravel().tolist())) == 100
    assert (many == draw_pairs(6 * 10**18, 50, seed=1, name="x")).all() and many.max() > 10**18


def test_the_summary_is_counted_by_hand():
    def bits(*rows):
        return torch.tensor([[int(c) for c in row] for row in rows]).bool()

    seen = Triplets(
        bits("00001111", "00110011", "01010101"),
        bits("00001111", "00110010", "01010110"),
        bits("00001111", "11111111", "01010100"),
    )
    found = summary(seen)
    assert found["recall_at_0"] == 1 / 3 and found["recall_at_1"] == 2 / 3 and found["recall_at_2"] == 1
    assert found["precision_at_0"] == 1 / 2 and found["precision_at_1"] == 2 / 4 and found["precision_at_2"] == 3 / 5
    assert found["same_distance_median"] == 1 and found["different_distance_median"] == 1
    assert found["distinct_codes"] == 5 / 6  # the first code comes twice among the six
    # Bit 0 is one in 1 of 6, the most lopsided; bit 7 in 4 of 6.
    assert found["entropy_worst_1"] == pytest.approx(-(np.log2(1 / 6) / 6 + 5 * np.log2(5 / 6) / 6))
    assert train.SPLITS == ("train", "valid")


def test_trainings_of_ones_own_as_documented(tmp_path, monkeypatch):
    """The Python of docs/equihash.md, as it stands: no file but the network, which is taken over with `import`."""
    page = (ROOT / "docs" / "equihash.md").read_text(encoding="utf-8")
    ours, own = re.findall("```python\n(.*?)```", page.split("### A training of one's own")[1], flags=re.S)[:2]
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "results" / "equihash" / "banks"
    place.mkdir(parents=True)
    write_bank(place / "digits5k.h5", 30, 28, 28)
    names = {}
    exec(ours, names)
    assert names["training"].finished_steps == 2 and names["training"].history[-1]["step"] == 2
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["digits5k.h5"]
    before = {name: value.clone() for name, value in names["network"].state_dict().items()}
    exec(own, names)
    about = {"network": "mosaic_cnn", "bits": 64, "shape": [1, 56, 56]}
    identity = {**about, "keys": {"task": "digits", "model": "mine", "variant": "imported"}, "seed": 1}
    import_network("mine.safetensors", "ours.safetensors", "training.csv", identity=identity, task={})
    found = read_network("ours.safetensors", CPU)[0].state_dict()
    assert all(torch.equal(found[name], value) for name, value in names["network"].state_dict().items())
    assert not all(torch.equal(found[name], value) for name, value in before.items()), "it has learned"
