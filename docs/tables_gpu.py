"""The table of what tests/gpu found on a GPU (docs/results/gpu.json); what was not measured says so."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

RESULT = Path(__file__).parent / "results" / "gpu.json"


def _each(numbers: dict[str, dict[str, Any]], key: str, form: str = "{}") -> str:
    return ", ".join(f"{name} {form.format(found[key])}" for name, found in numbers.items())


# What a check shows, its name in the file, and its numbers as text.
ROWS: list[tuple[str, str, Callable[[dict[str, Any]], str]]] = [
    ("steps in a CUDA graph equal eager ones", "graphs", lambda found: f"{len(found['cases'])} cases"),
    ("20 steps of a hash network twice: equal weights", "networks", lambda found: _each(found["networks"], "equal")),
    (
        "values of views that differ from a CPU's",
        "views",
        lambda found: _each(found["kinds"], "share_differing", "{:.2g}"),
    ),
    (
        "MNIST's capacity study, 23 widths x 10 networks, trained and measured",
        "capacity",
        lambda found: f"{found['study_seconds']:.0f} s for {found['networks']} networks",
    ),
    (
        "encoding a view of two photos, 180 x 270, by a ResNet-18",
        "encoding",
        lambda found: _each(found["precisions"], "microseconds_a_view", "{} µs"),
    ),
    (
        "a captured block of 512 such views equals an eager one, and is packed as on a CPU",
        "blocks",
        lambda found: _each(found["precisions"], "equal"),
    ),
    (
        "such views made and hashed in captured blocks",
        "blocks",
        lambda found: (
            f"{_each(found['precisions'], 'views_a_second', '{:,} a second')}; "
            f"10^9 in {_each(found['precisions'], 'hours_for_1e9', '{} h')}"
        ),
    ),
    (
        "entropies of tuples of 64 bits and their gradient, 4,096 rows",
        "entropies",
        lambda found: _each(found["sizes"], "milliseconds", "{} ms"),
    ),
    ("a database cut in 1, 2 and 3 shards: equal fingerprints", "shards", lambda f: _each(f["networks"], "equal")),
    ("FlyNet, a step of 36 tasks", "flynet", lambda found: f"{found['milliseconds_a_step']} ms"),
    (
        "ResNet-20 on digits, a step of 64; convolutional networks trained twice: equal bytes",
        "convolutions",
        lambda found: (
            f"{found['milliseconds_a_step_of_resnet20']} ms; "
            f"{_each({name: found[name] for name in ('vgg4', 'resnet8')}, 'same_bytes')}"
        ),
    ),
]


def gpu() -> tuple[pd.DataFrame, str]:
    """One row for each check; and the machine that it was measured on."""
    found = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.exists() else {}
    lines = []
    for what, name, told in ROWS:
        check = found.get(name, {"status": "not measured"})
        numbers = told(check) if check["status"] in ("passed", "failed") else ""
        lines.append({"on a GPU": what, "status": check["status"], "found": numbers})
    where = found.get("environment", {})
    machine = f"{where['gpu']}, torch {where['torch']}." if "gpu" in where else "No GPU was at hand yet."
    return pd.DataFrame(lines), machine
