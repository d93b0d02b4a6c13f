"""Networks that an earlier job has trained with another number of repeats, which need not be trained again.

A repeat's random numbers do not depend on how many repeats there are. So a job that asks for ten, and finds a file of
three beside its own, trains seven; and one that asks for three takes the first of ten.
"""

from __future__ import annotations

import csv
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rehash.hash_encoders.networks_file import read_networks
from rehash.hash_encoders.trained import Trained
from rehash.job import Saving
from rehash.store import file_digest, value_digest

log = logging.getLogger("rehash")

_NUMBERED = re.compile(r"(.+_)(\d+)(\.\w+)")  # networks_3.safetensors


@dataclass(frozen=True)
class Earlier:
    """The first repeats of all cells, from a file that another job wrote.

    Attributes:
        cells: their results, as `rehash.hash_encoders.train.Sequence.results` returns them. repeats: how many.
        codes: the digests of code other than the job's own that has trained them.
        source: the name of the file; "" if there was none, and then there are no cells.
    """

    cells: list[Trained]
    repeats: int
    codes: list[str]
    source: str


NOTHING = Earlier([], 0, [], "")


def find_earlier(networks: Path, history: Path, identity: dict[str, Any], saving: Saving, device_kind: str) -> Earlier:
    """Return the repeats that a file beside `networks` has, or `NOTHING`; of several, the one that has most of them.

    A file of another number of repeats is named like `networks` and `history` but for the number. It is used if its
    provenance, which lies beside it, says that the same code has made it on the same kind of device, and that both
    files have the bytes that they were written with; and if the networks' identity is the same but for the number.
    Files of other code are used, too, where `saving` says that a training goes on after a change of code. The log says
    why a file is not used.

    Args:
        networks, history: the files to be made; if their names do not end in a number, there are no others.
        identity: of the networks to be made. device_kind: see `rehash.training.device_kind`.
    """
    wanted, found = identity["repeats"], {}
    if own := _NUMBERED.fullmatch(networks.name):
        for path in networks.parent.iterdir():
            other = _NUMBERED.fullmatch(path.name)
            if other and other.group(1, 3) == own.group(1, 3) and other[2] != own[2]:
                found[int(other[2])] = path
    # Those that have all that is wanted come first, the smallest of them at once, then those that have most of it.
    for repeats in sorted(found, key=lambda n: (n < wanted, abs(n - wanted))):
        files = found[repeats], history.with_name(_NUMBERED.sub(rf"\g<1>{repeats}\g<3>", history.name))
        try:
            earlier = _read(*files, min(repeats, wanted), identity, saving, device_kind)
        except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
            log.info("%s is not used: %s", files[0], error)
            continue
        log.info("%s: its first %d repeats are taken", files[0], earlier.repeats)
        return earlier
    return NOTHING


def _read(
    networks: Path, history: Path, repeats: int, identity: dict[str, Any], saving: Saving, device_kind: str
) -> Earlier:
    """Read the first repeats of earlier files.

    Raises:
        ValueError, OSError, LookupError, TypeError, AttributeError: they cannot be used; some say why in words.
    """
    facts = json.loads(networks.with_suffix(".json").read_text(encoding="utf-8"))
    codes = sorted({facts["params"]["code"], *facts["continued_from_code"]} - {saving.code})
    if codes and saving.on_code_change != "continue":
        raise ValueError("other code has made it (on_code_change: continue would take it all the same)")
    if facts["device_kind"] != device_kind:
        raise ValueError(f"it was made on another kind of device: {facts['device_kind']}, not {device_kind}")
    for path in (networks, history):
        if file_digest(path) != facts["written"][path.name]:
            raise ValueError(f"{path.name} has other bytes than those that its provenance says were written")
    cells, about = read_networks(networks)
    epochs = about.pop("epochs")
    if value_digest({**about, "repeats": None}) != value_digest({**identity, "repeats": None}):
        raise ValueError("it is of other settings or other data")
    found = [
        Trained(
            {
                snapshot: {name: tensor[:repeats] for name, tensor in network.items()}
                for snapshot, network in cell.items()
            },
            {snapshot: numbers[:repeats] for snapshot, numbers in ends.items()},
            [row for row in rows if row["repeat"] < repeats],
        )
        for cell, ends, rows in zip(cells, epochs, _histories(history), strict=True)
    ]
    return Earlier(found, repeats, codes, networks.name)


def _histories(history: Path) -> list[list[dict[str, Any]]]:
    """Read the history of each cell exactly, which pandas' reader would not; a cell begins with its first repeat."""
    cells: list[list[dict[str, Any]]] = []
    with open(history, newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            row = {name: int(line[name]) for name in ("epoch", "repeat")}
            row |= {name: float(line[name] or "nan") for name in ("loss", "accuracy")}
            if (row["repeat"], row["epoch"]) == (0, 1):
                cells.append([])
            cells[-1].append(row)
    return cells


def joined(earlier: Earlier, later: list[Trained]) -> list[Trained]:
    """Return for each cell the results of its earlier repeats followed by those that were trained now, if any."""
    if not earlier.cells or not later:
        return earlier.cells or later
    return [
        Trained(
            {
                snapshot: {name: torch.cat([tensor, new.networks[snapshot][name]]) for name, tensor in network.items()}
                for snapshot, network in old.networks.items()
            },
            {snapshot: [*numbers, *new.epochs[snapshot]] for snapshot, numbers in old.epochs.items()},
            [*old.history, *new.history],
        )
        for old, new in zip(earlier.cells, later, strict=True)
    ]
