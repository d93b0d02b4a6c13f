"""Measure what databases of config/scale.yaml cost, job by job and as a whole, and keep what their metrics came to.

python docs/scale.py FOLDER known_1m known_10m known_100m known_1b --kill 300 900

makes the databases one after the other in FOLDER (about 30 GB for known_1b), writes equihash_scale.csv,
equihash_scale_runs.csv and equihash_known.csv to docs/results, and draws docs/equihash_scale.png. The last one is
killed (kill -9 of all its processes) so many seconds after its start, and started again, as often as --kill says. What
stands in FOLDER is not made again.
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from functools import reduce
from pathlib import Path

import pandas as pd
import yaml
from matplotlib import pyplot
from snakemake.utils import update_config

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts")]

from rehash.config import validated  # noqa: E402
from rehash.equihash import plan, sizes  # noqa: E402
from rehash.graph import benchmark_of  # noqa: E402
from rehash.store import write_csv  # noqa: E402

KEPT, CONFIG = ROOT / "docs" / "results", ROOT / "config" / "scale.yaml"
_DATABASE = (
    (
        "draw_queries",
        None,
        plan.QUERIES,
        lambda config, database, attempt, **_: sizes.query_mb(config, database, attempt),
    ),
)
_MADE = {
    "synthetic": (
        ("generate_fingerprints", "shards", plan.FINGERPRINTS, sizes.synthetic_mb),
        ("generate_query_codes", None, plan.QUERY_CODES, sizes.synthetic_mb),
    ),
    "default": (
        ("encode_shard", "shards", plan.FINGERPRINTS, sizes.shard_mb),
        ("encode_queries", None, plan.QUERY_CODES, sizes.query_codes_mb),
    ),
}
_MADE["imported"] = _MADE["default"]
_INDEX = (
    ("merge_index", "partitions", plan.PARTITION, sizes.merge_mb),
    ("evaluate_partition", "partitions", plan.COUNTS, sizes.partition_mb),
    ("evaluate_index", None, f"{plan.INDEXED}evaluation.csv", sizes.evaluation_mb),
)


def bytes_below(folder: Path) -> int:
    """The disk that a folder's files take now."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks * 512
            except FileNotFoundError:  # renamed or deleted meanwhile
                continue
    return total


def made(folder: Path, database: str, kills: list[float]) -> dict:
    """Make a database's tables; how long it took, the most disk on the way, and how many jobs were started and done."""
    words = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    target = f"results/equihash/databases/{database}/retrieval.csv"
    asked = [*words, "--cores", "all", target, "--configfile", str(CONFIG)]
    seconds, most, log = 0.0, 0, folder / f"{database}.log"
    for kill in [*kills, None]:
        begun = time.monotonic()
        with open(log, "a", encoding="utf-8") as output:
            running = subprocess.Popen(asked, stdout=output, stderr=output, start_new_session=True)
            while running.poll() is None and (kill is None or seconds + time.monotonic() - begun < kill):
                time.sleep(1)
                most = max(most, bytes_below(folder))
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
        elif running.returncode:
            sys.exit(f"{database}: it failed; {log} says why")
        running.wait()
        seconds += time.monotonic() - begun
        subprocess.run([*words, "--unlock"], check=True, capture_output=True)
    text = log.read_text(encoding="utf-8")
    counts = {"jobs_started": text.count("\nJob "), "jobs_done": text.count("\nFinished jobid")}
    return {"database": database, "seconds": seconds, "kills": len(kills), **counts, "disk_mb": most / 1e6}


def costs(results: Path, config: dict, database: str) -> list[dict]:
    """A row a rule: how many jobs, of how many items, how long they took, how large they were, what they asked for."""
    (run,) = plan.database_runs(config, database)
    found, rows = plan.block(config, "databases", database), []
    anywhere = dict.fromkeys(("shard", "shards", "partition", "partitions"), "*")
    for rule, parts, output, asked in (*_DATABASE, *_MADE[run["variant"]], *_INDEX):
        pattern = Path(benchmark_of(rule, output).format(**run, **anywhere)).relative_to("results")
        jobs = pd.concat([pd.read_csv(path, sep="\t") for path in results.glob(str(pattern))])
        count = found[parts] if parts else 1
        assert len(jobs) == count, f"{rule}: {len(jobs)} jobs of {count}"
        mb = asked(config, **run, **({parts: count} if parts else {}), attempt=1)
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


def kept(table: pd.DataFrame, name: str, databases: list[str]) -> None:
    """Put rows of some databases in the place of their old ones."""
    path = KEPT / f"{name}.csv"
    if path.exists():
        before = pd.read_csv(path)
        table = pd.concat([before[~before.database.isin(databases)], table], ignore_index=True)
    write_csv(table, path)


def draw(path: Path) -> None:
    """Draw time, memory and disk of the known databases against their number of items, and what is in proportion."""
    jobs, runs = (pd.read_csv(KEPT / f"{name}.csv") for name in ("equihash_scale", "equihash_scale_runs"))
    jobs = jobs[jobs.database.isin(runs.database) & jobs.database.str.fullmatch(r"known_\d+[mb]")]
    jobs["total"] = jobs.jobs * jobs.seconds_mean
    runs = runs.merge(jobs.groupby("database")["items"].first(), on="database").sort_values("items")
    figure, axes = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    panels = (
        ("time", "seconds of all jobs", jobs.pivot(index="items", columns="rule", values="total")),
        ("memory", "MB of the largest job", jobs.pivot(index="items", columns="rule", values="peak_mb")),
    )
    styles = [(marker, dash) for dash in ("-", "--") for marker in "osD^v"]
    rules = list(dict.fromkeys(jobs.rule))
    for axis, (title, unit, table) in zip(axes, panels):
        for rule, (marker, dash) in zip(rules, styles):
            axis.plot(table.index, table[rule], marker=marker, linestyle=dash, label=rule, markersize=5)
        axis.set(title=title, ylabel=unit)
    axes[0].plot(runs["items"], runs.seconds, "k*-", label="whole run, two cores", markersize=10)
    axes[2].plot(runs["items"], runs.disk_mb / 1000, "k*-", label="most at once", markersize=10)
    axes[2].set(title="disk", ylabel="GB")
    for axis, (value, place) in ((axes[0], (runs.seconds, -1)), (axes[2], (runs.disk_mb / 1000, -1))):
        ends = runs["items"].iloc[[0, -1]]
        axis.plot(ends, value.iloc[place] * ends / ends.iloc[-1], color="0.5", linestyle=":", label="in proportion")
    for axis in axes:
        axis.set(xscale="log", yscale="log", xlabel="items")
        axis.grid(color="0.9")
        axis.legend(fontsize=7)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("databases", nargs="+")
    parser.add_argument("--kill", nargs="*", type=float, default=[], metavar="SECONDS")
    given, config = parser.parse_args(), {}
    for path in (ROOT / "config" / "config.yaml", CONFIG):
        update_config(config, yaml.safe_load(path.read_text(encoding="utf-8")))
    config, names = validated(config), given.databases
    given.folder.mkdir(parents=True, exist_ok=True)
    runs = [made(given.folder, name, given.kill if name == names[-1] else []) for name in names]
    results = given.folder / "results"
    rows = pd.DataFrame([row for name in names for row in costs(results, config, name)])
    kept(rows.round({"seconds_mean": 2, "seconds_most": 2, "peak_mb": 0}), "equihash_scale", names)
    kept(pd.DataFrame(runs).round({"seconds": 0, "disk_mb": 0}), "equihash_scale_runs", names)
    synthetic = [name for name in names if plan.database_runs(config, name)[0]["variant"] == "synthetic"]
    if synthetic:
        kept(pd.concat([known(results, config, name) for name in synthetic]), "equihash_known", synthetic)
    draw(ROOT / "docs" / "equihash_scale.png")
