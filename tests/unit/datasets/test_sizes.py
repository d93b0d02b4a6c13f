"""Memory and time that building a dataset asks for, against builds that were measured."""

import pytest

from rehash.datasets import sizes
from rehash.outside import extent

# Reader and settings, raw files and their MB, then CPU seconds and MB at most (ru_maxrss) of a build in a process of its
# own on one x86 core: npz of 400 images of 224 x 224 x 3 and of 2,500 vectors of 10,000 numbers; 3,000 JPEG of 300 x 300,
# as they are and scaled; 6,000 texts of 1.2 kB; a CSV of 60,000 rows with 26 columns; 60,000 images of 32 x 32 x 3, divided
# into 1,000 queries, 5,000 to train on and a gallery of 59,000.
MEASURED = [
    ({"reader": "npz"}, 1, 60.2, 0.3, 169),
    ({"reader": "npz"}, 1, 100.0, 0.4, 267),
    ({"reader": "image_folder"}, 3000, 61.0, 9.0, 2432),
    ({"reader": "image_folder", "image_size": 128}, 3000, 61.0, 5.1, 491),
    ({"reader": "bag_of_words", "words": 10_000}, 6000, 7.4, 3.0, 467),
    ({"reader": "table"}, 1, 24.0, 1.5, 367),
    ({"reader": "division"}, 1, 184.8, 1.5, 640),
]


def asked(settings: dict, files: int, raw: float, monkeypatch) -> tuple[int, int]:
    """Minutes and MB."""
    monkeypatch.setattr(sizes, "extent", lambda path: (files, raw))
    monkeypatch.setattr(sizes, "dataset_place", lambda config, dataset: {"path": "there"})
    config = {"datasets": {"d": {"image_size": None, "words": None, **settings}}}
    return tuple(ask(config, "d", 0, 1) for ask in (sizes.building_minutes, sizes.building_mb))


@pytest.mark.parametrize(("settings", "files", "raw", "seconds", "megabytes"), MEASURED)
def test_a_build_gets_what_it_took_and_not_much_more(settings, files, raw, seconds, megabytes, monkeypatch):
    limit, memory = asked(settings, files, raw, monkeypatch)
    assert 60 * limit >= 1.5 * seconds and 60 * (limit - 30) <= 20 * seconds
    assert memory >= 1.5 * megabytes and memory - 2000 <= 20 * megabytes
    # A thousand times as many data of the kind: what the base leaves over no longer hides what is missing.
    limit, memory = asked(settings, 1000 * files, 1000 * raw, monkeypatch)
    own = max(1, megabytes - 130)  # of the data, without what Python and its libraries take
    assert 1.2 * 1000 * own <= memory <= 20_000 * own and limit * 60 >= 1.5 * 1000 * seconds


def test_the_extent_of_what_lies_outside(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(bytes(1_500_000))
    (tmp_path / "y").write_bytes(bytes(500_000))
    (tmp_path / ".DS_Store").write_bytes(bytes(10))
    assert extent(tmp_path) == (2, 2.0) and extent(tmp_path / "y") == (1, 0.5)
