"""Networks at several steps of a training: kept through kills, packed, taken out; and what comes before the first."""

import dataclasses
import hashlib
import json
import tarfile

import pytest
import torch

from rehash.config import over_defaults, validated
from rehash.equihash import plan
from rehash.equihash.learning import UNTRAINED_BATCHES, train
from rehash.equihash.learning.checkpoints import take_checkpoint
from rehash.equihash.learning.train import HashTraining
from rehash.equihash.learning.weights import read_network
from rehash.errors import InputError
from rehash.tensors import read_tensors
from small_training import SMALL, bytes_of, job, run_training, small_bank

KEYS = {"task": "test", "model": "m", "variant": "step=3"}


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    return small_bank(tmp_path_factory.mktemp("bank"))


@pytest.fixture(autouse=True)
def few_batches(monkeypatch):
    monkeypatch.setattr(train, "UNTRAINED_BATCHES", 3)


def changed(**blocks) -> dict:
    return validated(over_defaults({"equihash": blocks}))


def weights_of(path) -> dict[str, bytes]:
    return bytes_of(read_tensors(path)[0])


def test_the_network_of_a_step_is_that_of_a_training_of_so_many_steps(bank, tmp_path, monkeypatch):
    """Bit for bit, with its identity; though the training was killed twice between the two, and once before."""
    schedule = {"steps": 6, **SMALL, "micro_batches": 1}
    whole = run_training(tmp_path / "whole", bank, schedule=schedule)
    short = run_training(tmp_path / "short", bank, schedule={**schedule, "steps": 3})
    folder, step = tmp_path / "cut", HashTraining.step
    for stop in (1, 3, 5):

        def breaks(self, stop=stop):
            if self.finished_steps == stop:
                raise KeyboardInterrupt
            step(self)

        monkeypatch.setattr(HashTraining, "step", breaks)
        with pytest.raises(KeyboardInterrupt):
            run_training(folder, bank, every_s=0, schedule=schedule, steps=(0, 3))
    monkeypatch.setattr(HashTraining, "step", step)
    kept = run_training(folder, bank, schedule=schedule, steps=(0, 3))
    names = ("network", "training", "losses", "checkpoints", "diagnostics", "histograms")
    for name, mine, theirs in zip(names, kept, whole):
        assert (mine == theirs) == (name != "checkpoints"), f"{name} does not depend on what is kept"
    assert kept[3] == run_training(tmp_path / "at once", bank, schedule=schedule, steps=(3, 0))[3]
    take_checkpoint(folder / "checkpoints.tar", folder / "taken.safetensors", 3, KEYS)
    assert weights_of(folder / "taken.safetensors") == weights_of(tmp_path / "short" / "network.safetensors")
    (_, mine), (_, theirs) = (
        read_tensors(p) for p in (folder / "taken.safetensors", tmp_path / "short" / "network.safetensors")
    )
    assert mine == {**theirs, "keys": KEYS} and mine["schedule"]["steps"] == 3 and len(short[0]) == len(whole[0])
    take_checkpoint(folder / "network.safetensors", folder / "last.safetensors", 6, KEYS)
    assert weights_of(folder / "last.safetensors") == weights_of(folder / "network.safetensors")
    assert read_tensors(folder / "last.safetensors")[1]["keys"] == KEYS
    with pytest.raises(InputError, match="has no network of step=5; those that it has: step=0, step=3"):
        take_checkpoint(folder / "checkpoints.tar", folder / "five.safetensors", 5, KEYS)
    (folder / "half.tar").write_bytes(kept[3][: len(kept[3]) // 3])
    with pytest.raises(InputError, match=r"half.tar: not the networks of a training, or damaged"):
        take_checkpoint(folder / "half.tar", folder / "five.safetensors", 3, KEYS)
    assert not [path for path in folder.iterdir() if "five" in path.name]


def test_a_state_that_has_passed_a_step_without_keeping_it_starts_anew(bank, tmp_path, monkeypatch):
    """A step that is yet to come is kept without starting anew."""
    taken, step = [], HashTraining.step

    def breaks(self):
        if self.finished_steps == 4 and not taken:
            raise KeyboardInterrupt
        if taken is not None and stopped:
            taken.append(self.finished_steps)
        step(self)

    for declared, expected in (((5,), [4, 5]), ((2,), [0, 1, 2, 3, 4, 5])):
        folder, stopped = tmp_path / str(declared), False
        taken.clear()
        monkeypatch.setattr(HashTraining, "step", breaks)
        with pytest.raises(KeyboardInterrupt):
            run_training(folder, bank, every_s=0)
        stopped = True
        taken.append("again")
        run_training(folder, bank, steps=declared)
        assert taken == ["again", *expected]
        with tarfile.open(folder / "checkpoints.tar") as packed:
            assert packed.getnames() == [f"step={declared[0]}/network.safetensors"]


@pytest.mark.parametrize("forward", ["once", "twice"])
def test_step_0_is_the_untrained_network(bank, monkeypatch, forward):
    """Its row is the last one of the variant `untrained`, and the training goes on as if it had not been looked at."""
    monkeypatch.setattr(train, "UNTRAINED_BATCHES", UNTRAINED_BATCHES)
    kept = {}

    class Kept:
        steps = (0,)

        def keep(self, step, network):
            kept[step] = bytes_of(network.state_dict())

    steps = plan.untrained_values({"training": {"micro_batches": 3}})["steps"]
    untrained = job(bank, learning_rate=0, steps=steps, evaluate_every=steps, forward=forward)
    trained, blind = job(bank, forward=forward), job(bank, forward=forward)
    trained.checkpoints = Kept()
    blind._see_untrained = lambda: None
    while not untrained.done:
        untrained.step()
    for training in (trained, blind):
        training.step()
        training.step()
    first = [{key: value for key, value in row.items() if key not in ("step", "loss")} for row in trained.history[:2]]
    last = [{key: value for key, value in row.items() if key not in ("step", "loss")} for row in untrained.history]
    assert str(first) == str(last) and [row["step"] for row in trained.history] == [0, 0, 2, 2]
    assert bytes_of(trained.state()[0]) == bytes_of(blind.state()[0])
    assert all(parameter.grad is None for parameter in untrained.parameters)
    assert not {row["quantity"] for row in untrained.diagnostics} & {"clipped", "largest_gradient"}
    ends = bytes_of(untrained.network.state_dict())
    assert kept[0] == ends and kept[2] == bytes_of(trained.network.state_dict()) != ends


def test_a_training_may_start_from_another_network(bank, tmp_path):
    """Its weights and running statistics; one of other parameters is named."""
    run_training(tmp_path / "first", bank)
    start = tmp_path / "first" / "network.safetensors"
    still = {"steps": 1, **SMALL, "learning_rate": 0.0}
    run_training(tmp_path / "second", bank, schedule=still, start=start)
    mine, theirs = weights_of(tmp_path / "second" / "network.safetensors"), weights_of(start)
    assert all(
        (mine[name] == theirs[name]) == ("norm" not in name or "running" not in name)
        for name in mine
        if "tracked" not in name
    )
    with pytest.raises(
        InputError, match=r"start: its network, mosaic_cnn of 16 bits, does not fit mosaic_cnn: .*dense"
    ):
        run_training(tmp_path / "third", bank, bits=24, start=start)


def test_what_a_training_starts_from(tmp_path, monkeypatch):
    """A network of the graph is an input; one from outside is known by its content, of the seeds that are trained."""
    monkeypatch.chdir(tmp_path)
    asked = {"task": "digits", "model": "m", "seed": "7"}

    def started(path):
        return changed(models={"digits": {"m": {"seeds": [7], "start": path}}})

    ours = started("results/equihash/models/digits/n/default/seed={seed}/network.safetensors")
    of_graph = "results/equihash/models/digits/n/default/seed=7/network.safetensors"
    assert plan.training_inputs(ours, **asked)["start"] == of_graph and plan.start_place(ours, **asked) is None
    assert plan.start_content(ours, variant="default", **asked) is None
    (tmp_path / "seed=7.safetensors").write_bytes(b"network")
    theirs = started("seed={seed}.safetensors")
    assert "start" not in plan.training_inputs(theirs, **asked)
    assert plan.start_place(theirs, **asked) == "seed=7.safetensors"
    assert plan.start_content(theirs, variant="default", **asked) == hashlib.md5(b"network").hexdigest()
    with pytest.raises(InputError, match=r"m\.start: there\.safetensors does not exist"):
        started("there.safetensors")
    with pytest.raises(InputError, match=r"m\.start: x\{sed\}; expected a path, in which \{seed\} is the seed"):
        started("x{sed}")


def test_a_network_of_rehashs_own_is_known_by_its_weights_and_by_its_curves(tmp_path, monkeypatch):
    shipped = tmp_path / "own.safetensors"
    monkeypatch.setattr(plan, "shipped_networks", lambda: {"own": shipped})
    config, found = changed(models={"digits": {"m": {"import": "own"}}}), set()
    for weights, curves in (("a", "b"), ("a", "c"), ("d", "c")):
        shipped.write_text(weights)
        shipped.with_suffix(".csv").write_text(curves)
        found.add(plan.checkpoint_content(config, task="digits", model="m", seed="0"))
    assert len(found) == 3


def test_steps_of_a_training_are_variants(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = {"digits": {"m": {"training": {"steps": 60, "checkpoints": [40, 0, 20]}}}}
    config = changed(models=models, databases={"small": {"models": None}})
    asked = {"task": "digits", "model": "m", "seed": "1"}
    folder = "results/equihash/models/digits/m/{}/seed=1/"

    def source(variant):
        return plan.checkpoint_inputs(config, variant=variant, **asked)["source"]

    assert source("step=20") == folder.format("default") + "checkpoints.tar"
    assert source("step=60") == folder.format("default") + "network.safetensors"
    assert source("lambda_s=0.5+step=0") == folder.format("lambda_s=0.5") + "checkpoints.tar"
    there = "those that are there: step=0, step=20, step=40, step=60"
    with pytest.raises(
        InputError, match=rf"variant step=30: .*{there}. Add 30 to .*checkpoints, .*the variant steps=30,"
    ):
        source("step=30")
    with pytest.raises(
        InputError, match=r"those that are there: step=0, step=20, step=30; or ask for the variant steps=40,"
    ):
        source("steps=30+step=40")
    with pytest.raises(InputError, match="expected a step as a plain number, as in step=20000"):
        source("step=020")
    with pytest.raises(InputError, match=r"m.training.checkpoints: 61; expected at most 60"):
        changed(models={"digits": {"m": {"training": {"steps": 60, "checkpoints": [61]}}}})
    params = plan.run_params(config, variant="lambda_s=0.5+step=20", **asked)
    assert params == plan.run_params(config, variant="lambda_s=0.5+steps=20", **asked)
    assert "checkpoints" not in params["schedule"]
    database = next(name for name, found in config["equihash"]["databases"].items() if found["task"] == "digits")
    assert [run["variant"] for run, _ in plan.timed_runs(config, database)] == [
        "step=0",
        "step=20",
        "step=40",
        "default",
    ]
    assert plan.timed_steps(config, database) == [0, 20, 40, 60]
    other = {**config["equihash"]["databases"][database], "models": ["hash_net"]}
    elsewhere = {**config, "equihash": {**config["equihash"], "databases": {database: other}}}
    assert plan.timed_runs(elsewhere, database) == [], "a database evaluates the models that it names"
    # A finished training that has kept more is not done again; one that has kept less is, and one of other settings.
    record = tmp_path / folder.format("default") / "network.json"
    record.parent.mkdir(parents=True)
    record.with_name("checkpoints.tar").touch()
    training = plan.run_params(config, variant="default", **asked)
    longer = {**training, "schedule": {**training["schedule"], "steps": 600}}
    for kept, of, expected in (
        ([0, 10, 20, 40], training, [0, 10, 20, 40]),
        ([0, 20], training, [0, 20, 40]),
        ([0, 20, 40, 500], longer, [0, 20, 40]),
    ):
        record.write_text(json.dumps({"params": {"steps": kept, "training": of}}))
        assert plan.kept_steps(config, variant="default", **asked) == expected
    assert plan.kept_steps(config, variant="untrained", **asked) == []


def test_what_was_trained_before_keeps_its_identity():
    """Newer settings are not said where they say what always was, and are where they do not."""
    config = changed(models={"digits": {"m": {"objective": "hash_net"}, "n": {"batch_norm": False}}})
    params = plan.run_params(config, "digits", "m", "default", "1")
    assert params["settings"] == {"alpha": 0.15, "gamma": 0.0005, "power": 0.5, "beta_every": 200}
    newer = {"batch_norm", "deterministic", "optimiser_arguments", "checkpoints"}
    assert not newer & {*params, *params["schedule"]}
    varied = plan.run_params(config, "digits", "m", "similar=0.3+deterministic=false", "1")
    assert varied["settings"]["similar"] == 0.3 and varied["schedule"]["deterministic"] is False
    other = plan.run_params(config, "digits", "n", "default", "1")
    assert other["batch_norm"] is False
    training = train.Training(keys=KEYS, **params)
    assert "batch_norm" not in training.identity
    assert dataclasses.replace(training, batch_norm=False).identity["batch_norm"] is False


def test_a_network_without_its_last_batch_norm_is_read_back(bank, tmp_path):
    run_training(tmp_path, bank, batch_norm=False, schedule={"steps": 1, **SMALL})
    network, about = read_network(tmp_path / "network.safetensors", torch.device("cpu"))
    assert about["batch_norm"] is False and list(network.state_dict())[-2:] == ["dense.weight", "dense.bias"]
