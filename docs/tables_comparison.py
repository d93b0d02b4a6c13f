"""The tables of docs/comparison.md, from the kept results."""

from pathlib import Path

import pandas as pd

from rehash.tables import mean_and_sd

RESULTS = Path(__file__).parent / "results"
# Column of the table: metric, what it is taken at.
_SHOWN = {
    "mAP": ("map", None),
    "mAP@1000": ("map_at", 1000),
    "precision@10": ("precision_at", 10),
    "recall within 2": ("recall_within", 2),
    "precision within 2": ("precision_within", 2),
    "redundancy": ("redundancy", None),
}
# The metrics that are kept.
KEPT = (
    *("map", "map_at", "map_at_of_all", "precision_at", "ndcg_at", "recall_within", "precision_within", "found_within"),
    *("redundancy", "redundancy_of_queries", "bucket_purity", "bucket_purity_shared", "bit_correlation"),
)


def retrieval(dataset: str) -> pd.DataFrame:
    """Each source and length: metrics as mean ± deviation over networks, or with the interval over queries of one."""
    table = pd.read_csv(RESULTS / f"{dataset}_retrieval.csv")
    times = pd.read_csv(RESULTS / f"{dataset}_encoding_time.csv")
    lines = []
    for (title, bits), rows in table.groupby(["title", "bits"], sort=False):
        line = {"source": title, "bits": bits or "cosine", "n": rows.repeat.nunique()}
        for name, (metric, at) in _SHOWN.items():
            part = rows[(rows.metric == metric) & (rows["at"].isna() if at is None else rows["at"].eq(at))]
            line[name] = _cell(part)
        took = times[(times.title == title) & (times.bits == bits)].microseconds_an_input
        line["µs a sample"] = f"{took.mean():.3g}" if len(took) else ""
        lines.append(line)
    return pd.DataFrame(lines)


def _cell(part: pd.DataFrame) -> str:
    if part.empty:
        return ""
    if len(part) > 1:
        return mean_and_sd(part.value.mean(), part.value.std())
    (row,) = part.itertuples()
    return f"{row.value:.3f}" if pd.isna(row.low) else f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"


def published(*datasets: str) -> pd.DataFrame:
    """Published values beside ours, with what each is of; of those that have no protocol of ours, once."""
    tables = [pd.read_csv(RESULTS / f"{dataset}_published_retrieval.csv") for dataset in datasets]
    table = pd.concat(tables, ignore_index=True)
    ours = [f"{row.ours:.3f} ({row.low:.3f} to {row.high:.3f})" for row in table.itertuples()]
    sizes = [
        f"{row.published_queries:,} / {row.published_train:,} / {row.published_gallery:,}" for row in table.itertuples()
    ]
    shown = table[["method", "bits", "metric", "published"]].assign(ours=ours, protocol=table.protocol)
    return shown.assign(
        **{"published queries / train / gallery": sizes, "published network": table.backbone, "verdict": table.verdict}
    )


def ties(dataset: str) -> pd.DataFrame:
    """How far a stable sort is off the expectation, by metric: median and largest over sources and lengths."""
    table = pd.read_csv(RESULTS / f"{dataset}_retrieval.csv").query("bits > 0").dropna(subset=["stable"])
    table = table.assign(off=(table.stable - table.value).abs())
    lines = []
    for (metric, at), rows in table.groupby(["metric", "at"], dropna=False, sort=False):
        worst = rows.loc[rows.off.idxmax()]
        name = metric if pd.isna(at) else f"{metric} {at:g}"
        lines.append(
            {
                "metric": name,
                "median": f"{rows.off.median():.1e}",
                "largest": f"{worst.off:.1e}",
                "of": f"{worst.title}, {worst.bits} bits",
            }
        )
    return pd.DataFrame(lines)
