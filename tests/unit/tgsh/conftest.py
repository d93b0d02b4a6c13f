"""What several test files of the wing need: one thread, and the toy dataset as a file."""

from pathlib import Path

import pytest

from rehash.datasets.layout import write_dataset
from toys import BARS


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    """A file of the toy images, `BARS`, which is only read."""
    path = tmp_path_factory.mktemp("bars") / "d.h5"
    write_dataset(path, BARS, name="d", source="", licence="", class_names=list("abc"))
    return path
