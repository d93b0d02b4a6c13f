"""What the report says of the wing's figures: tables of numbers for readers, and claims."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd

from rehash.hash_encoders.blocks import blocks, of_all_inputs
from rehash.hash_encoders.columns import FACTORS, LAYER_METRICS, METRICS, ONE_VS_REST, REGULARISERS
from rehash.hash_encoders.protocols import SLOPES
from rehash.hash_encoders.published import tally
from rehash.hash_encoders.studies import PROPERTIES, SAID, STUDIES, WAYS, level_name
from rehash.tables import mean_and_sd, medians, summarise, with_state
from rehash.verdicts import CHANGES, DEFINITION, Claim, Claims, compared

TITLE = "Neural networks behave as hash encoders"
SHORT = "Hash encoders"  # in lists of the works
CITED = "He, Lei, Ji and Tao (2021), arXiv 2101.05490"
TEXT = (
    "A ReLU network cuts its input space into linear regions. The neural code of an input says in which region it "
    "lies: one bit for each hidden unit, on or off. He et al. (2021) find that these codes behave like a hash: "
    f"few inputs share one, and inputs of one class get similar ones. {DEFINITION}"
)
_SHOWN = (
    *("redundancy_train", "redundancy_test", "kmeans_test", "kmeans_test_matched"),
    *("knn", "lr", "accuracy_test"),
)
_DEEP = ("redundancy_train", "redundancy_test", "knn", "lr", "accuracy_test")
_KEYS = ("protocol", "depth", "layer_width", *FACTORS, "inputs", "epoch")
_NAMES = {"layer_width": "width", "state": "networks"}
_STARTS = {"train": "training inputs", "random": "inputs uniform in [0, 1]"}
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


def depth_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise a capacity study's means and spreads as text cells, depth after depth of each width."""
    by = [*(key for key in ("protocol", "layer_width", "depth") if table[key].nunique() > 1 or key == "depth"), "state"]
    return _summary(with_state(table), by, ("code_bits", *_DEEP))


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
    """List every point of the phase chart with its means, its regime and whether that is decided."""
    means = {
        name: list(map(mean_and_sd, table[name], table[f"{name}_sd"])) for name in ("redundancy", "categorization")
    }
    told = table.assign(
        **means,
        plane=table.plane.str.replace("_", " "),
        epoch=table.epoch.map(lambda epoch: "to the end" if pd.isna(epoch) else f"{epoch:.0f}"),
        decided=table.decided.map({True: "yes", False: "no"}),
    )
    keys = ["protocol", "plane", "depth", "layer_width", "sample_size", "epoch", "n", *means, "regime", "decided"]
    return told[keys].rename(columns={"layer_width": "width", "sample_size": "inputs"})


def regions_summary(lines: pd.DataFrame, slices: pd.DataFrame) -> pd.DataFrame:
    """Summarise medians over each network's lines as mean and spread over networks.

    A mean distance is inf if half or more of the lines of one of its networks have no change.
    """
    keys = ["protocol", *_deep(lines), "layer_width", "snapshot", "points", "direction"]
    return _extents(lines[lines.networks == "capacity"], keys, ("forward", "chord", "nearest_face", "changes"))


def regions_time_summary(lines: pd.DataFrame, slices: pd.DataFrame, study: pd.DataFrame) -> pd.DataFrame:
    """Summarise, epoch by epoch, the medians over training inputs beside the redundancy of the same networks."""
    lines = lines[(lines.networks == "training_time") & (lines.points == "train")]
    keys = ["protocol", *_deep(lines), "layer_width"]
    found = _extents(lines, [*keys, "epoch", "direction"], ("chord", "nearest_face"))
    beside = _summary(study[of_all_inputs(study)], [*keys, "epoch"], ("redundancy_train", "redundancy_test"))
    beside = beside.rename(columns={"width": "layer_width"}).drop(columns="n")
    return found.merge(beside, "left", [*keys, "epoch"])


def _extents(lines: pd.DataFrame, keys: list[str], metrics: tuple[str, ...]) -> pd.DataFrame:
    """Summarise each network's medians of columns; empty where a column is not measured, as changes mostly are not."""
    networks = medians(lines, keys, metrics)
    shown = summarise(networks, keys, ["chord"])[[*keys, "n"]]
    for metric in metrics:
        rows = summarise(networks, keys, [metric])
        cells = map(mean_and_sd, rows[f"{metric}_mean"], rows[f"{metric}_sd"])
        found = dict(zip(rows[keys].itertuples(index=False, name=None), cells))
        shown[f"median {PROPERTIES[metric]}"] = [
            found.get(key, "") for key in shown[keys].itertuples(index=False, name=None)
        ]
    return shown


def _deep(table: pd.DataFrame) -> list[str]:
    return ["depth"] if table.depth.nunique() > 1 else []


_OF_LAYERS = ("redundancy_train", "redundancy_test", "purity_train", "kmeans_test", "knn", "lr", "accuracy_test")


def layers_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise the layers' means and spreads over networks as text cells."""
    keys = [key for key in ("model", "state", "pool", "share", "classes") if table[key].nunique() > 1]
    rows = layer_means(table, [*keys, "place", "node"])
    shown = {_NAMES.get(key, key): rows[key] for key in (*keys, "node", "n")}
    shown["bits that vary"] = rows.code_bits_mean.map("{:,.0f}".format)
    for metric in _OF_LAYERS:
        shown[PROPERTIES[metric]] = list(map(mean_and_sd, rows[f"{metric}_mean"], rows[f"{metric}_sd"]))
    return pd.DataFrame(shown).replace("nan", "")


def layer_means(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Return means and sample standard deviations over networks, columns (metric)_mean and (metric)_sd, and n.

    Unlike of a network that diverged, of one whose codes are all different the other metrics count, though its purity
    is NaN.
    """
    groups = table.groupby(by, sort=False)
    found = groups[["code_bits", *LAYER_METRICS]].agg(["mean", "std"])
    found.columns = [f"{metric}_{'sd' if what == 'std' else what}" for metric, what in found.columns]
    return found.assign(n=groups.size()).reset_index()


def layers_claims(table: pd.DataFrame) -> Claims:
    """State for each model what training changes in its last layer, and what depth changes in the trained network."""
    found = []
    first = table[["pool", "share", "classes"]].iloc[0]
    chosen = table[(table[["pool", "share", "classes"]] == first).all(axis=1)]
    for model, part in chosen.groupby("model"):
        trained, untrained = (part[part.state == state] for state in ("trained", "untrained"))
        layers = part[part.place > 0]
        where = f"{model}, pool {first.pool}"
        if layers.empty or trained.empty:
            continue
        low, high = layers.place.min(), layers.place.max()
        last = f"{where}, last layer ({layers[layers.place == high].node.iloc[0]})"
        ends = [rows[rows.place == high] for rows in (untrained, trained)]
        names = ("before training", "after training")
        found += [_change(*ends, metric, last, names) for metric in ("knn", "redundancy_train")]
        if low < high:
            ends = [trained[trained.place == place] for place in (low, high)]
            found += [_change(*ends, "knn", where, ("in the first layer", "in the last layer"))]
    return _there(found)


def model_regions_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Summarise medians over each network's lines as mean and spread over networks, as text cells.

    Nearest faces that are lower bounds do not count.
    """
    table = table.assign(nearest_face=table.nearest_face.where(table.nearest_face_exact))
    return _extents(table, ["model", "state", "points", "direction"], ("forward", "chord", "nearest_face"))


def model_regions_claims(table: pd.DataFrame) -> Claims:
    """Compare the extents of regions before and after training, for each model; and say what is a lower bound."""
    found: list[Claim | None] = []
    starts = table.drop_duplicates(["model", "state", "repeat", "points", "line"])
    table = table.assign(nearest_face=table.nearest_face.where(table.nearest_face_exact))
    for model, part in table.groupby("model"):
        for points, words in _STARTS.items():
            ends = [part[(part.state == state) & (part.points == points)] for state in ("untrained", "trained")]
            if not ends[1].empty:
                found += _extent_changes(*ends, f"{model}, {words}", ("before training", "after training"))
    if inexact := int((~starts.nearest_face_exact).sum()):
        text = f"A max pooling switches before the nearest face of {inexact} of {len(starts)} regions is reached."
        found.append({"verdict": "Lower bounds, left out", "text": text})
    return _there(found)


def capacity_claims(table: pd.DataFrame) -> Claims:
    """State the paper's first claim for each protocol and depth: redundancy falls with width, training categorizes."""
    found = []
    for name, part in _told(table, "layer_width"):
        trained, untrained = part[part.epoch > 0], part[part.epoch == 0]
        there = trained.dropna(subset=METRICS)
        if there.empty:
            continue
        narrow, wide = there.layer_width.min(), there.layer_width.max()
        ends = [trained[trained.layer_width == width] for width in (narrow, wide)]
        if narrow < wide:
            names = (f"at width {narrow}", f"at width {wide}")
            found.append(_change(*ends, "redundancy_train", name, names))
        before = untrained[untrained.layer_width == wide]
        names = ("before training", "after training")
        found.append(_change(before, ends[1], "knn", f"{name}, width {wide}", names))
    return _there(found)


def depth_claims(table: pd.DataFrame) -> Claims:
    """State how properties change from the least to the largest depth, at the smallest and at the largest width."""
    found = []
    trained = table[table.epoch > 0].dropna(subset=METRICS)
    for protocol, part in trained.groupby("protocol"):
        for width in sorted({part.layer_width.min(), part.layer_width.max()}):
            line = part[part.layer_width == width]
            low, high = line.depth.min(), line.depth.max()
            ends = [line[line.depth == depth] for depth in (low, high)]
            names = (f"at depth {low}", f"at depth {high}")
            where = f"Protocol {protocol}, width {width}"
            found += [_change(*ends, metric, where, names) for metric in ("redundancy_train", "knn") if low < high]
    return _there(found)


def study_claims(table: pd.DataFrame) -> Claims:
    """State how properties change from the lowest to the highest value of the study's column, at the largest width."""
    study, found = STUDIES[table.study.iloc[0]], []
    word = study.word or study.column.replace("_", " ")
    # Networks that diverged were not measured, so take the width and the extremes from the others.
    for name, part in _told(table, study.column):
        part = part.dropna(subset=METRICS)
        if part.empty:
            continue
        line = part[part.layer_width == part.layer_width.max()]
        low, high = line[study.column].min(), line[study.column].max()
        ends = [line[line[study.column] == value] for value in (low, high)]
        names = (f"at {word} {low:g}", f"at {word} {high:g}")
        where = f"{name}, width {line.layer_width.iloc[0]}"
        found += [_change(*ends, metric, where, names) for metric in study.said if low < high]
    return _there(found)


def regularisation_claims(table: pd.DataFrame) -> Claims:
    """State the effect of each regulariser, averaged over the rest of the grid: its lowest against its highest level.

    Each other activation is set against the first one, which is a ReLU if there is one.
    A repeat counts only if it was measured in every cell of the grid, so that networks that diverged do not bias the
    mean.
    """
    found = []
    for name, part in _told(table, "dropout"):
        width = part.layer_width.max()
        part = part[part.layer_width == width]
        whole = part[part.groupby("repeat").knn.transform(lambda knn: knn.notna().all())]
        where = f"{name}, width {width}, mean over the rest of the grid"
        pairs = [(factor, pair) for factor in REGULARISERS for pair in _ends(factor, part[factor].unique().tolist())]
        for (factor, pair), metric in product(pairs, STUDIES["regularisation"].said):
            means = [whole[whole[factor] == level].groupby("repeat", as_index=False)[METRICS].mean() for level in pair]
            names = tuple(_where(factor, level) for level in pair)
            found.append(_change(*means, metric, where, names))
    return _there(found)


def _where(factor: str, level: object) -> str:
    name = level_name(factor, level)
    if name.startswith("without"):
        return name
    return f"{'with' if factor in ('batch_norm', 'activation', 'augmentation') else 'at'} {name}"


def _ends(factor: str, levels: list) -> list[tuple]:
    """Return the pairs of a factor's levels that are compared; none if it has one level."""
    if factor == "activation":
        first, *others = (name for name in SLOPES if name in levels)
        return [(first, other) for other in others]
    return [(min(levels), max(levels))] if len(levels) > 1 else []


def random_inputs_claims(table: pd.DataFrame) -> Claims:
    """Compare random and shuffled inputs with test inputs at the end of training, by protocol, depth and sample."""
    found = []
    for name, part in _told(table, "epoch"):
        part = part[part.epoch == table.epoch.max()].dropna(subset=["redundancy"])
        if part.empty:
            continue
        line = part[part.layer_width == part.layer_width.max()]
        where = f"{name}, width {line.layer_width.iloc[0]}, end of training"
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
    """State how many points of the chart lie in each regime, for each protocol, and how many are decided."""
    found = []
    for protocol, part in table.groupby("protocol"):
        counts = part.regime.value_counts()
        decided = part[part.decided].regime.value_counts().reindex(counts.index, fill_value=0)
        text = ", ".join(f"{count} {regime} ({decided[regime]} decided)" for regime, count in counts.items())
        rule = "a regime is decided if the 95% intervals over networks do not reach across a threshold"
        if part.n.lt(2).all():
            rule = "one network has no interval, so none can be decided"
        verdict = f"{part.regime.nunique()} regimes among {len(part)} points, {decided.sum()} decided"
        found.append({"verdict": verdict, "text": f"Protocol {protocol}: {text}; {rule}."})
    return found


def regions_claims(lines: pd.DataFrame, slices: pd.DataFrame) -> Claims:
    """Compare the extents of regions before and after training, per protocol and width.

    No claim is made if a network's median is infinite, since half or more of its lines have no change. Say, too, why
    there is no slice, if there is none, and if there were too few inputs for all lines.
    """
    found = []
    for name, width, part in _of_networks(lines[lines.networks == "capacity"]):
        for points in ("train", "random"):
            ends = [part[(part.snapshot == state) & (part.points == points)] for state in ("untrained", "trained")]
            where = f"{name}, width {width}, {_STARTS[points]}"
            found += _extent_changes(*ends, where, ("before training", "after training"))
    return _there(found) + _left_out(lines)


def regions_time_claims(lines: pd.DataFrame, slices: pd.DataFrame, study: pd.DataFrame) -> Claims:
    """Compare the extents of training inputs' regions, and the redundancy, at the first and the last epoch measured."""
    lines, found = lines[lines.networks == "training_time"], []
    study = study[of_all_inputs(study)]
    for name, width, part in _of_networks(lines):
        low, high = part.epoch.min(), part.epoch.max()
        if low < high:
            where, names = f"{name}, width {width}", (f"at epoch {low}", f"at epoch {high}")
            ends = [part[(part.epoch == epoch) & (part.points == "train")] for epoch in (low, high)]
            found += _extent_changes(*ends, f"{where}, {_STARTS['train']}", names)
            keys = ["protocol", "depth", "layer_width"]
            same = study[(study[keys] == part[keys].iloc[0]).all(axis=1)]
            ends = [same[same.epoch == epoch] for epoch in (low, high)]
            found.append(_change(*ends, "redundancy_train", where, names))
    return _there(found) + _left_out(lines)


def _of_networks(lines: pd.DataFrame) -> list[tuple[str, int, pd.DataFrame]]:
    """Split lines by protocol and depth, in words, and by width."""
    return [(name, width, part) for name, those in _told(lines) for width, part in those.groupby("layer_width")]


def _extent_changes(start: pd.DataFrame, end: pd.DataFrame, where: str, names: tuple[str, str]) -> list[Claim | None]:
    """State how the medians of the first direction's chords and of the distance to the nearest face change."""
    way = next((way for way in WAYS if (end.direction == way).any()), None)
    if way is None:
        return []
    ends = [medians(part[part.direction == way], [], ("chord", "nearest_face")) for part in (start, end)]
    return [
        _change(*ends, metric, f"{where}, {WAYS[way]}" if metric == "chord" else where, names)
        for metric in ("chord", "nearest_face")
        if all(np.isfinite(rows[metric].dropna()).all() for rows in ends)
    ]


def _left_out(lines: pd.DataFrame) -> Claims:
    """Say which slices and lines the figure of linear regions has not, and why."""
    found = []
    for why, part in lines[lines.no_slice.notna()].groupby("no_slice"):
        of = part[["protocol", "depth", "layer_width"]].drop_duplicates()
        deep = lines.depth.nunique() > 1
        networks = ", ".join(
            f"{row.protocol}, {f'depth {row.depth}, ' if deep else ''}width {row.layer_width}"
            for row in of.itertuples()
        )
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


def _told(table: pd.DataFrame, varied: str = "") -> list[tuple[str, pd.DataFrame]]:
    """Return `blocks` with names that begin a sentence."""
    return [(f"{name[0].upper()}{name[1:]}", part) for name, part in blocks(table, varied)]


def _there(claims: list[Claim | None]) -> Claims:
    return [claim for claim in claims if claim]
