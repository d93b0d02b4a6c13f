"""The trained networks that come with rehash: what they say of themselves, and that their command makes them again."""

import json

import pandas as pd
import pytest
import torch
import yaml

from graphs import ROOT
from rehash.config import over_defaults, validated
from rehash.datasets.build import build_dataset
from rehash.equihash import plan
from rehash.equihash.images.banks import build_bank
from rehash.equihash.learning.weights import read_network
from rehash.graph import dataset_description
from rehash.resources import shipped_networks
from rehash.store import file_digest
from shipped import first_losses

NAMES = ("digits_hash_net", "digits_shannon_hamming")
ROUNDING = (1e-5, 1e-4, 1e-3)  # relative, of the loss of each of the first steps


def about(name: str) -> dict:
    return json.loads(shipped_networks()[name].with_suffix(".json").read_text())


def parts(name: str) -> list[str]:
    """The task, model, variant and seed of the file that a network's command makes."""
    (target,) = (word for word in about(name)["command"].split() if word.endswith(".safetensors"))
    return target.split("/")[-5:-1]


def test_all_are_listed_and_small():
    assert tuple(shipped_networks()) == NAMES
    for name, path in shipped_networks().items():
        assert path.stat().st_size <= 4_000_000 and about(name)["sha256"] == file_digest(path)
        _, identity = read_network(path, torch.device("cpu"))
        made = about(name)["training"]["params"]["training"]
        made["schedule"]["steps"] = about(name)["steps"]
        assert {key: identity[key] for key in made} == made
        last = pd.read_csv(path.with_suffix(".csv")).query("split == 'valid'").iloc[-1]
        assert last.step == about(name)["steps"]


@pytest.mark.parametrize("name", NAMES)
def test_the_command_trains_what_is_shipped(name):
    """The config that the command names asks for just this training."""
    words = about(name)["command"].split()
    config = ROOT / words[words.index("--configfile") + 1]
    task, model, variant, seed = parts(name)
    config = validated(over_defaults(yaml.safe_load(config.read_text())))
    assert variant in ("default", f"step={about(name)['steps']}")
    asked = plan.run_params(config, task, model, "default", seed.removeprefix("seed="))
    made = about(name)["training"]["params"]["training"]
    for part in ("settings", "schedule"):  # keys that came later have their defaults
        assert {key: asked[part][key] for key in made[part]} == made[part]
    assert {key: asked[key] for key in ("task", "network", "bits", "objective", "seed")} == {
        key: made[key] for key in ("task", "network", "bits", "objective", "seed")
    }


@pytest.fixture(scope="module")
def bank(tmp_path_factory):
    """The bank that they are trained on, from the images that come with an installed package."""
    folder = tmp_path_factory.mktemp("bank")
    config = validated(over_defaults(yaml.safe_load((ROOT / "config" / "networks.yaml").read_text())))
    build_dataset(folder / "mnist5k.h5", {}, name="mnist5k", **dataset_description(config, "mnist5k"))
    described = plan.bank_description(config, "varied_digits5k")
    build_bank({"dataset": folder / "mnist5k.h5"}, folder / "bank.h5", description=described)
    return folder / "bank.h5"


@pytest.mark.parametrize("name", NAMES)
def test_its_first_steps_come_out_again(name, bank):
    """Equal but for the order of sums, which is another one on another processor, and makes ten times as much a step.

    Two other orders on one processor (activations by rows; torch's own convolutions) differ by up to 5e-7, 4e-5 and
    3e-4 in the first three losses; a learning rate a tenth larger, by 2e-3 in the second.
    """
    made = about(name)
    expected = made["first_losses"][: len(ROUNDING)]
    found = first_losses(bank, made["training"]["params"]["training"], parts(name)[0], len(expected))
    for ours, theirs, rounding in zip(found, expected, ROUNDING, strict=True):
        assert ours == pytest.approx(theirs, rel=rounding)
