"""Contact sheets: what the items of a task look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from rehash.equihash.banks import SPLITS, Bank
from rehash.equihash.flow import PerlinFields
from rehash.equihash.mosaics import Mosaics, contact_sheet
from rehash.equihash.task import Task
from rehash.hdf5 import created, seal, write_attributes
from rehash.seeds import stream
from rehash.store import write_csv

LABELS, VIEWS = 5, 4


def show_views(
    bank: str | Path,
    perlin: str | Path | None,
    pictures: str | Path,
    table: str | Path,
    *,
    name: str,
    settings: dict[str, Any],
    seed: int,
) -> dict[str, Any]:
    """Write a contact sheet of random labels of the train split (HDF5), and how many labels each split makes (CSV).

    pictures: `views`, see `rehash.equihash.mosaics.contact_sheet`, and `labels`, int64. table: task, split, pictures,
    labels.

    Args:
        settings: as `rehash.equihash.task.Task.of` takes them.

    Raises:
        InputError: the task's settings, its bank and its Perlin bank do not fit together.
    """
    task = Task.of(settings, f"config: equihash.tasks.{name}")
    banks = {split: Bank.open(bank, split) for split in SPLITS}
    fields = PerlinFields.open(perlin) if perlin else None
    counts = {split: task.label_count(len(found)) for split, found in banks.items()}
    mosaics = Mosaics(task, banks["train"], fields)
    chosen = stream(seed, "equihash", "contact sheet", name).integers(counts["train"], size=LABELS)
    views = contact_sheet(mosaics, chosen, VIEWS, seed=seed)
    with created(pictures) as file:
        file["views"], file["labels"] = views, chosen
        write_attributes(file, {"task": name, "split": "train", "seed": seed})
        seal(file)
    rows = [{"task": name, "split": s, "pictures": len(banks[s]), "labels": counts[s]} for s in SPLITS]
    write_csv(pd.DataFrame(rows), table)
    return {"seed": seed, "views": list(views.shape)}
