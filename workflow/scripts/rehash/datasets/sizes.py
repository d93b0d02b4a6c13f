"""The memory (MB) and run time (minutes) that building a dataset asks for, from the size of its raw files.

tests/unit/datasets/test_sizes.py holds them against builds that were measured.
"""

from __future__ import annotations

from rehash.graph import dataset_config, dataset_place, minutes
from rehash.outside import extent

_BASE_MB = 2000
_COPIES = 5  # of the samples: as read, divided into splits and mixed
# How many times their raw files' size arrays, tables and images that keep their size take. JPEG is smallest on disk. A
# division holds the whole dataset, and its splits before and after they are mixed, of which two may have one sample.
_GROWTH = {"image_folder": 50, "table": 30, "division": 6}
_OTHER_GROWTH = 12


def _raw(config: dict, dataset: str, input_mb: float) -> tuple[int, float]:
    """Return the number of a dataset's raw files and their size in MB."""
    place = dataset_place(config, dataset)
    return extent(place["path"]) if place else (1, input_mb)


def building_mb(config: dict, dataset: str, input_mb: float, attempt: int) -> int:
    """Return the memory to read raw files and to write a dataset."""
    block = dataset_config(config, dataset)
    files, raw = _raw(config, dataset, input_mb)
    if block["reader"] == "image_folder" and block["image_size"]:
        held = _COPIES * files * 3 * block["image_size"] ** 2 / 1e6
    elif block["reader"] == "bag_of_words":  # a text has a kilobyte in an archive
        held = _COPIES * max(files, 1000 * raw) * 4 * (block["words"] or 10_000) / 1e6
    else:
        held = _GROWTH.get(block["reader"], _OTHER_GROWTH) * raw
    return int((_BASE_MB + held) * attempt)


def building_minutes(config: dict, dataset: str, input_mb: float, attempt: int) -> int:
    """Return a generous run time limit to build a dataset: a tenth of a second a megabyte, and a hundredth a file."""
    files, raw = _raw(config, dataset, input_mb)
    return minutes((0.1 * raw + 0.01 * files) / 60, attempt, base=30)
