"""Keep what databases of config/scale.yaml cost, job by job, and what their metrics came to.

python docs/scale.py RESULTS DATABASE ...     writes equihash_scale.csv and equihash_known.csv to docs/results
"""

import sys
from functools import reduce
from pathlib import Path

import pandas as pd
import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts")]

from rehash.config import validated  # noqa: E402
from rehash.equihash import plan, sizes  # noqa: E402
from rehash.graph import benchmark_of  # noqa: E402
from rehash.store import write_csv  # noqa: E402

KEPT = ROOT / "docs" / "results"
_LABELS = ("draw_labels", "shards", plan.LABELS, lambda config, **_: 2000)
_QUERIES = (
    "draw_queries",
    None,
    plan.QUERIES,
    lambda config, database, attempt, **_: sizes.query_mb(config, database, attempt),
)
_MADE = {
    "synthetic": (
        ("generate_fingerprints", "shards", plan.FINGERPRINTS, sizes.shard_mb),
        ("generate_query_codes", None, plan.QUERY_CODES, sizes.query_codes_mb),
    ),
    "default": (
        ("encode_shard", "shards", plan.FINGERPRINTS, sizes.shard_mb),
        ("encode_queries", None, plan.QUERY_CODES, sizes.query_codes_mb),
    ),
}
_INDEX = (
    ("merge_index", "partitions", plan.PARTITION, sizes.merge_mb),
    ("evaluate_partition", "partitions", plan.COUNTS, sizes.partition_mb),
    ("evaluate_index", None, f"{plan.INDEXED}evaluation.csv", sizes.evaluation_mb),
)


def costs(results: Path, config: dict, database: str) -> list[dict]:
    """A row a rule: how many jobs, of how many items, how long they took, how large they were, what they asked for."""
    (run,) = plan.database_runs(config, database)
    found, rows = plan.block(config, "databases", database), []
    anywhere = dict.fromkeys(("shard", "shards", "partition", "partitions"), "*")
    for rule, parts, output, asked in (_LABELS, _QUERIES, *_MADE[run["variant"]], *_INDEX):
        pattern = Path(benchmark_of(rule, output).format(**run, **anywhere)).relative_to("results")
        jobs = pd.concat([pd.read_csv(path, sep="\t") for path in results.glob(str(pattern))])
        count = found[parts] if parts else 1
        assert len(jobs) == count, f"{rule}: {len(jobs)} jobs of {count}"
        mb = asked(config, **run, shards=count, partitions=count, attempt=1)
        row = {"database": database, "items": found["items"], "rule": rule, "jobs": count}
        row |= {"items_a_job": found["items"] // count, "seconds_mean": jobs.s.mean(), "seconds_most": jobs.s.max()}
        rows.append({**row, "peak_mb": jobs.max_rss.max(), "asked_mb": mb})
    return rows


def known(results: Path, config: dict, database: str) -> pd.DataFrame:
    """What the metrics of known fingerprints had to come to, and what they came to."""
    (run,) = plan.database_runs(config, database)
    folder = results / Path(plan.INDEXED.format(**run)).relative_to("results")
    tables = [pd.read_csv(folder / f"{name}.csv") for name in ("expected", "evaluation")]
    return reduce(lambda a, b: a.merge(b, on=["database_size", "metric"]), tables)


if __name__ == "__main__":
    config, results = {}, Path(sys.argv[1])
    for name in ("config.yaml", "scale.yaml"):
        update_config(config, yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8")))
    config = validated(config)
    rows = [row for database in sys.argv[2:] for row in costs(results, config, database)]
    table = pd.DataFrame(rows).round({"seconds_mean": 2, "seconds_most": 2, "peak_mb": 0})
    write_csv(table, KEPT / "equihash_scale.csv")
    synthetic = [name for name in sys.argv[2:] if plan.database_runs(config, name)[0]["variant"] == "synthetic"]
    write_csv(pd.concat([known(results, config, name) for name in synthetic]), KEPT / "equihash_known.csv")
