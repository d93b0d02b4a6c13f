"""make docs: the generated tables of the documentation, from the schema and the committed results."""

import json
import re
import sys
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "docs")]

import tables_comparison as comparison  # noqa: E402
import tables_equihash as equihash  # noqa: E402
import tables_gpu  # noqa: E402
import tables_hash_encoders as encoders  # noqa: E402
import tables_reproduction as reproduction  # noqa: E402
import tables_tgsh as tgsh  # noqa: E402

from rehash.config import load_schema, schema_rows  # noqa: E402
from rehash.tables import mean_and_sd, summarise  # noqa: E402

RESULTS = ROOT / "docs" / "results"
COMPARISONS = ROOT / "docs" / "comparisons.csv"
PUBLISHED = ROOT / "workflow" / "resources" / "published_hash_encoders.csv"
WIDTH = 120  # of a line of Markdown
RATES = ROOT / "workflow" / "resources" / "published_equihash.csv"
_START, _END = "<!-- generated: make docs -->", "<!-- end of the generated table -->"


def markdown(table: pd.DataFrame) -> str:
    """A table of text cells as Markdown whose lines have at most 120 characters.

    If its rows are longer, its columns are dealt to several tables below each other, each with the columns that tell
    the rows apart; and if these are too long for that, or the rows are two at most, it becomes a list.
    """
    if table.empty:
        return ""
    table = table.astype(str)
    ends = range(1, len(table.columns) + 1)
    keys = next((n for n in ends if not table.iloc[:, :n].duplicated().any()), len(table.columns))
    told, others = list(table.columns[:keys]), list(table.columns[keys:])
    for count in range(1, len(others) + 1):  # of tables, with as many columns each
        most = -(-len(others) // count)
        parts = [[*told, *others[i : i + most]] for i in range(0, len(others), most)]
        if max(_width(table[names]) for names in parts) <= WIDTH and (count == 1 or len(table) > 2):
            return "\n\n".join(_lines(table[names]) for names in parts)
    return _lines(table) if not others and _width(table) <= WIDTH else listed(table)


def _lines(table: pd.DataFrame) -> str:
    lines = [list(table.columns), ["---"] * len(table.columns), *table.to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _width(table: pd.DataFrame) -> int:
    return max(map(len, _lines(table).splitlines()))


def listed(table: pd.DataFrame) -> str:
    """A table as a list: an item for each row, or for each first cell with its rows below; with headings and cells."""
    lines = []
    for first, rows in table.astype(str).groupby(table.columns[0], sort=False):
        cells = [zip(table.columns[1:], row[1:]) for row in rows.to_numpy().tolist()]
        named = ([f"{name} {cell}" if i else cell for i, (name, cell) in enumerate(row) if cell] for row in cells)
        texts = list(map("; ".join, named))
        title = f"**{first.strip('*')}**"
        if len(texts) == 1:
            lines += wrapped(f"- {title}: {texts[0]}")
        else:
            lines += [f"- {title}", *(line for text in texts for line in wrapped(f"- {text}", "  "))]
    return "\n".join(lines)


def wrapped(item: str, indent: str = "") -> list[str]:
    """An item of a list, on lines of at most 120 characters."""
    return textwrap.wrap(
        item,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def points(dataset: str, study: str, where: str = "") -> str:
    """A row a published point of one study: its value, ours under each protocol, and the verdict."""
    table = reproduction.against_published(dataset).query("study == @study")
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
        for (study, protocol), part in reproduction.against_published(dataset).groupby(["study", "protocol"]):
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
        for (study, protocol), part in reproduction.against_published(dataset).groupby(["study", "protocol"]):
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


def coverage(text: str) -> pd.DataFrame:
    """How many items of the coverage page say yes, part, no and neither, by work and in all."""
    lines = []
    for section in text.split("\n## ")[1:]:
        said = re.findall(r"^- (yes|part|no|neither): ", section, flags=re.M)
        counts = {word: said.count(word) for word in ("yes", "part", "no", "neither")}
        lines.append({"work": section.split("\n", 1)[0], **counts, "items": sum(counts.values())})
    table = pd.DataFrame(lines)
    return pd.concat([table, pd.DataFrame([{"work": "all", **table.iloc[:, 1:].sum()}])])


def counted(text: str) -> str:
    """The last line of these counts, in words."""
    all_of_them = coverage(text).iloc[-1]
    return "\n".join(
        wrapped(
            f"Of {all_of_them['items']} experiments, datasets, networks, options, measurements and figures of the "
            f"originals {all_of_them.yes} are here, {all_of_them.part} in part and {all_of_them.no} not "
            "([docs/coverage.md](docs/coverage.md))."
        )
    ).replace("\n  ", "\n")


def every_key() -> str:
    """The keys of the config as a list; those that hold others have a heading of their own."""
    sections = defaultdict(list)
    for key, kind, default, text in schema_rows(load_schema()):
        told = f"{kind}, default `{default}`" if default else kind
        sections[key.split(".")[0]].append("\n".join(wrapped(f"- `{key}` ({told}): {text}")))
    alone = [items[0] for items in sections.values() if len(items) == 1]
    headed = (f"### `{key}`\n\n" + "\n".join(items) for key, items in sections.items() if len(items) > 1)
    return "\n\n".join(["\n".join(alone), *headed])


def benchmark() -> str:
    """The last benchmark, stage by stage."""
    table = pd.read_csv(RESULTS / "benchmark.csv")
    parts = []
    for stage, rows in table.groupby("stage", sort=False):
        shown = pd.DataFrame({"work": rows.work, "ours": _amounts(rows.ours, rows.unit)})
        peers = zip(_amounts(rows.peer, rows.unit), rows.peer_name)
        shown["peer"] = [f"{amount} ({name})" for amount, name in peers]
        shown["ratio"] = rows.ratio
        parts.append(f"**{stage[0].upper()}{stage[1:]}**\n\n{markdown(shown)}")
    return "\n\n".join([*parts, f"{table.machine[0]}, {table.date[0]}."])


# Stage -> the work and the peer, by how they begin, that stand for it in the README, and what the peer is called there.
FAST = {
    "training, a step of one network": ("10 networks, width 40, 1 thread", "torch.nn", "torch.nn, one by one"),
    "properties of one network": ("48,000 x 10,000 codes", "the scripts", "the public scripts' way"),
    "T-GSH: training tasks in sequence": ("2 tasks", "the notebook", "the notebook's loop"),
    "a Perlin field": ("2 x 4,096", "perlin", "perlin-numpy"),
    "entropy of tuples and its gradient": ("all 41,664 triples of 64 bits, 256 rows, 1", "the pub", "bit by bit"),
    "look-ups one by one": ("10,000,000", "a dictionary", "a Python dictionary in memory"),
    "look-ups in a batch": ("1,000,000 queries, 10,000,000", "faiss.IndexBinaryHash, 1", "faiss, 1 thread"),
    "retrieval by codes": ("mAP, 10,000 x 54,000 x 64 bits, 1", "the toolboxes", "the toolboxes' loop"),
}


def fast() -> str:
    """Eight rows of the benchmark, for the README."""
    table = pd.read_csv(RESULTS / "benchmark.csv")
    lines = []
    for stage, (work, peer, name) in FAST.items():
        chosen = (table.stage == stage) & table.work.str.startswith(work) & table.peer_name.str.startswith(peer)
        row = table[chosen].iloc[0]
        ours, theirs = _amounts([row.ours, row.peer], [row.unit] * 2)
        lines.append({"stage": stage, "ours": ours, "peer": f"{theirs} ({name})", "ratio": row.ratio})
    return markdown(pd.DataFrame(lines))


def reproduced() -> str:
    """By work, from the committed results: how many published values there are, were compared, and lie inside."""
    lines = []
    for dataset, words in (("mnist", "MNIST"), ("cifar10", "CIFAR-10")):
        values = int((pd.read_csv(PUBLISHED).dataset == dataset).sum())
        rows = reproduction.main_protocol(dataset)
        lines.append(_verdicts(f"He et al., {words} (protocol `{rows.protocol.iloc[0]}`)", values, rows.verdict))
    accuracies, cosines = (tgsh.kept("notebook", name) for name in ("published", "published_similarity"))
    lines.append(_verdicts("Hong & Pavlic, accuracies", len(accuracies), accuracies.verdict))
    lines.append(_verdicts("Hong & Pavlic, similarities of tasks", len(cosines), cosines.verdict))
    lines.append(_verdicts("Duchesneau, perfect retrieval", len(pd.read_csv(RATES)), pd.Series(dtype=str)))
    return markdown(pd.DataFrame(lines))


def _verdicts(work: str, values: int, verdicts: pd.Series) -> dict[str, object]:
    inside, outside = (int((verdicts == word).sum()) for word in ("inside", "outside"))
    return {"work": work, "published values": values, "inside": inside, "outside": outside,
            "not compared": values - inside - outside}  # fmt: skip


def on_a_gpu() -> str:
    """What tests/gpu found."""
    table, machine = tables_gpu.gpu()
    return f"{markdown(table)}\n\n{machine}"


def _amounts(values: Iterable[float], units: Iterable[str]) -> list[str]:
    return [f"{v:,.0f} {unit}" if v >= 100 else f"{v:.3g} {unit}" for v, unit in zip(values, units)]


def pages() -> dict[Path, str]:
    """Each page with its tables as they have to be."""
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8")
    counts = markdown(coverage(text))
    compared = reproduction.comparisons()
    made = {
        "docs/coverage.md": [counts],
        "README.md": [f"{reproduced()}\n\n{counted(text)}", fast()],
        "docs/reproduction.md": [
            *(reproduced(), markdown(reproduction.by_panel(compared)), inside()),
            *(points("mnist", "capacity", "layer_width == 40"), counts),
        ],
        "docs/speed.md": [benchmark(), on_a_gpu()],
        "docs/hash_encoders.md": [
            *map(markdown, (encoders.solvers(), encoders.layers(), encoders.by_size())),
            markdown(encoders.batches("training_time", "epoch")),
            *map(markdown, (encoders.batches("capacity", "width"), encoders.stopping())),
            *(search(), small_samples(), tallies()),
            *(points(dataset, "capacity") for dataset in ("mnist", "cifar10")),
        ],
        "docs/tgsh.md": [
            *map(markdown, (*map(tgsh.claims, tgsh.BENCHMARKS), tgsh.new_tasks())),
            *map(
                markdown,
                (tgsh.published(), tgsh.similarities(), tgsh.histograms(), tgsh.accuracy(), tgsh.relations()),
            ),
            markdown(tgsh.similarity_by_angle()),
            *map(markdown, (tgsh.recovery(), tgsh.codes(), tgsh.generated(), tgsh.baselines())),
            *map(markdown, (tgsh.notebook_errors(), tgsh.printed())),
        ],
        "docs/equihash.md": [
            *map(markdown, (equihash.shipped(), equihash.after_100_steps())),
            *map(markdown, (equihash.recall_by_step(), equihash.scale_runs())),
            *map(markdown, (equihash.scale(), equihash.known())),
            *map(markdown, (equihash.known_items(), equihash.trained_items(), equihash.trained_probes())),
        ],
        "docs/comparison.md": [
            *map(markdown, map(comparison.retrieval, ("mnist", "mnist_unseen", "cifar10"))),
            *map(markdown, (comparison.published("cifar10", "cifar10_test_alone"), comparison.ties("mnist"))),
        ],
        "config/README.md": [every_key()],
    }
    filled = {ROOT / name: _filled((ROOT / name).read_text(encoding="utf-8"), tables) for name, tables in made.items()}
    return {**filled, COMPARISONS: compared.to_csv(index=False, float_format="%.6g")}


def _filled(text: str, tables: list[str]) -> str:
    head, *parts = text.split(_START)
    assert len(parts) == len(tables), f"{len(parts)} places for {len(tables)} tables"
    return head + "".join(
        f"{_START}\n\n{table}\n\n{_END}{part.split(_END, 1)[1]}" for part, table in zip(parts, tables)
    )


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
