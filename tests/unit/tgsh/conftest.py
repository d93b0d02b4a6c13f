"""What several test files of the wing need: one thread, and the toy dataset as a file."""

from pathlib import Path

import pytest
import torch

from rehash.datasets.layout import write_dataset
from toys import BARS


@pytest.fixture(autouse=True)
def one_thread():
    """Steps this small are many times slower on two threads where other work fills the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def dataset(tmp_path_factory) -> Path:
    """A file of the toy images, `BARS`, which is only read."""
    path = tmp_path_factory.mktemp("bars") / "d.h5"
    write_dataset(path, BARS, name="d", source="", licence="", class_names=list("abc"))
    return path
