"""What the report says about a figure of a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from rehash.figures.tgsh_relations import by_distance
from rehash.figures.tgsh_sheets import right_shares
from rehash.report import data_uri, html_from_rst, html_table
from rehash.store import read_csv
from rehash.tables import mean_and_sd, summarise
from rehash.tgsh.claims import Tables, claims
from rehash.tgsh.forgetting import continual_measures
from rehash.tgsh.tasks import NAMES

TITLE = "Task-specific geometric sensitive hashing"
TEXT = (
    "T-GSH (Hong & Pavlic 2023): one frozen random network serves many tasks, here the same digits turned or moved in "
    "many ways, and each task learns only a modulation, a context vector and a strength that scale the frozen "
    "responses. The paper says that modulated responses are a hash of the task's manifold, alike within a task and "
    "unlike across tasks, and that the modulations themselves, the task vectors, show how tasks relate. The benchmark "
    "rotation is the published one. The paper has experiments on ShiftMNIST and AugmentMNIST, too, whose code was "
    "never published: shift and augment here have definitions of our own. Two controls tell what training adds: the "
    "frozen response without a modulation, and modulations before training. In the boxes, 'beyond the spread' means "
    "that two means differ by more than their two standard deviations together and that the 95% interval of their "
    "paired difference leaves out 0."
)
_TITLES = {
    "tasks": "the tasks",
    "accuracy": "accuracy of every task",
    "published": "the notebook beside ours",
    "task_similarity": "similarity of tasks",
    "hash_property": "the hash property",
    "codes": "hash codes",
    "generated": "generated digits",
    "baselines": "fully trained networks",
}
_ENDINGS = {"h5": "pictures (HDF5)", "csv": "table (CSV)"}


def summary_table(tables: Tables, figure: str) -> pd.DataFrame:
    """A figure's numbers as text cells for people; `tables` by the names of their files."""
    return _SUMMARIES[figure](tables)


def section(entry: dict[str, Any], caption: str | Path, dataset_text: str) -> dict[str, Any]:
    """One section of the report from a figure and its tables (paths of `entry`, see tgsh.plan.figures).

    Raises:
        InputError: a table is not readable.
    """
    stem, figure = entry["stem"], entry["study"]
    tables = {Path(path).stem: read_csv(path) for path in entry["tables"] if path.endswith(".csv")}
    return {
        **entry,
        "title": f"{entry['benchmark']}: {_TITLES[figure]}",
        "anchor": f"{entry['paper']}-{entry['dataset']}-{entry['benchmark']}-{figure}",
        "paper_title": TITLE,
        "paper_text": TEXT,
        "dataset_text": dataset_text,
        "claims": claims(tables, figure),
        "caption": html_from_rst(Path(caption).read_text()),
        "image": data_uri(f"{stem}.png"),
        "table": html_table(summary_table(tables, figure)),
        "files": {name: str(Path(path).relative_to("results")) for name, path in _files(entry).items()},
    }


def _files(entry: dict[str, Any]) -> dict[str, str]:
    """What a reader may open, by name; tables that are not named as the figure say what they are."""
    found = {"figure (PDF)": f"{entry['stem']}.pdf"}
    for path in map(Path, entry["tables"]):
        name = _ENDINGS[path.suffix[1:]]
        own = path.stem == entry["study"]
        found[name if own else f"{path.stem.replace('_', ' ')}, {name}"] = str(path)
    return {**found, "provenance (JSON)": f"{entry['stem']}.json"}


def _summary(table: pd.DataFrame, by: Sequence[str], metrics: dict[str, str]) -> pd.DataFrame:
    """Mean and deviation of `metrics` (column -> words) over the rows of each group of `by`."""
    rows = summarise(table, by, list(metrics))
    cells = {key.replace("_", " "): rows[key] for key in (*by, "n")}
    return pd.DataFrame(cells | _spreads(rows, metrics))


def _spreads(rows: pd.DataFrame, metrics: dict[str, str]) -> dict[str, list[str]]:
    return {
        words: list(map(mean_and_sd, rows[f"{metric}_mean"], rows[f"{metric}_sd"])) for metric, words in metrics.items()
    }


def _tasks(tables: Tables) -> pd.DataFrame:
    table = tables["tasks"][["task", *NAMES]]
    units = {"angle": "angle (degrees)", "dx": "right (pixels)", "dy": "down (pixels)", "shear": "shear (degrees)"}
    return table.rename(columns=units).astype({"task": str}).map(lambda x: x if isinstance(x, str) else f"{x:g}")


def _accuracy(tables: Tables) -> pd.DataFrame:
    metrics = {
        "accuracy_untrained": "before training",
        "accuracy_at_training": "right after its own training",
        "accuracy_after_all": "after all tasks",
    }
    table = tables["accuracy"]
    varied = [name for name in NAMES if table[name].nunique() > 1]
    cells = _summary(table, ["task", *varied], metrics)
    return cells.assign(**{name: cells[name].map("{:g}".format) for name in varied})


def _published(tables: Tables) -> pd.DataFrame:
    accuracies, pairs = tables["published"], tables["published_similarity"]
    named = accuracies.assign(measured=[f"accuracy at {angle:g} degrees" for angle in accuracies.angle])
    when = {"untrained": "before training", "trained": "after training"}
    words = [f"similarity of {p.angle_a:g} and {p.angle_b:g} degrees, {when[p.state]}" for p in pairs.itertuples()]
    pairs = pairs.assign(measured=words, epoch=pairs.epochs.where(pairs.state == "trained", 0))
    table = pd.concat([named, pairs], ignore_index=True)
    cells = {
        **{name: table[name] for name in ("measured", "epoch")},
        "notebook": table.published.map("{:.3f}".format),
        "ours": list(map(mean_and_sd, table.ours, table.sd)),
        "n": table.n,
        "difference": table.difference.map("{:+.3f}".format),
        "verdict": table.verdict,
    }
    return pd.DataFrame(cells)


def _task_similarity(tables: Tables) -> pd.DataFrame:
    rows = by_distance(tables["task_similarity"])
    if rows.empty:
        return rows
    metrics = {"similarity_untrained": "cosine before training", "similarity_trained": "cosine after training"}
    cells = {"distance (pixels)": rows.distance.map("{:.2f}".format), "pairs": rows.pairs, "n": rows.n}
    return pd.DataFrame(cells | _spreads(rows, metrics))


def _hash_property(tables: Tables) -> pd.DataFrame:
    table = tables["recovery"].assign(chance=tables["recovery"].chance.map("{:.3f}".format))
    return _summary(table, ["measure", "question", "state", "chance"], {"value": "value"})


def _codes(tables: Tables) -> pd.DataFrame:
    metrics = {
        "knn": "K-NN",
        "redundancy_test": "redundancy (test)",
        "active_share": "bits on",
        "collisions": "code shared",
        "collisions_digit": "shared with another digit",
    }
    means = tables["codes"].groupby(["state", "repeat"], as_index=False)[list(metrics)].mean()
    return _summary(means, ["state"], metrics)


def _generated(tables: Tables) -> pd.DataFrame:
    table = tables["generated"]
    keys = ["state", "repeat"]
    shares = right_shares(table, keys).merge(table.groupby(keys, as_index=False).correlation.mean(), on=keys)
    metrics = {
        "recognised": "recognised as the digit",
        "nearest": "most like the digit's mean picture",
        "correlation": "correlation with it",
    }
    return _summary(shares, ["state"], metrics)


def _baselines(tables: Tables) -> pd.DataFrame:
    names = ("average_accuracy", "forgetting", "backward_transfer")
    measures = continual_measures(tables["baselines"])
    # One task has an accuracy and nothing to forget: its columns are left out, not its rows.
    found = {name: name.replace("_", " ") for name in names if measures[name].notna().any()}
    return _summary(measures, ["method"], found)


_SUMMARIES: dict[str, Callable[[Tables], pd.DataFrame]] = {
    "tasks": _tasks,
    "accuracy": _accuracy,
    "published": _published,
    "task_similarity": _task_similarity,
    "hash_property": _hash_property,
    "codes": _codes,
    "generated": _generated,
    "baselines": _baselines,
}
