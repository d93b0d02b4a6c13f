"""What the training of a cohort leaves, and the names of its moments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rehash.hash_encoders.networks import Tensors


@dataclass
class Trained:
    """What a cohort leaves: `networks[snapshot]` holds stacked float32 tensors (R, ...), R repeats in their order."""

    networks: dict[str, Tensors] = field(default_factory=dict)
    epochs: dict[str, list[int]] = field(default_factory=dict)  # each repeat's number of epochs at each snapshot
    history: list[dict[str, Any]] = field(default_factory=list)  # epoch, repeat; loss, accuracy as trained


def snapshot_name(epoch: int) -> str:
    """The name of the networks after `epoch`; those at the end of a training are called "trained"."""
    return f"epoch={epoch}" if epoch else "untrained"


def epoch_of(snapshot: str, epochs: int) -> int:
    """The epoch that a snapshot's name means in a training of `epochs`, if it runs to its end."""
    ends = {"untrained": 0, "trained": epochs}
    return ends[snapshot] if snapshot in ends else int(snapshot.rpartition("=")[2])
