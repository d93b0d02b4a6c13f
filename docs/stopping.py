"""Measure how networks of small MNIST samples change along training, to tell how the published ones were stopped.

python docs/stopping.py DATASET.h5 FOLDER

Trains five networks of width 40 a sample size as protocol `figures` has it, but with the exact loss (no clip) and
without stopping (LAST), keeps them at EPOCHS and measures their codes. Since nothing stops, every stopping rule can be
applied afterwards: the history of the training loss says where each rule would have ended. Writes
docs/results/stopping.csv (the properties) and stopping_rules.csv (the epoch at which each rule stops each network).
FOLDER keeps networks and codes; killed, the script goes on where it was.
"""

import json
import sys
from pathlib import Path

import pandas as pd
import torch
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from rehash.hash_encoders.measure import measure_properties  # noqa: E402
from rehash.hash_encoders.networks_file import read_networks  # noqa: E402
from rehash.hash_encoders.train import Training, train_mlps  # noqa: E402
from rehash.job import Saving  # noqa: E402
from rehash.training import Compute  # noqa: E402

RESULTS = ROOT / "docs" / "results"
# Sample size -> epochs.
LAST = {
    **dict.fromkeys((30, 60, 100, 300, 600, 1000, 2000, 3000), 2000),
    6000: 1000,
    10000: 600,
    20000: 600,
    30000: 600,
}
EPOCHS = (10, 30, 60, 100, 200, 300, 400, 600, 1000, 1500, 2000)
# (patience, min_delta): a network stops once its training loss has not fallen by more than min_delta below its best for
# `patience` epochs. Keras' usual choices, and the scripts' own (10, 0).
RULES = [(patience, delta) for patience in (2, 5, 10, 20, 50) for delta in (0.0, 1e-5, 1e-4, 1e-3, 1e-2)]


def stop(losses: list[float], patience: int, min_delta: float) -> int:
    """The epoch, counted from 1, at which a rule ends a training whose loss was `losses` after each epoch."""
    best, waited = float("inf"), 0
    for epoch, loss in enumerate(losses, 1):
        improved = loss < best - min_delta
        best, waited = (loss, 0) if improved else (best, waited + 1)
        if waited >= patience:
            return epoch
    return len(losses)


def main(dataset: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    protocol = yaml.safe_load((ROOT / "config" / "config.yaml").read_text(encoding="utf-8"))["hash_encoders"][
        "protocols"
    ]["figures"]
    protocol["clip"] = 0.0
    keys = {"dataset": "mnist", "study": "sample_size", "protocol": "figures", "depth": 1, "layer_width": 40}
    cells = [{"sample_size": n, "tiled": False, "epochs": [e for e in EPOCHS if e <= last]} for n, last in LAST.items()]
    networks, history = folder / "networks.safetensors", folder / "training.csv"
    if not history.exists():
        training = Training(keys, protocol, cells, train_share=1, repeats=5, seed=2021)
        train_mlps(dataset, networks, history, training, Compute("cpu", 1), Saving())
    measure_properties(dataset, networks, RESULTS / "stopping.csv", Compute("cpu", 1))
    losses = pd.read_csv(history).sort_values("epoch").groupby(["sample_size", "repeat"]).loss.apply(list)
    rules = [
        {
            "sample_size": n,
            "repeat": repeat,
            "patience": patience,
            "min_delta": delta,
            "epoch": stop(line, patience, delta),
        }
        for (n, repeat), line in losses.items()
        for patience, delta in RULES
    ]
    pd.DataFrame(rules).to_csv(RESULTS / "stopping_rules.csv", index=False)
    made_from = {**read_networks(networks)[1], "epochs": LAST, "torch": torch.__version__}
    (RESULTS / "stopping.json").write_text(json.dumps(made_from, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
