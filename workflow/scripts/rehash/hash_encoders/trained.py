"""The results of training a cohort, and the names of its snapshots."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rehash.hash_encoders.networks import Tensors


@dataclass
class Trained:
    """The results of a cohort: `networks[snapshot]` holds stacked float32 tensors (R, ...), R repeats in order."""

    networks: dict[str, Tensors] = field(default_factory=dict)
    epochs: dict[str, list[int]] = field(default_factory=dict)  # each repeat's number of epochs at each snapshot
    history: list[dict[str, Any]] = field(default_factory=list)  # epoch, repeat; loss and accuracy in training


def snapshot_name(epoch: int) -> str:
    """Return the name of the snapshot after `epoch`; the one at the end of a training is called "trained"."""
    return f"epoch={epoch}" if epoch else "untrained"


def epoch_of(snapshot: str, epochs: int) -> int:
    """Return the epoch that a snapshot's name stands for in a training that runs through all its `epochs`."""
    ends = {"untrained": 0, "trained": epochs}
    return ends[snapshot] if snapshot in ends else int(snapshot.rpartition("=")[2])
