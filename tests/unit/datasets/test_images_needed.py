"""What needs images says so of a dataset of vectors, and names it: when planning if the reader says it, else in the job."""

import numpy as np
import pytest

from graphs import DEFAULT, merged
from rehash.config import validated
from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.equihash.images.banks import build_bank
from rehash.errors import InputError
from rehash.tgsh.modulations import read_digits


def config(reader: str, **wings) -> dict:
    found = merged(DEFAULT)
    found["datasets"]["mine"] = {"reader": reader, "path": "some/where"}
    for wing, blocks in wings.items():
        for part, block in blocks.items():
            found[wing][part] = {**found[wing][part], **block} if isinstance(block, dict) else block
    return found


@pytest.mark.parametrize("reader", ["table", "bag_of_words"])
@pytest.mark.parametrize(
    ("wings", "where"),
    [
        ({"tgsh": {"datasets": ["mine"]}}, "config: tgsh.datasets"),
        ({"tgsh": {"flynet": {"mine": {}}}}, "config: tgsh.flynet.mine"),
        ({"equihash": {"banks": {"b": {"reader": "digits", "dataset": "mine"}}}}, "config: equihash.banks.b.dataset"),
    ],
)
def test_when_planning(reader, wings, where):
    with pytest.raises(InputError, match=f"{where}: the dataset mine has vectors .its reader is {reader}., and images"):
        validated(config(reader, **wings))
    if "datasets" not in wings.get("tgsh", {}):
        validated(config("npz", **wings))  # which may have images
    validated(config(reader, hash_encoders={"datasets": ["mine"], "capacity": {"mine": {"layer_widths": [5]}}}))


def test_in_the_job(tmp_path):
    splits = {split: Split(np.eye(6, dtype=np.float32), np.arange(6) % 2) for split in ("train", "test")}
    path = tmp_path / "mine.h5"
    write_dataset(path, splits, name="mine", source="", licence="", class_names=["a", "b"])
    with pytest.raises(
        InputError, match=r"mine.h5: inputs are vectors of 6 numbers; tgsh needs images.* take mine out of"
    ):
        read_digits(path)
    with pytest.raises(
        InputError, match=r"mine.h5: inputs are vectors; expected images: set equihash.banks.<name>.dataset"
    ):
        build_bank({"dataset": str(path)}, tmp_path / "b.h5", description={"name": "b", "reader": "digits"})
    assert not (tmp_path / "b.h5").exists()
    with pytest.raises(InputError, match="inputs are vectors of 6 numbers; expected images"):
        _ = Dataset.read(path).train.images
