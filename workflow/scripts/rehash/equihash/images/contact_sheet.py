"""Contact sheets, which show what the items of a task look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from rehash.equihash.images.banks import SPLITS, Bank
from rehash.equihash.images.layout import image_numbers
from rehash.equihash.images.mosaics import CPU, Mosaics, view_digests
from rehash.equihash.images.task import Task
from rehash.hdf5 import created, seal, texts, write_attributes
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

    `pictures` gets the datasets `views` (see `contact_sheet`) and `labels`, int64, and of a bank of identities `names`,
    those of the identities of each label; `table` gets the columns task, split, pictures and labels.

    Args:
        settings: the block of a config that `rehash.equihash.images.task.Task.of` takes.

    Raises:
        InputError: the task's settings, its bank and its Perlin bank do not fit together.
    """
    task = Task.of(settings, f"config: equihash.tasks.{name}")
    banks = {split: Bank.open(bank, split) for split in SPLITS}
    shown = Mosaics.open_all(task, banks, perlin, CPU)
    counts = {split: mosaics.label_count for split, mosaics in shown.items()}
    mosaics = shown["train"]
    chosen = stream(seed, "equihash", "contact sheet", name).integers(counts["train"], size=LABELS)
    views = contact_sheet(mosaics, chosen, VIEWS, seed=seed)
    with created(pictures) as file:
        file["views"], file["labels"] = views, chosen
        if names := banks["train"].names():
            of = image_numbers(chosen, task.bank_images(len(names)), task.images)
            file["names"] = texts([" + ".join(names[identity] for identity in row) for row in of])
        write_attributes(file, {"task": name, "split": "train", "seed": seed})
        seal(file)
    pictures_of = {split: _pictures(task, images) for split, images in banks.items()}
    rows = [{"task": name, "split": s, "pictures": pictures_of[s], "labels": counts[s]} for s in SPLITS]
    write_csv(pd.DataFrame(rows), table)
    return {"seed": seed, "views": list(views.shape), "digests": view_digests(banks["train"], perlin)}


def _pictures(task: Task, images: Bank) -> int:
    """Return how many images of a split its mosaics may show."""
    things = task.bank_images(images.things)
    return things if images.identities is None else int(np.searchsorted(images.identities, things))


def contact_sheet(mosaics: Mosaics, labels: np.ndarray, views: int, *, seed: int) -> np.ndarray:
    """Return a contact sheet: a row for each label, with its mosaic without noise and then some of its views.

    Identities show their first images in place of the mosaic without noise, as queries do.

    Args:
        labels: int64 (n,).

    Returns:
        (n, 1 + views, H, W) in grey or (n, 1 + views, H, W, 3) in colour, of the task's dtype, float32 or uint8.

    Raises:
        InputError: see `Mosaics.plain`.
    """
    plain = mosaics.plain(labels)[:, None]
    noisy = mosaics.items(np.repeat(labels, views), 0, seed=seed, name="contact sheet", kind="database")
    sheet = torch.cat([plain, noisy.unflatten(0, (len(labels), views))], 1).cpu().numpy()
    return np.moveaxis(sheet, 2, -1) if sheet.shape[2] > 1 else sheet[:, :, 0]
