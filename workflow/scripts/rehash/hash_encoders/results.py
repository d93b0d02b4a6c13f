"""What the report says of the wing's figures: tables of numbers for readers, and claims."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from rehash.hash_encoders.columns import FACTORS, METRICS, ONE_VS_REST
from rehash.hash_encoders.published import tally
from rehash.hash_encoders.studies import PROPERTIES, SAID, STUDIES
from rehash.tables import mean_and_sd, summarise, with_state
from rehash.verdicts import CHANGES, DEFINITION, Claim, Claims, compared

TITLE = "Neural networks behave as hash encoders"
TEXT = (
    "A ReLU network cuts its input space into linear regions. The neural code of an input says in which region it "
    "lies: one bit for each hidden unit, on or off. He et al. (2021) find that these codes behave like a hash: "
    f"few inputs share one, and inputs of one class get similar ones. {DEFINITION}"
)
_SHOWN = (
    *("redundancy_train", "redundancy_test", "kmeans_test", "kmeans_test_matched"),
    *("knn", "lr", "accuracy_test"),
)
_KEYS = ("protocol", "layer_width", *FACTORS, "inputs", "epoch")
_NAMES = {"layer_width": "width", "state": "networks"}
_REGULARISERS = {"l2": "L2", "batch_norm": "BatchNorm", "dropout": "dropout"}
_INPUTS = {
    "permuted": "shuffled test inputs",
    "uniform": "inputs uniform in [0, 1]",
    "uniform_negative": "inputs uniform in [-1, 0]",
}


def study_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise a study's means and spreads as text cells; keys with one value throughout are left out.

    The name of the logistic regression's column says so if it is one-vs-rest.
    """
    keys = _varying(table)
    if STUDIES[table.study.iloc[0]].snapshots:
        found = _summary(table, keys, _SHOWN)
    else:
        # Networks may stop at different epochs, so group them by whether they are trained.
        by = [*(key for key in keys if key != "epoch"), *(["state"] if table.epoch.eq(0).any() else [])]
        found = _summary(with_state(table), by, _SHOWN)
    rest = table.get("lr_scheme", pd.Series()).eq(ONE_VS_REST).any()
    return found.rename(columns={PROPERTIES["lr"]: f"{PROPERTIES['lr']} ({ONE_VS_REST})"} if rest else {})


def random_inputs_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise the means and spreads for each kind of input as text cells."""
    return _summary(table, _varying(table), ("redundancy", "active_share"))


def _varying(table: pd.DataFrame) -> list[str]:
    return [key for key in _KEYS if key in table and table[key].nunique() > 1]


def _summary(table: pd.DataFrame, by: list[str], metrics: tuple[str, ...]) -> pd.DataFrame:
    rows = summarise(table, by or ["layer_width"], metrics)
    shown = {_NAMES.get(key, key.replace("_", " ")): rows[key] for key in [*by, "n"]}
    for metric in metrics:
        shown[PROPERTIES[metric]] = list(map(mean_and_sd, rows[f"{metric}_mean"], rows[f"{metric}_sd"]))
    return pd.DataFrame(shown)


def published_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Count the published values that lie inside our spread, by study, protocol and property."""
    counts = tally(table)
    return counts.assign(
        **{column: counts[column].map("{:+.3f}".format) for column in ("mean_difference", "largest_difference")}
    )


def phase_chart_summary(table: pd.DataFrame) -> pd.DataFrame:
    """List every point of the phase chart with its means and its regime."""
    means = {
        name: list(map(mean_and_sd, table[name], table[f"{name}_sd"])) for name in ("redundancy", "categorization")
    }
    return table[["protocol", "plane", "layer_width", "x", "n"]].assign(**means, regime=table.regime)


def regions_summary(lines: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """Summarise medians over each network's lines as mean and spread over networks.

    A mean distance is inf if half or more of the lines of one of its networks have no change.
    """
    keys = ["protocol", "layer_width", "snapshot", "points"]
    medians = lines.groupby([*keys, "repeat"], as_index=False)[["distance", "changes"]].median()
    rows = summarise(medians, keys, ["distance", "changes"])
    return rows[[*keys, "n"]].assign(
        **{
            "median distance to the first change": list(map(mean_and_sd, rows.distance_mean, rows.distance_sd)),
            "median changes on a line": list(map(mean_and_sd, rows.changes_mean, rows.changes_sd)),
        }
    )


def capacity_claims(table: pd.DataFrame) -> Claims:
    """State the paper's first claim for each protocol: redundancy falls with width, training makes codes categorize."""
    found = []
    for protocol, part in table.groupby("protocol"):
        trained, untrained = part[part.epoch > 0], part[part.epoch == 0]
        there = trained.dropna(subset=METRICS)
        if there.empty:
            continue
        narrow, wide = there.layer_width.min(), there.layer_width.max()
        ends = [trained[trained.layer_width == width] for width in (narrow, wide)]
        if narrow < wide:
            names = (f"at width {narrow}", f"at width {wide}")
            found.append(_change(*ends, "redundancy_train", f"Protocol {protocol}", names))
        before = untrained[untrained.layer_width == wide]
        names = ("before training", "after training")
        found.append(_change(before, ends[1], "knn", f"Protocol {protocol}, width {wide}", names))
    return _there(found)


def study_claims(table: pd.DataFrame) -> Claims:
    """State how properties change from the lowest to the highest value of the study's column, at the largest width."""
    study, found = STUDIES[table.study.iloc[0]], []
    word = study.word or study.column.replace("_", " ")
    # Networks that diverged were not measured, so take the width and the extremes from the others.
    for protocol, part in table.dropna(subset=METRICS).groupby("protocol"):
        line = part[part.layer_width == part.layer_width.max()]
        low, high = line[study.column].min(), line[study.column].max()
        ends = [line[line[study.column] == value] for value in (low, high)]
        names = (f"at {word} {low:g}", f"at {word} {high:g}")
        where = f"Protocol {protocol}, width {line.layer_width.iloc[0]}"
        found += [_change(*ends, metric, where, names) for metric in study.said if low < high]
    return _there(found)


def regularisation_claims(table: pd.DataFrame) -> Claims:
    """State the effect of each regulariser: its lowest against its highest level, averaged over the rest of the grid.

    A repeat counts only if it was measured in every cell of the grid, so that networks that diverged do not bias the
    mean.
    """
    found = []
    for protocol, part in table.groupby("protocol"):
        width = part.layer_width.max()
        part = part[part.layer_width == width]
        whole = part[part.groupby("repeat").knn.transform(lambda knn: knn.notna().all())]
        for (factor, word), metric in product(_REGULARISERS.items(), STUDIES["regularisation"].said):
            low, high = part[factor].min(), part[factor].max()
            if low == high:
                continue
            means = [
                whole[whole[factor] == level].groupby("repeat", as_index=False)[METRICS].mean() for level in (low, high)
            ]
            names = (
                (f"without {word}", f"with {word}")
                if factor == "batch_norm"
                else (f"at {word} {low:g}", f"at {word} {high:g}")
            )
            where = f"Protocol {protocol}, width {width}, mean over the rest of the grid"
            found.append(_change(*means, metric, where, names))
    return _there(found)


def random_inputs_claims(table: pd.DataFrame) -> Claims:
    """Compare random and shuffled inputs with test inputs at the end of training, for each protocol."""
    found = []
    last = table[table.epoch == table.epoch.max()].dropna(subset=["redundancy"])
    for protocol, part in last.groupby("protocol"):
        line = part[part.layer_width == part.layer_width.max()]
        where = f"Protocol {protocol}, width {line.layer_width.iloc[0]}, end of training"
        test = line[line.inputs == "test"]
        for kind, word in _INPUTS.items():
            names = ("for test inputs", f"for {word}")
            found.append(_change(test, line[line.inputs == kind], "redundancy", where, names))
    return _there(found)


def published_claims(table: pd.DataFrame) -> Claims:
    """State how many published points agree, for each study and protocol; points of other data are not judged."""
    if table.empty:
        return []
    if (table.role == "context").all():
        text = (
            f"Published values are for {table.published_dataset.iloc[0]}; this is {table.dataset.iloc[0]}, so curves "
            "may be compared in shape only."
        )
        return [{"verdict": "Context, no comparison", "text": text}]
    found = []
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


def phase_chart_claims(table: pd.DataFrame) -> Claims:
    """State how many points of the chart lie in each regime, for each protocol."""
    found = []
    for protocol, part in table.groupby("protocol"):
        counts = part.regime.value_counts()
        text = ", ".join(f"{count} {regime}" for regime, count in counts.items())
        verdict = f"{part.regime.nunique()} regimes among {len(part)} points"
        found.append({"verdict": verdict, "text": f"Protocol {protocol}: {text}."})
    return found


def regions_claims(lines: pd.DataFrame, slices: pd.DataFrame) -> Claims:
    """Compare the median distance to the first code change before and after training, per protocol and width.

    No claim is made if a network's median is infinite, since half or more of its lines have no change. Say, too, why
    there is no slice, if there is none, and if there were too few inputs for all lines.
    """
    keys = ["protocol", "layer_width", "snapshot", "points"]
    medians = lines.groupby([*keys, "repeat"], as_index=False).distance.median()
    found = []
    for (protocol, width), part in medians.groupby(["protocol", "layer_width"]):
        for points in ("train", "random"):
            ends = [part[(part.snapshot == state) & (part.points == points)] for state in ("untrained", "trained")]
            if all(np.isfinite(rows.distance.dropna()).all() for rows in ends):
                where = f"Protocol {protocol}, width {width}, lines between {points} inputs"
                found.append(_change(*ends, "distance", where, ("before training", "after training")))
    return _there(found) + _left_out(lines)


def _left_out(lines: pd.DataFrame) -> Claims:
    """Say which slices and lines the figure of linear regions has not, and why."""
    found = []
    for why, part in lines[lines.no_slice.notna()].groupby("no_slice"):
        of = part[["protocol", "layer_width"]].drop_duplicates()
        networks = ", ".join(f"{row.protocol}, width {row.layer_width}" for row in of.itertuples())
        found.append({"verdict": "No slice", "text": f"{why[0].upper()}{why[1:]} (protocol {networks})."})
    counts = lines.groupby("points").line.nunique().reindex(["train", "test", "random"], fill_value=0)
    if few := [f"{count} between {points} inputs" for points, count in counts.items() if count < counts.random]:
        text = f"{counts.random} were asked for; there are inputs for {' and '.join(few)}."
        found.append({"verdict": "Fewer lines than asked for", "text": text})
    return found


def _change(start: pd.DataFrame, end: pd.DataFrame, metric: str, where: str, names: tuple[str, str]) -> Claim | None:
    """State how a column changes between rows of the same repeats; None if no repeat has both."""
    ends = (rows.set_index("repeat")[metric] for rows in (start, end))
    return compared(*ends, f"{where}: {SAID.get(metric, PROPERTIES.get(metric, metric))}", names, verdicts=CHANGES)


def _there(claims: list[Claim | None]) -> Claims:
    return [claim for claim in claims if claim]
