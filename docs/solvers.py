"""Measure how much the solver of the logistic regression matters: the optimum, and what the public scripts may run.

python docs/solvers.py NAME DATASET.h5 NETWORKS.safetensors

The public scripts leave scikit-learn's solver at its default, which is lbfgs stopped after 100 iterations, or liblinear
(whose intercept is penalised) before version 0.22; the version is not pinned. Fits each to the codes of all trained
networks of a file, as OneVsOneClassifier does, and writes their accuracies on the test codes to
docs/results/solvers.csv, in place of those that NAME had.
"""

import json
import sys
import warnings
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

import sklearn  # noqa: E402
import torch  # noqa: E402
from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.multiclass import OneVsOneClassifier  # noqa: E402

from rehash.bits import select_bits, unpack, varying_bits  # noqa: E402
from rehash.datasets.layout import Dataset  # noqa: E402
from rehash.hash_encoders.cells import Cell, sample  # noqa: E402
from rehash.hash_encoders.encode import encode, network_shape  # noqa: E402
from rehash.hash_encoders.networks import as_inputs  # noqa: E402
from rehash.hash_encoders.networks_file import read_networks, training_inputs  # noqa: E402
from rehash.hash_encoders.protocols import Protocol  # noqa: E402
from rehash.training import Compute  # noqa: E402

KEPT = ROOT / "docs" / "results" / "solvers.csv"
FROM = KEPT.with_suffix(".json")
SOLVERS = {
    "newton-cholesky, to the optimum": {"solver": "newton-cholesky", "tol": 1e-6},
    "lbfgs, at most 100 iterations": {"solver": "lbfgs"},
    "liblinear": {"solver": "liblinear"},
}


def codes_of(dataset: Path, networks: Path):
    """The identity of a file of networks, and of each trained one its codes and their labels, train and test."""
    cells, identity = read_networks(networks)
    images, cell = Dataset.read(dataset), Cell.of(identity["cells"][0])
    chosen = sample(
        cell,
        training_inputs(images.train, identity["train_share"]),
        seed=identity["seed"],
        dataset=identity["keys"]["dataset"],
    )
    shape = network_shape(identity, images.train.inputs[0].size, networks)
    protocol = cell.protocol(Protocol(**identity["protocol"]))
    splits = (chosen.inputs, chosen.true_labels), (images.test.inputs, images.test.labels)
    cpu = Compute("cpu", 1).start()
    packed = [
        encode(
            cells[0]["trained"],
            as_inputs(inputs, cpu, offset=protocol.offset),
            torch.from_numpy(labels),
            shape,
            protocol.norm,
        )[0]
        for inputs, labels in splits
    ]
    return identity, zip(*packed), [labels for _, labels in splits], shape.code_bits


def main(name: str, dataset: Path, networks: Path) -> None:
    rows = []
    identity, codes, (train_labels, test_labels), n_bits = codes_of(dataset, networks)
    for repeat, packed in enumerate(codes):
        keep = varying_bits(*packed, n_bits=n_bits)
        train, test = (unpack(select_bits(each, keep), int(keep.sum())).astype("float32") for each in packed)
        for words, settings in SOLVERS.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                fitted = OneVsOneClassifier(LogisticRegression(C=1.0, **settings)).fit(train, train_labels)
            most = max(int(model.n_iter_.max()) for model in fitted.estimators_)
            accuracy = float((fitted.predict(test) == test_labels).mean())
            row = {"networks": name, "repeat": repeat, "solver": words, "most_iterations": most}
            rows.append({**row, "lr": accuracy})
            print(rows[-1], flush=True)
    before = pd.read_csv(KEPT).query("networks != @name") if KEPT.exists() else pd.DataFrame()
    pd.concat([before, pd.DataFrame(rows)]).to_csv(KEPT, index=False)
    made_from = json.loads(FROM.read_text(encoding="utf-8")) if FROM.exists() else {}
    made_from[name] = {**identity, "scikit-learn": sklearn.__version__}
    FROM.write_text(json.dumps(made_from, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
