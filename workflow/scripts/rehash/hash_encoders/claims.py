"""What a study's numbers say, in sentences: means, standard deviations, n, and whether it is more than the spread.

Each claim is a dictionary: `text`, and `verdict`. "Beyond the spread" means that two means differ by more than the two
standard deviations together.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rehash.hash_encoders.columns import METRICS
from rehash.hash_encoders.published import tally
from rehash.tables import mean_and_sd, summarise, with_state

Claims = list[dict[str, str]]
_NAMES = {
    "redundancy_train": "the redundancy ratio on the training inputs",
    "redundancy_test": "the redundancy ratio on the test inputs",
    "knn": "the accuracy of K-NN on the codes",
    "kmeans_test": "the accuracy of K-Means on the test codes",
    "redundancy": "the redundancy ratio",
    "distance": "the median L2 distance to the first change of the code",
}


def claims(table: pd.DataFrame, study: str) -> Claims:
    """What the table of a study says; none for a table with no row."""
    if table.empty:
        return []
    return _CLAIMS[study](table)


def capacity_claims(table: pd.DataFrame) -> Claims:
    """The paper's first claim, per protocol: redundancy falls with width; training makes codes categorize."""
    found = []
    rows_of_all = summarise(with_state(table), ["protocol", "layer_width", "state"], METRICS)
    for protocol, rows in rows_of_all[rows_of_all.n > 0].groupby("protocol"):
        trained = rows[rows.state == "trained"].set_index("layer_width")
        untrained = rows[rows.state == "untrained"].set_index("layer_width")
        if trained.empty:
            continue
        narrow, wide = trained.index.min(), trained.index.max()
        if narrow < wide:
            ends = trained.loc[narrow], trained.loc[wide]
            found.append(
                _change(*ends, "redundancy_train", f"Protocol {protocol}", f"at width {narrow}", f"at width {wide}")
            )
        if wide in untrained.index:
            found.append(
                _change(
                    *(untrained.loc[wide], trained.loc[wide], "knn", f"Protocol {protocol}, width {wide}"),
                    *("before training", "after training"),
                )
            )
    return found


def _along(column: str, word: str, metrics: tuple[str, ...]):
    """Claims about the change of `metrics` from the lowest to the highest value of `column`, at the widest width."""

    def found(table: pd.DataFrame) -> Claims:
        claims = []
        rows = summarise(table, ["protocol", "layer_width", column], METRICS)
        for protocol, part in rows.groupby("protocol"):
            width = part.layer_width.max()
            line = part[part.layer_width == width].set_index(column)
            low, high = line.index.min(), line.index.max()
            for metric in metrics if low < high else ():
                where = f"Protocol {protocol}, width {width}"
                ends = (f"at {word} {low:g}", f"at {word} {high:g}")
                claims.append(_change(line.loc[low], line.loc[high], metric, where, *ends))
        return claims

    return found


def _regularisation(table: pd.DataFrame) -> Claims:
    """The effect of each regulariser, its lowest against its highest level, averaged over the rest of the grid.

    A repeat counts if it was measured in every cell of the grid: networks that diverged must not tip the mean.
    """
    words = {"l2": "L2", "batch_norm": "BatchNorm", "dropout": "dropout"}
    found = []
    for protocol, part in table.groupby("protocol"):
        width = part.layer_width.max()
        part = part[part.layer_width == width]
        whole = part.groupby("repeat").knn.transform(lambda knn: knn.notna().all())
        for factor, word in words.items():
            means = part[whole].groupby([factor, "repeat"], as_index=False)[METRICS].mean()
            rows = summarise(means, [factor], METRICS).set_index(factor)
            if len(rows) < 2:
                continue
            low, high = rows.index.min(), rows.index.max()
            names = ("without", "with") if factor == "batch_norm" else (f"{low:g}", f"{high:g}")
            for metric in ("redundancy_train", "knn"):
                where = f"Protocol {protocol}, width {width}, mean over the rest of the grid"
                ends = (f"{name} {word}" if factor == "batch_norm" else f"at {word} {name}" for name in names)
                found.append(_change(rows.loc[low], rows.loc[high], metric, where, *ends))
    return found


def _random_inputs(table: pd.DataFrame) -> Claims:
    """At the end of training, inputs that are no pictures against pictures, per protocol."""
    words = {
        "permuted": "pictures with shuffled pixels",
        "uniform": "pixels uniform in [0, 1]",
        "uniform_negative": "pixels uniform in [-1, 0]",
    }
    found = []
    for protocol, part in table[table.epoch == table.epoch.max()].groupby("protocol"):
        rows = summarise(part, ["layer_width", "inputs"], ["redundancy"])
        if rows.empty:
            continue
        width = rows.layer_width.max()
        line = rows[rows.layer_width == width].set_index("inputs")
        where = f"Protocol {protocol}, width {width}, end of training"
        for kind, word in words.items():
            found.append(
                _change(line.loc["test"], line.loc[kind], "redundancy", where, "for test pictures", f"for {word}")
            )
    return found


def _published(table: pd.DataFrame) -> Claims:
    """How many points agree, per study and protocol; nothing where the data are other data."""
    found = []
    if (table.role == "context").all():
        text = (
            f"Published values are for {table.published_dataset.iloc[0]}; this is {table.dataset.iloc[0]}, so curves "
            "may be compared in shape only."
        )
        return [{"verdict": "Context, no comparison", "text": text}]
    for (study, protocol), part in tally(table).groupby(["study", "protocol"]):
        counts = "; ".join(f"{row.metric} {row.inside} of {row.judged}" for row in part.itertuples() if row.judged)
        inside, judged, points = part.inside.sum(), part.judged.sum(), part.points.sum()
        rest = f" {points - judged} points are not judged (the table says why)." if judged < points else ""
        found.append(
            {
                "verdict": f"{inside} of {judged} points inside",
                "text": f"{study}, protocol {protocol}: inside our spread plus the error with which the point was "
                f"read. By property: {counts or 'none was judged'}.{rest}",
            }
        )
    return found


def _phase_chart(table: pd.DataFrame) -> Claims:
    """How many points of the chart lie in each regime, per protocol."""
    found = []
    for protocol, part in table.groupby("protocol"):
        counts = part.regime.value_counts()
        text = ", ".join(f"{count} {regime}" for regime, count in counts.items())
        verdict = f"{part.regime.nunique()} regimes among {len(part)} points"
        found.append({"verdict": verdict, "text": f"Protocol {protocol}: {text}."})
    return found


def _regions(table: pd.DataFrame) -> Claims:
    """The median distance to the first change of the code, before and after training, per protocol and width.

    No claim where a network's median is infinite, since more than half of its lines never change.
    """
    found = []
    keys = ["protocol", "layer_width", "snapshot", "points"]
    medians = table.groupby([*keys, "repeat"], as_index=False).distance.median()
    rows = summarise(medians, keys, ["distance"])
    for (protocol, width), part in rows[np.isfinite(rows.distance_mean)].groupby(["protocol", "layer_width"]):
        part = part.set_index(["snapshot", "points"])
        for points in ("train", "random"):
            before, after = (("untrained", points), ("trained", points))
            if before in part.index and after in part.index:
                where = f"Protocol {protocol}, width {width}, lines between {points} inputs"
                ends = ("before training", "after training")
                found.append(_change(part.loc[before], part.loc[after], "distance", where, *ends))
    return found


def _change(before: pd.Series, after: pd.Series, metric: str, where: str, start: str, end: str) -> dict[str, str]:
    text = f"{where}: {_NAMES[metric]} goes from {_value(before, metric)} {start} to {_value(after, metric)} {end}."
    return {"text": text, "verdict": _verdict(before, after, metric)}


def _value(row: pd.Series, metric: str) -> str:
    return f"{mean_and_sd(row[f'{metric}_mean'], row[f'{metric}_sd'])} (n = {int(row['n'])})"


def _verdict(before: pd.Series, after: pd.Series, metric: str) -> str:
    if min(before["n"], after["n"]) < 2:
        return "One network, so no spread to judge by"
    difference = after[f"{metric}_mean"] - before[f"{metric}_mean"]
    if abs(difference) <= before[f"{metric}_sd"] + after[f"{metric}_sd"]:
        return "No change beyond the spread"
    return "Rises, beyond the spread" if difference > 0 else "Falls, beyond the spread"


_CLAIMS = {
    "capacity": capacity_claims,
    "sample_size": _along("sample_size", "sample size", ("redundancy_train", "knn")),
    "training_time": _along("epoch", "epoch", ("redundancy_train", "knn")),
    "regularisation": _regularisation,
    "label_noise": _along("label_noise", "share", ("redundancy_train", "knn")),
    "instance_noise": _along("instance_noise", "share", ("redundancy_test", "knn")),
    "random_inputs": _random_inputs,
    "phase_chart": _phase_chart,
    "regions": _regions,
    "published": _published,
}
