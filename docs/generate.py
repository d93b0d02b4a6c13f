"""make docs: the generated tables of the documentation, from the schema and the committed results."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "docs")]

import tables_comparison as comparison  # noqa: E402
import tables_equihash as equihash  # noqa: E402
import tables_gpu  # noqa: E402
import tables_hash_encoders as encoders  # noqa: E402
import tables_tgsh as tgsh  # noqa: E402

from rehash.config import load_schema, schema_table  # noqa: E402
from rehash.hash_encoders.published import compare  # noqa: E402
from rehash.tables import mean_and_sd, summarise  # noqa: E402

RESULTS = ROOT / "docs" / "results"
PUBLISHED = ROOT / "workflow" / "resources" / "published_hash_encoders.csv"
STUDIES = ("capacity", "sample_size", "training_time")
_START, _END = "<!-- generated: make docs -->", "<!-- end of the generated table -->"


def markdown(table: pd.DataFrame) -> str:
    """A table of text cells as Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def against_published(dataset: str) -> pd.DataFrame:
    """The kept studies of a dataset (mnist, cifar10) beside the published values, point by point."""
    kept = [pd.read_csv(path) for study in STUDIES if (path := RESULTS / f"{dataset}_{study}.csv").exists()]
    return compare(kept, pd.read_csv(PUBLISHED), dataset=dataset, role="comparison")


def points(dataset: str, study: str, where: str = "") -> str:
    """A row a published point of one study: its value, ours under each protocol, and the verdict."""
    table = against_published(dataset).query("study == @study")
    table = table.query(where) if where else table
    lines = []
    for (width, x, metric), part in table.groupby(["layer_width", "x", "metric"]):
        line = {"width": width, **({} if study == "capacity" else {study.replace("_", " "): x}), "property": metric}
        line["published"] = f"{part.published.iloc[0]:.3f}"
        for protocol in sorted(table.protocol.unique()):
            row = part[part.protocol == protocol]
            line[protocol] = "not run"
            if len(row):
                row = row.iloc[0]
                line[protocol] = f"{mean_and_sd(row.ours, row.sd)} (n = {row.n}) {row.verdict}"
        lines.append(line)
    return markdown(pd.DataFrame(lines))


def tallies() -> str:
    """By dataset, study and protocol: how many published points lie inside, by property."""
    lines = []
    for dataset in ("mnist", "cifar10"):
        for (study, protocol), part in against_published(dataset).groupby(["study", "protocol"]):
            line = {"dataset": dataset, "study": study, "protocol": protocol, "n": part.n.min()}
            line["widths"] = " ".join(map(str, sorted(part.layer_width.unique())))
            for metric in (
                "redundancy_train",
                "redundancy_test",
                "knn",
                "lr",
                "accuracy_test",
                "kmeans_train",
                "kmeans_test",
            ):
                chosen = part[part.metric == metric]
                inside = f"{(chosen.verdict == 'inside').sum()} of {len(chosen)}; {chosen.difference.mean():+.3f}"
                if (chosen.verdict == "split unknown").all():
                    inside = f"not judged; {chosen.difference.mean():+.3f}"
                line[metric] = inside if len(chosen) else ""
            lines.append(line)
    return markdown(pd.DataFrame(lines))


def inside() -> str:
    """By dataset, study and protocol: how many published values are judged, and how many lie inside."""
    lines = []
    for dataset in ("mnist", "cifar10"):
        for (study, protocol), part in against_published(dataset).groupby(["study", "protocol"]):
            judged = part[part.verdict.isin(["inside", "outside"])]
            lines.append(
                {
                    **{"dataset": dataset, "study": study.replace("_", " "), "protocol": protocol},
                    **{
                        "widths": " ".join(map(str, sorted(part.layer_width.unique()))),
                        "networks of each": part.n.min(),
                    },
                    "published values inside": f"{(judged.verdict == 'inside').sum()} of {len(judged)}",
                    "median absolute difference": f"{judged.difference.abs().median():.3f}",
                }
            )
    return markdown(pd.DataFrame(lines))


def search() -> str:
    """The candidates for the protocol of the published MNIST curves, the best first."""
    table = pd.read_csv(RESULTS / "protocol_search.csv").query("epoch > 0")
    settings = json.loads((RESULTS / "protocol_search.json").read_text(encoding="utf-8"))["settings"]
    curves = pd.read_csv(PUBLISHED).query("dataset == 'mnist'")
    along = curves.query("study == 'training_time' and layer_width == 40").set_index(["metric", "x"]).value
    narrow = curves.query("study == 'capacity' and layer_width == 10").set_index("metric").value
    metrics = ["redundancy_train", "knn", "lr", "kmeans_test"]
    lines = []
    for (protocol, inputs), part in table.groupby(["protocol", "sample_size"]):
        rows = summarise(part, ["layer_width", "epoch"], metrics).set_index(["layer_width", "epoch"])
        line = {"candidate": protocol, "settings": settings[protocol], "inputs": inputs, "n": rows.n.min()}
        differences = []
        for epoch in (1, 10, 60):
            row = rows.loc[40, epoch]
            cells = []
            for metric in metrics:
                theirs = along[_theirs(metric), epoch]
                differences.append(row[f"{metric}_mean"] - theirs)
                cells.append(f"{row[f'{metric}_mean']:.3f}")
            line[f"epoch {epoch}"] = " ".join(cells)
        line["rms difference"] = np.sqrt(np.mean(np.square(differences)))
        line["width 10"] = "not run"
        if (10, 60) in rows.index:
            line["width 10"] = " ".join(f"{rows.loc[10, 60][f'{metric}_mean']:.3f}" for metric in metrics)
        lines.append(line)
    found = pd.DataFrame(lines).sort_values("rms difference")
    found["rms difference"] = found["rms difference"].map("{:.3f}".format)
    published = {"candidate": "**published**", "settings": "", "inputs": "", "n": "", "rms difference": ""}
    for epoch in (1, 10, 60):
        values = [along[_theirs(metric), epoch] for metric in metrics]
        published[f"epoch {epoch}"] = " ".join(f"{value:.3f}" for value in values)
    ends = (narrow[_theirs(metric)] for metric in metrics)
    published["width 10"] = " ".join(f"{value:.3f}" for value in ends)
    return markdown(pd.concat([pd.DataFrame([published]), found])[found.columns])


def _theirs(metric: str) -> str:
    """The published file's name of one of our columns."""
    return "kmeans" if metric.startswith("kmeans") else metric


def small_samples() -> str:
    """Candidates at small samples, width 40, beside the published sample-size curves."""
    table = pd.read_csv(RESULTS / "protocol_search_samples.csv")
    curves = pd.read_csv(PUBLISHED).query("study == 'sample_size' and dataset == 'mnist' and layer_width == 40")
    metrics = ["knn", "lr", "kmeans_test"]
    means = summarise(table, ["protocol", "sample_size"], metrics)
    lines = []
    for x, part in means.groupby("sample_size"):
        there = curves[curves.x == x].set_index("metric").value
        line = {"inputs": x, "candidate": "**published**", "n": ""}
        lines.append({**line, **{metric: f"{there[metric.removesuffix('_test')]:.3f}" for metric in metrics}})
        for row in part.itertuples():
            cells = {m: mean_and_sd(getattr(row, f"{m}_mean"), getattr(row, f"{m}_sd")) for m in metrics}
            lines.append({"inputs": x, "candidate": row.protocol, "n": row.n, **cells})
    return markdown(pd.DataFrame(lines))


def coverage(text: str) -> str:
    """How many rows of the coverage page say yes, part, no and neither, by work."""
    lines = []
    for section in text.split("\n## ")[1:]:
        said = [line.split(" | ")[1] for line in section.splitlines() if line.startswith("| ") and " | " in line]
        counts = {word: said.count(word) for word in ("yes", "part", "no", "neither")}
        lines.append({"work": section.split("\n", 1)[0], **counts, "rows": sum(counts.values())})
    table = pd.DataFrame(lines)
    return markdown(pd.concat([table, pd.DataFrame([{"work": "all", **table.iloc[:, 1:].sum()}])]))


def benchmark() -> str:
    """The last benchmark."""
    table = pd.read_csv(RESULTS / "benchmark.csv")
    shown = pd.DataFrame({"stage": table.stage, "work": table.work})
    shown["ours"] = [_amount(value, unit) for value, unit in zip(table.ours, table.unit)]
    shown["peer"] = [f"{_amount(v, unit)} ({name})" for v, unit, name in zip(table.peer, table.unit, table.peer_name)]
    shown["ratio"] = table.ratio
    return f"{markdown(shown)}\n\n{table.machine[0]}, {table.date[0]}."


def on_a_gpu() -> str:
    """What tests/gpu found."""
    table, machine = tables_gpu.gpu()
    return f"{markdown(table)}\n\n{machine}"


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def pages() -> dict[Path, str]:
    """Each page with its tables as they have to be."""
    counts = coverage((ROOT / "docs" / "coverage.md").read_text(encoding="utf-8"))
    made = {
        "docs/coverage.md": [counts],
        "README.md": [counts, inside(), points("mnist", "capacity", "layer_width == 40"), benchmark(), on_a_gpu()],
        "docs/hash_encoders.md": [
            *map(markdown, (encoders.solvers(), encoders.layers(), encoders.by_size())),
            markdown(encoders.batches("training_time", "epoch")),
            *map(markdown, (encoders.batches("capacity", "width"), encoders.stopping())),
            *(search(), small_samples(), tallies()),
            *(points(dataset, "capacity") for dataset in ("mnist", "cifar10")),
        ],
        "docs/tgsh.md": [
            *map(markdown, (tgsh.claims(), tgsh.new_tasks())),
            *map(
                markdown,
                (tgsh.published(), tgsh.similarities(), tgsh.histograms(), tgsh.accuracy(), tgsh.relations()),
            ),
            markdown(tgsh.similarity_by_angle()),
            *map(markdown, (tgsh.recovery(), tgsh.hard_negatives(), tgsh.codes(), tgsh.generated(), tgsh.baselines())),
            *map(markdown, (tgsh.notebook_errors(), tgsh.printed())),
        ],
        "docs/equihash.md": [
            *map(markdown, (equihash.after_100_steps(), equihash.recall_by_step(), equihash.scale_runs())),
            *map(markdown, (equihash.scale(), equihash.known())),
            markdown(equihash.known_items()),
        ],
        "docs/comparison.md": [
            *map(markdown, map(comparison.retrieval, ("mnist", "mnist_unseen", "cifar10"))),
            *map(markdown, (comparison.published("cifar10", "cifar10_test_alone"), comparison.ties("mnist"))),
        ],
        "config/README.md": [schema_table(load_schema())],
    }
    return {ROOT / name: _filled((ROOT / name).read_text(encoding="utf-8"), tables) for name, tables in made.items()}


def _filled(text: str, tables: list[str]) -> str:
    head, *parts = text.split(_START)
    assert len(parts) == len(tables), f"{len(parts)} places for {len(tables)} tables"
    return head + "".join(
        f"{_START}\n\n{table}\n\n{_END}{part.split(_END, 1)[1]}" for part, table in zip(parts, tables)
    )


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
