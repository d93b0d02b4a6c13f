"""make bench: speed of ours against a named peer, in one run on one machine.

Prints a Markdown table and writes docs/results/benchmark.csv and docs/benchmark.png. Ratios, not gates: nothing here
passes or fails, except that equal work must give equal results.

python tests/bench mosaics index     measures these parts again, and keeps what was measured of the others
"""

import datetime
import os
import platform
import sys
from pathlib import Path
from types import ModuleType

import pandas as pd

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[2] / "workflow" / "scripts")]

import entropy  # noqa: E402
import index  # noqa: E402
import mosaics  # noqa: E402
import perlin  # noqa: E402
import properties  # noqa: E402
import retrieval  # noqa: E402
import seeds  # noqa: E402
import study  # noqa: E402
import tgsh  # noqa: E402
import training  # noqa: E402
from figure import plot_ratios  # noqa: E402

from rehash.figures.style import save_figure  # noqa: E402
from rehash.store import write_csv  # noqa: E402

PICTURE = Path(__file__).parents[2] / "docs" / "benchmark.png"
OUTPUT = Path(__file__).parents[2] / "docs" / "results" / "benchmark.csv"


def processor() -> str:
    """The processor's name, as the system gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


PARTS = (training, properties, study, tgsh, perlin, mosaics, entropy, seeds, index, retrieval)


def measured(part: ModuleType) -> pd.DataFrame:
    """The rows of a part, as they come out now."""
    table = pd.DataFrame(part.rows(), columns=["stage", "work", "ours", "peer", "peer_name", "unit"])
    table["ratio"] = (table.peer / table.ours).round(1)
    table["machine"] = f"{processor()}, {os.cpu_count()} cores"
    return table.assign(date=datetime.date.today().isoformat(), part=part.__name__)


def main(names: list[str]) -> None:
    if unknown := set(names) - {part.__name__ for part in PARTS}:
        sys.exit(f"{', '.join(unknown)}: no part; expected some of {', '.join(part.__name__ for part in PARTS)}")
    before = pd.read_csv(OUTPUT) if names else None
    tables = [
        measured(part) if not names or part.__name__ in names else before[before.part == part.__name__]
        for part in PARTS
    ]
    table = pd.concat(tables, ignore_index=True)
    write_csv(table, OUTPUT)
    save_figure(plot_ratios(table), PICTURE)
    for row in table.itertuples():
        ours, peer = (f"{value:.3g} {row.unit}" for value in (row.ours, row.peer))
        print(f"| {row.stage} | {row.work} | {ours} | {peer} ({row.peer_name}) | {row.ratio} |")


main(sys.argv[1:])
