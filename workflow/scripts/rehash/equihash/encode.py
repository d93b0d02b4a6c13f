"""A trained network on views: fingerprints, block by block, as jobs that can be killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rehash.bits import Codes, pack
from rehash.equihash.banks import Bank
from rehash.equihash.draws import BLOCK
from rehash.equihash.fingerprints import Identity, write_shard
from rehash.equihash.label_shards import LabelFile
from rehash.equihash.labels import Database
from rehash.equihash.mosaics import Mosaics
from rehash.equihash.queries import Queries
from rehash.equihash.query_codes import QueryCodes, ViewList, config_digest, query_views
from rehash.equihash.task import Task
from rehash.equihash.views import identity, open_mosaics
from rehash.equihash.weights import read_network
from rehash.errors import InputError
from rehash.store import file_digest
from rehash.training import State, StateFile, device_kind, resolve_device, run, set_reproducible

Network = Callable[[torch.Tensor], torch.Tensor]
PRECISION = "float32"  # of the network that encodes, whatever it was trained in
_ROWS_ON_A_CPU = 128  # whose activations stay in its caches: half the time of a whole block
_THREADS_BESIDE_A_GPU = 4  # to draw the noise of blocks to come


def open_network(path: str | Path, task: Task, device: torch.device) -> tuple[Network, dict[str, Any]]:
    """The network of a file as a function from a task's views to logits, float32 (n, bits), and its identity.

    Raises:
        InputError: not a network (see `rehash.equihash.weights.read_network`), or one for views of another shape.
    """
    network, about = read_network(path, device)
    if tuple(about["shape"]) != task.shape:
        found, expected = (" x ".join(map(str, shape)) for shape in (about["shape"], task.shape))
        raise InputError(f"{path}: its network takes views of {found}; the task's are {expected}")
    network.to(memory_format=torch.channels_last)  # a third of the time on a CPU
    return (lambda views: network(views.contiguous(memory_format=torch.channels_last))), about


def logits(
    network: Network, mosaics: Mosaics, labels: Any, start: int, *, seed: int, name: str, kind: str
) -> Iterator[np.ndarray]:
    """The logits of items start, start + 1, ..., block by block: float32 (n, bits).

    The network always sees the same rows of a block together, with an item at its own place and zeros for those that
    are not asked for: how many rows a product has, and which row it is, can change how it is rounded.

    Arguments as of `Mosaics.batches`.
    """
    on_a_cpu = mosaics.device.type == "cpu"
    together, ahead = (_ROWS_ON_A_CPU, 0) if on_a_cpu else (BLOCK, _THREADS_BESIDE_A_GPU)
    for first, views in mosaics.batches(labels, start, seed=seed, name=name, kind=kind, ahead=ahead):
        before = first % together
        shown = len(views) + before
        shape = (-(-shown // together) * together, *views.shape[1:])
        whole = torch.zeros(shape, dtype=views.dtype, device=views.device)
        whole[before:shown] = views
        with torch.inference_mode():  # not around the yield, which would leave it on for others
            found = torch.cat([network(rows) for rows in whole.split(together)])
        yield found[before:shown].cpu().numpy()


class Encoding:
    """The fingerprints of several lists of views, one after the other, as one resumable job (see rehash.training.run).

    Args:
        views: which, in order.
        encode: gives the logits of views from a row on, in blocks: float32 (n, bits).
        bits: of a fingerprint.
        kept: of how many of the first views the |logits| are kept.

    Attributes:
        codes: uint8 (views, bits / 8). abs_logits: float32 (kept, bits).
    """

    def __init__(
        self,
        views: Sequence[ViewList],
        encode: Callable[[ViewList, int], Iterator[np.ndarray]],
        bits: int,
        *,
        kept: int = 0,
    ) -> None:
        self.views, self.encode = views, encode
        self.total = sum(len(each.labels) for each in views)
        self.finished_steps = 0  # a step is a view here, so that progress is in items
        self.codes: Codes = np.zeros((self.total, bits // 8), np.uint8)
        self.abs_logits = np.zeros((min(kept, self.total), bits), np.float32)
        self._blocks = self._encoded()

    @property
    def done(self) -> bool:
        return self.finished_steps == self.total

    def status(self) -> str:
        return f"{self.finished_steps:,} of {self.total:,} items"

    def step(self) -> None:
        """Encode one block."""
        found, start = next(self._blocks), self.finished_steps
        if not np.isfinite(found).all():
            item = start + int(np.flatnonzero(~np.isfinite(found).all(axis=1))[0])
            raise InputError(
                f"view {item} of {self.total}: the network gives logits that are no numbers; train it again"
            )
        self.codes[start : start + len(found)] = pack(found > 0)
        kept = self.abs_logits[start : start + len(found)]
        kept[:] = np.abs(found[: len(kept)])
        self.finished_steps += len(found)

    def _encoded(self) -> Iterator[np.ndarray]:
        """The logits from the first unfinished view on."""
        at = 0
        for each in self.views:
            stop = at + len(each.labels)
            if self.finished_steps < stop:
                yield from self.encode(each, self.finished_steps - at)
            at = stop

    def state(self) -> State:
        done = self.finished_steps
        parts = {"codes": self.codes[:done], "abs_logits": self.abs_logits[:done]}
        return {name: torch.from_numpy(part) for name, part in parts.items()}, {"finished_steps": done}

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished_steps = values["finished_steps"]
        for name, part in tensors.items():
            getattr(self, name)[: len(part)] = part.numpy()
        self._blocks = self._encoded()


@dataclass(frozen=True, eq=False)
class _Encoder:
    """A network and the mosaics that it is shown."""

    network: Network
    mosaics: Mosaics
    bits: int
    seed: int
    model: str
    views: dict[str, Any]

    @classmethod
    def open(
        cls,
        weights: str | Path,
        bank: str | Path,
        perlin: str | Path | None,
        *,
        settings: dict[str, Any],
        split: str,
        seed: int,
        device: str,
        threads: int,
    ) -> _Encoder:
        set_reproducible(threads)
        target, task, pictures = resolve_device(device), Task.of(settings), Bank.open(bank, split)
        network, about = open_network(weights, task, target)
        views = {**identity(settings, pictures, perlin), "split": split}
        mosaics = open_mosaics(task, pictures, perlin, target)
        return cls(network, mosaics, about["bits"], seed, file_digest(weights)[:16], views)

    def logits(self, each: ViewList, skipped: int) -> Iterator[np.ndarray]:
        """Of a list of views, but for the first."""
        names = {"seed": self.seed, "name": each.name, "kind": each.kind}
        return logits(self.network, self.mosaics, each.labels[skipped:], each.start + skipped, **names)

    def about(self, database: Database) -> dict[str, str]:
        """Whose fingerprints it makes, see `fingerprints.Identity`."""
        made_on = {"device": device_kind(self.mosaics.device), "precision": PRECISION}
        return {"model": self.model, "config": config_digest(database, self.seed, self.views), **made_on}

    @contextmanager
    def finished(
        self,
        views: Sequence[ViewList],
        output: str | Path,
        about: dict[str, Any],
        *,
        labels: str,
        saving: dict[str, Any],
        kept: int = 0,
    ) -> Iterator[tuple[Encoding, dict[str, Any]]]:
        """The fingerprints of lists of views, for a file that is locked meanwhile; and notes for its provenance.

        labels: digest of what the views are of, so that a saved state is never continued on others.
        """
        job, device = Encoding(views, self.logits, self.bits, kept=kept), self.mosaics.device
        shown = [(each.name, each.kind, each.start, len(each.labels)) for each in views]
        key = {**about, "labels": labels, "views": shown, "kept": kept}
        key |= {"threads": torch.get_num_threads()}
        with StateFile(output, key, saving["code"], saving["on_code_change"]) as state:
            run(job, state, save_every_s=saving["save_every_s"], title=Path(output).name, unit="item")
            notes = {"device": str(device), "items": job.total, "encoding_seconds": round(state.seconds, 3)}
            yield job, {**notes, "continued_from_code": state.continued_from}


def encode_shard(
    weights: str | Path,
    bank: str | Path,
    perlin: str | Path | None,
    labels: str | Path,
    output: str | Path,
    *,
    saving: dict[str, Any],
    **settings: Any,
) -> dict[str, Any]:
    """Encode the items of a label file and write their fingerprints (`fingerprints.write_shard`); killed, it goes on.

    The saved state stays until `rehash.training.discard_state` is called for `output`.

    Args:
        saving: code (its digest), on_code_change and save_every_s, see `rehash.training.StateFile` and `run`.
        settings: settings (of the task, see `Task.of`), split (of the bank), seed, device and threads.

    Returns:
        Notes for the provenance: device, items, wall time with earlier runs, code changes.

    Raises:
        InputError: files that do not fit together.
    """
    encoder, part = _Encoder.open(weights, bank, perlin, **settings), LabelFile.open(labels)
    views = [ViewList(part.map(), part.start, part.database.name, "database")]
    about = encoder.about(part.database)
    with encoder.finished(views, output, about, labels=part.checksum, saving=saving) as (job, notes):
        write_shard(output, job.codes, start=part.start, n_items=part.database.n_items, **about)
        return notes


def encode_queries(
    weights: str | Path,
    bank: str | Path,
    perlin: str | Path | None,
    queries: str | Path,
    output: str | Path,
    *,
    probed: int,
    saving: dict[str, Any],
    **settings: Any,
) -> dict[str, Any]:
    """Encode a database's queries (`QueryCodes`), as `encode_shard` does its items.

    Args:
        probed: of how many positives of the largest size the logits are kept, for multi-probing.
    """
    encoder, asked = _Encoder.open(weights, bank, perlin, **settings), Queries.read(queries)
    about = encoder.about(asked.database)
    positives = len(asked.positive[max(asked.positive)][0])
    views = list(query_views(asked).values())
    saved = {"labels": file_digest(queries), "saving": saving, "kept": min(probed, positives)}
    with encoder.finished(views, output, about, **saved) as (job, notes):
        whose = Identity(asked.database.n_items, encoder.bits, **about)
        QueryCodes.cut(job.codes, job.abs_logits, asked, queries, whose).write(output)
        return notes
