"""The tables of docs/equihash.md, from the kept results (docs/scale.py)."""

import json
from pathlib import Path

import pandas as pd

RESULTS = Path(__file__).parent / "results"
NETWORKS = Path(__file__).parents[1] / "workflow" / "resources" / "networks"
_OF_ITEMS = ("alone_in_bucket_rate", "own_item_rate", "perfect_retrieval_rate", "items_retrieved")
_OF_TRAINED = {
    "recall": "recall",
    "items_retrieved": "items retrieved",
    "perfect_retrieval_rate": "perfect",
    "irrelevant_collision_rate": "irrelevant collision rate",
}
_METRICS = ("true_positive_rate", "false_positive_rate", "recall", "jaccard", "perfect_retrieval_rate")


def scale() -> pd.DataFrame:
    """What each rule took, by database: a job's time, its memory, and what it had asked for."""
    table = pd.read_csv(RESULTS / "equihash_scale.csv")
    shown = pd.DataFrame({"database": table.database, "items": table["items"].map("{:,}".format), "rule": table.rule})
    shown["jobs"] = [f"{row.jobs} of {row.items_a_job:,} items" for row in table.itertuples()]
    shown["a job (s, mean and longest)"] = [
        f"{row.seconds_mean:.1f}, {row.seconds_most:.1f}" for row in table.itertuples()
    ]
    shown["peak memory (MB)"] = table.peak_mb.map("{:,.0f}".format)
    shown["asked for (MB)"] = table.asked_mb.map("{:,}".format)
    return shown


def shipped() -> pd.DataFrame:
    """The networks that come with rehash: how they were trained, and what they do on the validation split."""
    rows = []
    for path in sorted(NETWORKS.glob("*.json")):
        about = json.loads(path.read_text(encoding="utf-8"))
        run = about["training"]["params"]["training"]
        schedule, settings = run["schedule"], run["settings"]
        weight = "lambda_s" if "lambda_s" in settings else "alpha"
        last = pd.read_csv(path.with_suffix(".csv")).query("split == 'valid'").iloc[-1]
        minutes = about["training"]["training_seconds"] / 60 * about["steps"] / schedule["steps"]
        rows.append(
            {
                "network": path.stem,
                "objective": f"{run['objective']}, {weight} {settings[weight]:g}",
                "steps": f"{about['steps']:,} of {schedule['micro_batches'] * schedule['pairs']} pairs",
                "minutes": f"{minutes:.0f}",
                "recall": f"{last.recall_at_0:.3f}",
                "recall within 2 bits": f"{last.recall_at_2:.3f}",
                "precision": f"{last.precision_at_0:.3f}",
            }
        )
    return pd.DataFrame(rows)


def scale_runs() -> pd.DataFrame:
    """What each database of known fingerprints took as a whole."""
    runs, jobs = (pd.read_csv(RESULTS / f"{name}.csv") for name in ("equihash_scale_runs", "equihash_scale"))
    largest = jobs.groupby("database").agg({"items": "first", "peak_mb": "max"})
    runs = runs.join(largest, on="database").sort_values("items")
    shown = pd.DataFrame({"database": runs.database, "items": runs["items"].map("{:,}".format)})
    shown["whole run"] = [f"{int(row.seconds) // 60} min {int(row.seconds) % 60} s" for row in runs.itertuples()]
    shown["killed"] = runs.kills.map({0: "", 1: "once", 2: "twice"})
    shown["jobs started, and done"] = [f"{row.jobs_started}, {row.jobs_done}" for row in runs.itertuples()]
    shown["largest job (MB)"] = runs.peak_mb.map("{:,.0f}".format)
    shown["most disk (GB)"] = (runs.disk_mb / 1000).map("{:.1f}".format)
    return shown


def known() -> pd.DataFrame:
    """What known fingerprints had to come to, and what an index found, with its 95% interval."""
    table = pd.read_csv(RESULTS / "equihash_known.csv")
    shown = pd.DataFrame({"database": table.database, "first items": table.database_size.map("{:,}".format)})
    shown["metric"], shown["predicted"] = table.metric, table.expected.map("{:.5g}".format)
    shown["found"] = [f"{row.value:.5g} ({row.low:.5g} to {row.high:.5g})" for row in table.itertuples()]
    return shown[(table.database == "known_1b") & table.metric.isin([*_METRICS, "irrelevant_collision_rate"])]


def known_items() -> pd.DataFrame:
    """What ten million known fingerprints that are asked their own items had to come to, and what was found."""
    table = pd.read_csv(RESULTS / "equihash_known_10m_items.csv").query("metric in @_OF_ITEMS")
    shown = pd.DataFrame({"first items": table.database_size.map("{:,}".format), "metric": table.metric})
    shown["predicted"] = table.predicted.map("{:.5f}".format)
    shown["found"] = [f"{row.found:.5f} ({row.low:.5f} to {row.high:.5f})" for row in table.itertuples()]
    return shown


def trained_items() -> pd.DataFrame:
    """What an exact look-up among 10^7 noisy mosaics finds that a trained network hashed, by its first items."""
    table = pd.read_csv(RESULTS / "equihash_digits_10m.csv")
    lines = []
    for size, part in table[table.metric.isin(_OF_TRAINED)].groupby("database_size"):
        cells = {_OF_TRAINED[row.metric]: _with_interval(row) for row in part.itertuples()}
        lines.append({"first items": f"{size:,}", **{words: cells[words] for words in _OF_TRAINED.values()}})
    return pd.DataFrame(lines)


def trained_probes() -> pd.DataFrame:
    """The recall and precision of more probes among all of them."""
    table = pd.read_csv(RESULTS / "equihash_digits_10m_probes.csv")
    table["cell"] = [_with_interval(row) for row in table.itertuples()]
    table = table.pivot(index="probes", columns="metric", values="cell")[["recall", "precision"]].reset_index()
    return table.assign(probes=table.probes.map("{:,}".format))


def _with_interval(row) -> str:
    return f"{row.value:.3g} ({row.low:.3g} to {row.high:.3g})"


def after_100_steps() -> pd.DataFrame:
    """ShannonHamming on full MNIST after 100 steps, and untrained: recall, fallout (95% intervals) and distances."""
    rates = pd.read_csv(RESULTS / "equihash_mnist_distances.csv").set_index(["variant", "metric"])
    counts = pd.read_csv(RESULTS / "equihash_mnist_distances_histogram.csv")
    lines = []
    for variant, words in (("default", "after 100 steps"), ("untrained", "untrained")):
        line = {"": words}
        for metric in (*(f"recall_at_{r}" for r in range(4)), "fallout_at_3"):
            row = rates.loc[variant, metric]
            form = "{:.3f} to {:.3f}" if row.value > 0.01 else "{:.2g} to {:.2g}"
            interval = form.format(row.low, row.high) if row.value else f"below {row.high:.2g}"
            line[metric.replace("_", " ")] = f"{row.value:.3g} ({interval})"
        for kind, label in (("same", "one label"), ("different", "two labels")):
            part = counts[(counts.variant == variant) & (counts.pairs_of == kind)]
            mean = (part.distance * part["count"]).sum() / part["count"].sum()
            square = ((part.distance - mean) ** 2 * part["count"]).sum() / (part["count"].sum() - 1)
            line[f"distance, {label}"] = f"{mean:.2f} ± {square**0.5:.2f}"
        lines.append(line)
    lines.append({"": "Binomial(64, 1/2)", "distance, two labels": "32 ± 4"})
    return pd.DataFrame(lines).fillna("")


def recall_by_step() -> pd.DataFrame:
    """Recall at distance 0 on the validation split along those 100 steps."""
    table = pd.read_csv(RESULTS / "equihash_mnist_training.csv").query("split == 'valid' and step % 20 == 0")
    return pd.DataFrame([{"step": "recall at 0 (valid)", **dict(zip(table.step.astype(str), table.recall_at_0))}])


def inside() -> str:
    """Of how many metrics the interval holds the prediction."""
    table = pd.read_csv(RESULTS / "equihash_known.csv")
    table = table[table.metric.isin(_METRICS)]
    return f"{int(table.expected.between(table.low, table.high).sum())} of {len(table)}"
