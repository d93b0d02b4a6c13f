"""Networks of the wing equihash on the tests' graph: trained against untrained, ablations, kills, a new objective."""

import re
import shutil

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from scipy.stats import beta

from graphs import ROOT, SMALL, snakemake

EQUIHASH = "results/equihash"
RUN = f"{EQUIHASH}/models/digits/hash_net/default/seed=3210"


def test_training_beats_no_training_beyond_the_intervals(built):
    """The wing's first claim, from the table alone."""
    table = pd.read_csv(built / EQUIHASH / "tasks" / "digits" / "distances.csv")
    rates = table[table.model == "shannon_hamming"].set_index(["variant", "metric"])
    trained, untrained = rates.loc["default"], rates.loc["untrained"]
    assert (rates.n == 300).all()
    assert trained.low["recall_at_3"] > untrained.high["recall_at_3"]
    assert trained.high["fallout_at_3"] < trained.low["recall_at_3"]
    for row in rates.itertuples():
        hits = round(row.value * row.n)
        assert row.low == pytest.approx(beta.ppf(0.025, hits, row.n - hits + 1) if hits else 0)
    histogram = pd.read_csv(built / EQUIHASH / "tasks" / "digits" / "distances_histogram.csv")
    means = {
        key: np.average(rows.distance, weights=rows["count"])
        for key, rows in histogram[histogram.model == "shannon_hamming"].groupby(["variant", "pairs_of"])
    }
    assert means["default", "same"] < means["untrained", "same"] < means["untrained", "different"]
    assert means["untrained", "different"] < means["default", "different"]  # nearer to 32 of 64


def test_histories_are_tidy(built):
    for task, models in (("digits", {"shannon_hamming", "hash_net"}), ("small_natural", {"shannon_hamming"})):
        table = pd.read_csv(built / EQUIHASH / "tasks" / task / "training.csv")
        assert (
            set(table.model) == models and set(table.split) == {"train", "valid"} and set(table.variant) == {"default"}
        )
        assert table.loss.notna().eq((table.split == "train") & (table.step > 0)).all() and (table.step == 0).any()
        assert not table.duplicated(["model", "seed", "step", "split"]).any()


def test_a_family_has_every_run_and_metric(built):
    table = pd.read_csv(built / EQUIHASH / "families" / "digits" / "alpha.csv")
    assert table.variant.unique().tolist() == ["alpha=0.05+gamma=0.001", "alpha=0.5+gamma=0.001"]
    assert table.parameter.unique().tolist() == ["alpha"] and set(table.parameter_value) == {0.05, 0.5}
    counts = table.groupby(["variant", "seed"]).metric.nunique()
    assert len(counts) == 2 and (counts == 10 + 8).all() and (table.database_size == 1200).all()
    assert (table.low <= table.value).all() and (table.value <= table.high).all()


def test_a_database_is_asked_with_networks_of_several_steps(built):
    """The last is the trained network itself, whose evaluation is that of the comparison."""
    table = pd.read_csv(built / EQUIHASH / "databases" / "small_natural" / "checkpoints.csv")
    assert table.step.unique().tolist() == [2, 4] and table.variant.unique().tolist() == ["step=2", "default"]
    other = pd.read_csv(built / EQUIHASH / "databases" / "small_natural" / "retrieval.csv")
    last, same = table[table.step == 4].reset_index(drop=True), other[other.model == "shannon_hamming"]
    assert last.value.equals(same.value.reset_index(drop=True)) and len(last) == len(table) / 2


def test_figures_are_drawn(built):
    names = ["tasks/digits/diagnostics", "databases/small_natural/checkpoints"]
    names += [
        "tasks/digits/training",
        "tasks/digits/distances",
        "tasks/small_natural/distances",
        "families/digits/alpha",
    ]
    for name in names:
        assert imread(built / EQUIHASH / f"{name}.png").std() > 0.1, name


OBJECTIVE = '''"""A toy."""

from rehash.equihash.learning.objectives.base import Objective, equality


class Margin(Objective):
    """Views agree, and no logit is nearer to zero than `margin`."""

    margin: float = 1.0

    def forward(self, logits, targets, step, source):
        """See `Objective.forward`."""
        return {"agree": -equality(logits), "apart": (self.margin - logits.abs()).clamp(min=0).sum(2).mean()}
'''


def test_a_new_objective_is_one_file_and_one_block(built, tmp_path):
    """And it trains none of the other models again."""
    house = tmp_path / "house"
    ignored = shutil.ignore_patterns("results", ".*", "__pycache__")
    shutil.copytree(ROOT, house, ignore=ignored)
    (house / "workflow/scripts/rehash/equihash/learning/objectives/margin.py").write_text(OBJECTIVE)
    (tmp_path / "mine.yaml").write_text(
        "equihash: {models: {digits: {margin: {objective: margin, settings: {margin: 2.0}, training: {steps: 2, "
        "micro_batches: 1, pairs: 8, evaluate_every: 1, evaluation_pairs: 20}}}}}\n"
    )
    shutil.copytree(built, tmp_path / "run")
    target = f"{EQUIHASH}/tasks/digits/training.csv"
    words = (tmp_path / "run", target, "--cores", 2)
    output = snakemake(*words, root=house, configs=[SMALL, tmp_path / "mine.yaml"])
    table = pd.read_csv(tmp_path / "run" / target)
    assert set(table.model) == {"shannon_hamming", "hash_net", "margin"}
    begun = re.findall(r"^Job \d+: (.*)$", output, flags=re.M)
    assert begun == [
        "Training margin on digits: default, seed 3210",
        "Collecting the training of the models of digits",
    ]


def test_another_configuration_starts_anew(built, tmp_path):
    """A variant that is in no family is one request."""
    shutil.copytree(built / EQUIHASH / "banks", tmp_path / EQUIHASH / "banks")
    shutil.copytree(built / "results" / "datasets", tmp_path / "results" / "datasets")
    target = f"{EQUIHASH}/models/digits/hash_net/alpha=0.3+steps=2/seed=7/network.safetensors"
    snakemake(tmp_path, target, "--cores", 1)
    history = pd.read_csv((tmp_path / target).with_name("training.csv"))
    assert history.step.tolist() == [0, 0, 2, 2] and history.seed.unique() == [7]
    output = snakemake(tmp_path, target.replace("alpha", "alhpa"), "--cores", 1, check=False)
    assert "variant alhpa=0.3+steps=2: unknown parameter 'alhpa'; did you mean 'alpha'" in output


def test_a_public_checkpoint_stands_beside_our_models(tmp_path):
    import torch
    from safetensors.torch import load_file

    shapes = {
        **{"conv1.weight": (24, 1, 5, 5), "conv1.bias": (24,), "conv2.weight": (32, 24, 3, 3), "conv2.bias": (32,)},
        **{"conv3.weight": (48, 32, 3, 3), "conv3.bias": (48,), "fc1.weight": (512, 1728), "fc1.bias": (512,)},
        **{"fc2.weight": (64, 512), "fc2.bias": (64,)},
    }
    net = {name: torch.randn(shape) for name, shape in shapes.items()}
    for norm, width in (("conv2_bn", 24), ("conv3_bn", 32), ("bn", 64)):
        net |= {f"{norm}.{part}": torch.rand(width) for part in ("weight", "bias", "running_mean", "running_var")}
        net[f"{norm}.num_batches_tracked"] = torch.tensor(9)
    torch.save({"config": {"network_class": "MnistMosaicCNN"}, "net": net, "trainer": {}}, tmp_path / "state.pth")
    (tmp_path / "mine.yaml").write_text(
        f"equihash: {{models: {{digits: {{theirs: {{import: {tmp_path / 'state.pth'}}}}}}}}}\n"
    )
    configs = [SMALL, tmp_path / "mine.yaml"]
    planned = snakemake(tmp_path, "-n", f"{EQUIHASH}/tasks/digits/distances.csv", configs=configs)
    assert "Importing theirs for digits" in planned and "Training theirs on digits: untrained" in planned
    assert "Training theirs on digits: default" not in planned
    target = f"{EQUIHASH}/models/digits/theirs/imported/seed=3210/network.safetensors"
    snakemake(tmp_path, target, "--cores", 1, configs=configs)
    assert torch.equal(load_file(tmp_path / target)["conv1.weight"], net["conv1.weight"])
    output = snakemake(tmp_path, target.replace("imported", "default"), "--cores", 1, check=False, configs=configs)
    assert "it is imported, not trained here; its variants are imported and untrained" in output
