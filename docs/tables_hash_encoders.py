"""The tables of docs/hash_encoders.md that tell the protocol of the published MNIST figures, from the kept results."""

from pathlib import Path

import numpy as np
import pandas as pd

from rehash.hash_encoders.published import compare
from rehash.tables import mean_and_sd

RESULTS = Path(__file__).parent / "results"
PUBLISHED = Path(__file__).resolve().parents[1] / "workflow" / "resources" / "published_hash_encoders.csv"
COMPARED = ("redundancy_train", "redundancy_test", "knn", "lr")  # in the rms difference; K-Means stands beside
CANDIDATES = {  # of docs/protocols.yaml, whose `figures` has the exact loss; and the `figures` of the config
    "batch_64": "batch 64",
    "batch_100": "batch 100",
    "exact": "batch 128",
    "figures_samples": "batch 128, least improvement 1e-5",
    "figures": "batch 128, clipped loss (`figures`)",
}
RULES = (  # patience, min_delta
    *((2, 0.0), (5, 0.0), (10, 0.0), (20, 0.0)),
    *((10, 1e-5), (10, 1e-4), (10, 1e-3), (10, 1e-2)),
)
MOST = 2000  # epochs, of the protocol
FIXED = (100, 200, 300, 400, 600, 1000, 2000)


def _kept(study: str) -> pd.DataFrame:
    """Our networks under every candidate, the search's and the config's own."""
    search = pd.read_csv(RESULTS / f"protocol_batches_{study}.csv").replace({"protocol": {"figures": "exact"}})
    table = pd.concat([search, pd.read_csv(RESULTS / f"mnist_{study}.csv")])
    table = table[table.protocol.isin(CANDIDATES)]
    return table if study == "capacity" else table[table.layer_width == 40]


def _batches(study: str) -> pd.DataFrame:
    """Ours and published, point by point."""
    return compare([_kept(study)], pd.read_csv(PUBLISHED), dataset="mnist", role="comparison")


def batches(study: str, axis: str) -> pd.DataFrame:
    """A row a published x, a column a candidate: rms difference to published values, points inside, K-Means."""
    found, lines = _batches(study), []
    for x, points in found.groupby("x"):
        line = {axis: f"{x:,}"}
        for protocol, words in CANDIDATES.items():
            if protocol not in set(found.protocol):
                continue
            mine = points[points.protocol == protocol]
            four, kmeans = mine[mine.metric.isin(COMPARED)], mine[mine.metric == "kmeans_test"]
            cell = "not run"
            if len(four):
                rms, inside = np.sqrt(np.mean(np.square(four.difference))), (four.verdict == "inside").sum()
                cell = f"{rms:.3f}, {inside} of {len(four)}"
                cell += f"; {kmeans.difference.iloc[0]:+.3f} {kmeans.verdict.iloc[0]}" if len(kmeans) else ""
            line[words] = cell if mine.n.min() == found.n.max() or cell == "not run" else f"{cell} (n = {mine.n.min()})"
        lines.append(line)
    return pd.DataFrame(lines)


def by_size() -> pd.DataFrame:
    """`batches` of the sample-size study, and at which epochs networks stopped."""
    table, ours = batches("sample_size", "inputs"), _kept("sample_size")
    for protocol in ("exact", "figures"):
        ends = ours[ours.protocol == protocol].groupby("sample_size").epoch.agg(["min", "max"])
        words = {f"{n:,}": f"{low:,}" if low == high else f"{low:,} to {high:,}" for n, (low, high) in ends.iterrows()}
        table[f"{CANDIDATES[protocol]} stops at epoch"] = table.inputs.map(words).fillna("not run")
    return table


def stopping() -> pd.DataFrame:
    """How far from the published values networks of small samples are under each stopping rule, by sample size."""
    table, rules = pd.read_csv(RESULTS / "stopping.csv"), pd.read_csv(RESULTS / "stopping_rules.csv")
    theirs = pd.read_csv(PUBLISHED).query("study == 'sample_size' and dataset == 'mnist' and layer_width == 40")
    theirs = theirs.set_index(["metric", "x"]).value
    named = {f"patience {p}" + (f", least improvement {d:g}" if d else ""): (p, d) for p, d in RULES}
    lines = []
    samples = {n: dict(list(part.sort_values("epoch").groupby("repeat"))) for n, part in table.groupby("sample_size")}
    for words, rule in [*named.items(), *((f"{e:,} epochs", e) for e in FIXED)]:
        line = {"rule": words}
        for n, trainings in samples.items():
            line[f"n = {n:,}"] = _distance(n, trainings, _ends(rules, n, rule, trainings), theirs)
        lines.append(line)
    return pd.DataFrame(lines)


def _ends(rules: pd.DataFrame, n: int, rule: tuple[int, float] | int, trainings: dict) -> dict[int, int] | None:
    """Repeat -> the epoch at which a rule stops it; None if these networks were not trained so far."""
    last = max(training.epoch.max() for training in trainings.values())
    if isinstance(rule, int):
        return dict.fromkeys(trainings, rule) if rule <= last else None
    ends = rules.query("sample_size == @n and patience == @rule[0] and min_delta == @rule[1]").set_index("repeat").epoch
    return None if last < MOST and (ends == last).any() else ends.to_dict()


def _distance(n: int, trainings: dict[int, pd.DataFrame], ends: dict[int, int] | None, theirs: pd.Series) -> str:
    """Root of the mean squared difference, of means over networks; between two kept epochs, along log epoch.

    trainings: by repeat, the rows of its epochs in order.
    """
    if ends is None:
        return "not run"
    differences = []
    for metric in COMPARED:
        if (metric, n) in theirs:
            ours = [
                np.interp(np.log(ends[repeat]), np.log(training.epoch), training[metric])
                for repeat, training in trainings.items()
            ]
            differences.append(np.mean(ours) - theirs[metric, n])
    return f"{np.sqrt(np.mean(np.square(differences))):.3f}"


def solvers() -> pd.DataFrame:
    """Accuracy of the logistic regression by solver, and the most iterations that one took."""
    table, lines = pd.read_csv(RESULTS / "solvers.csv"), []
    for (networks, solver), part in table.groupby(["networks", "solver"], sort=False):
        line = {
            "networks": networks,
            "n": len(part),
            "solver": solver,
            "accuracy": mean_and_sd(part.lr.mean(), part.lr.std()),
        }
        lines.append({**line, "most iterations": part.most_iterations.max()})
    return pd.DataFrame(lines)


def layers() -> pd.DataFrame:
    """A row a layer of the ResNet-20 on CIFAR-10: properties of its code, trained, and untrained in brackets."""
    table = pd.read_csv(RESULTS / "cifar10_layers.csv")
    shown = {"redundancy_train": "redundancy", "knn": "K-NN", "lr": "logistic regression", "kmeans_test": "K-Means"}
    lines = []
    for pool, words in (("none", "a bit a position"), ("any", "a bit a channel")):
        part = table[table.pool == pool]
        states = [part[part.state == state].set_index("node") for state in ("trained", "untrained")]
        for node in states[0].index:
            both = [state.loc[node] for state in states]
            line = {"code": words, "layer": node, "bits": f"{both[0].layer_bits:,}"}
            cells = {
                name: "{:.3f} ({:.3f})".format(*(state[metric] for state in both)) for metric, name in shown.items()
            }
            lines.append({**line, **cells})
    return pd.DataFrame(lines)
