"""make docs: the generated tables of the documentation, from the schema and the committed results."""

import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow" / "scripts"))

from rehash.config import load_schema, schema_table  # noqa: E402
from rehash.tables import mean_and_sd, summarise  # noqa: E402

RESULTS = ROOT / "docs" / "results"
METRICS = ("redundancy_train", "redundancy_test", "knn", "lr", "kmeans_train", "kmeans_test")
_START, _END = "<!-- generated: make docs -->", "<!-- end of the generated table -->"


def markdown(table: pd.DataFrame) -> str:
    """A table of text cells as Markdown."""
    lines = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def published() -> pd.Series:
    """Published capacity values on MNIST by (metric, layer_width)."""
    table = pd.read_csv(ROOT / "workflow" / "resources" / "published_hash_encoders.csv")
    return table.query("study == 'capacity' and dataset == 'mnist'").set_index(["metric", "layer_width"]).value


def comparison(widths: list[int] | None = None) -> str:
    """Published against ours on full MNIST: a row a width and property, a column a protocol."""
    table = pd.read_csv(RESULTS / "mnist_capacity.csv").query("epoch > 0")
    rows = summarise(table, ["layer_width", "protocol"], METRICS).set_index(["layer_width", "protocol"])
    theirs = published()
    lines = []
    for width in widths or sorted(table.layer_width.unique()):
        for metric in METRICS:
            value = theirs.get((metric.replace("kmeans_train", "kmeans").replace("kmeans_test", "kmeans"), width))
            line = {"width": width, "property": metric, "published": "" if value is None else f"{value:.3f}"}
            for protocol in ("figures", "scripts"):
                row = rows.loc[width, protocol]
                line[protocol] = mean_and_sd(row[f"{metric}_mean"], row[f"{metric}_sd"])
            lines.append({**line, "n": int(row["n"])})
    return markdown(pd.DataFrame(lines))


def benchmark() -> str:
    """The last benchmark."""
    table = pd.read_csv(RESULTS / "benchmark.csv")
    shown = pd.DataFrame({"stage": table.stage, "work": table.work})
    shown["ours"] = [f"{value:.3g} {unit}" for value, unit in zip(table.ours, table.unit)]
    shown["peer"] = [
        f"{value:.3g} {unit} ({name})" for value, unit, name in zip(table.peer, table.unit, table.peer_name)
    ]
    shown["ratio"] = table.ratio
    return f"{markdown(shown)}\n\n{table.machine[0]}, {table.date[0]}."


def pages() -> dict[Path, str]:
    """Each page with its tables as they have to be."""
    made = {
        "README.md": [comparison([40]), benchmark()],
        "docs/hash_encoders.md": [comparison()],
        "config/README.md": [schema_table(load_schema())],
    }
    return {ROOT / name: _filled((ROOT / name).read_text(), tables) for name, tables in made.items()}


def _filled(text: str, tables: list[str]) -> str:
    head, *parts = text.split(_START)
    assert len(parts) == len(tables), f"{len(parts)} places for {len(tables)} tables"
    return head + "".join(
        f"{_START}\n\n{table}\n\n{_END}{part.split(_END, 1)[1]}" for part, table in zip(parts, tables)
    )


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text)
