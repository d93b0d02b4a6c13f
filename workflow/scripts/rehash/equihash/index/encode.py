"""Fingerprints of views by a network or another encoder, block by block in jobs that can be killed and resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rehash.bits import Codes
from rehash.equihash.databases.label_files import Labels
from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.queries import Queries
from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import Mosaics, view_dependencies, view_digests
from rehash.equihash.images.task import Task
from rehash.equihash.index.fingerprints import Origin, write_shard
from rehash.equihash.index.hashing import Hashed, Hasher
from rehash.equihash.index.query_codes import (
    QueryCodes,
    ViewList,
    config_digest,
    logits_by_list,
    query_views,
    signed_count,
)
from rehash.equihash.learning.models import CodeSource, Model, open_model
from rehash.equihash.learning.weights import Network
from rehash.errors import InputError
from rehash.job import Saving
from rehash.store import file_digest
from rehash.training import Compute, State, device_kind, finished


class Encoding:
    """The fingerprints of several lists of views, one after the other, as one resumable job (see rehash.training.run).

    Args:
        views: the lists of views, in order.
        encode: a function of a list, a row and a number that yields what the list's views from that row on are hashed
            to, in blocks; of so many of these views the logits are asked for.
        bits: the length of a fingerprint.
        kept: the number of first views whose |logits| are kept. signed: the same, of logits with their signs.

    Attributes:
        codes: uint8 (views, bits / 8). abs_logits: float32 (kept, bits). logits: float32 (signed, bits).
    """

    def __init__(
        self,
        views: Sequence[ViewList],
        encode: Callable[[ViewList, int, int], Iterator[Hashed]],
        bits: int,
        *,
        kept: int = 0,
        signed: int = 0,
    ) -> None:
        self.views, self.encode = views, encode
        self.total = sum(len(each.labels) for each in views)
        self.finished_steps = 0  # counts views, so that progress is in items
        self.codes: Codes = np.zeros((self.total, bits // 8), np.uint8)
        self.abs_logits = np.zeros((min(kept, self.total), bits), np.float32)
        self.logits = np.zeros((min(signed, self.total), bits), np.float32)
        self._blocks = self._encoded()

    @property
    def done(self) -> bool:
        return self.finished_steps == self.total

    def status(self) -> str:
        return f"{self.finished_steps:,} of {self.total:,} items"

    def step(self) -> None:
        """Encode one block."""
        found, start = next(self._blocks), self.finished_steps
        stop = start + len(found.codes)
        if not found.numbers.all():
            item = start + int(np.flatnonzero(~found.numbers)[0])
            raise InputError(
                f"view {item} of {self.total}: the network gives logits that are no numbers; train it again"
            )
        self.codes[start:stop] = found.codes
        for values, of in ((self.abs_logits, np.abs), (self.logits, np.asarray)):
            if len(kept := values[start:stop]):
                kept[:] = of(found.logits[: len(kept)])
        self.finished_steps = stop

    def _encoded(self) -> Iterator[Hashed]:
        """Yield what the views are hashed to from the first unfinished one on."""
        at, kept = 0, max(len(self.abs_logits), len(self.logits))
        for each in self.views:
            stop, start = at + len(each.labels), self.finished_steps
            if start < stop:
                yield from self.encode(each, start - at, max(0, kept - start))
            at = stop

    def state(self) -> State:
        done = self.finished_steps
        parts = {"codes": self.codes[:done], "abs_logits": self.abs_logits[:done]}
        parts |= {"logits": self.logits[:done]} if len(self.logits) else {}
        tensors = {name: torch.from_numpy(part) for name, part in parts.items()}
        return tensors, {"finished_steps": done}, tuple(tensors)

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished_steps = values["finished_steps"]
        for name, part in tensors.items():
            getattr(self, name)[: len(part)] = part.numpy()
        self._blocks = self._encoded()


@dataclass(frozen=True)
class Shown:
    """The settings of the views that a network is shown, besides their files, and what it computes in.

    Attributes:
        task: the block of a config that `Task.of` takes.
        split: the split of the bank.
        seed: the seed of the noise.
        precision: what a network of this wing computes in, whatever it was trained in
            (`rehash.equihash.learning.precision`).
    """

    task: dict[str, Any]
    split: str
    seed: int
    precision: str = "float32"


@dataclass(frozen=True, eq=False)
class Encoder:
    """A model and the mosaics that it is shown.

    Attributes:
        network: a function from views to logits, float32 (n, bits).
        hasher: the same network, for blocks of views.
        model: a digest of all that it depends on. views: what its views depend on.
        seed: of the views' noise.
        digests: of their files, for the provenance.
    """

    network: Network
    mosaics: Mosaics
    hasher: Hasher
    bits: int
    seed: int
    model: str
    views: dict[str, Any]
    compute: Compute
    precision: str
    digests: dict[str, str]

    @classmethod
    def open(cls, model: Model, bank: str | Path, perlin: str | Path | None, shown: Shown, compute: Compute) -> Encoder:
        """Open a model and the files of its views; raise an InputError if they do not fit together."""
        target, task, images = compute.start(), Task.of(shown.task), Bank.open(bank, shown.split)
        network, about, digest, files = open_model(model, task, target, shown.precision)
        views = {**view_dependencies(shown.task, images, perlin), "split": shown.split}
        mosaics = Mosaics.open(task, images, perlin, target)
        said = (about["bits"], shown.seed, digest[:16], views, compute, shown.precision)
        hasher = Hasher(network, mosaics, graph=not isinstance(model, CodeSource))  # others may wait for the GPU
        return cls(network, mosaics, hasher, *said, {**view_digests(images, perlin), **files})

    def hashed(self, each: ViewList, skipped: int, kept: int = 0) -> Iterator[Hashed]:
        """Yield what a list of views is hashed to, without the first `skipped`, in blocks (`Hasher.blocks`)."""
        names = {"seed": self.seed, "name": each.name, "kind": each.kind}
        return self.hasher.blocks(each.labels[skipped:], each.start + skipped, kept=kept, **names)

    def about(self, database: Database) -> dict[str, str]:
        """Return model, config, device and precision of the fingerprints that it makes (see `fingerprints.Origin`)."""
        made_on = {"device": device_kind(self.mosaics.device), "precision": self.precision}
        return {"model": self.model, "config": config_digest(database, self.seed, self.views), **made_on}

    def identity(self, views: Sequence[ViewList], labels: str, kept: int, about: dict[str, Any]) -> dict[str, Any]:
        """Return what identifies a saved state, so that it is never continued on other views.

        labels: digest of the labels that the views show.
        """
        shown = [(each.name, each.kind, each.start, len(each.labels)) for each in views]
        return {**about, "labels": labels, "views": shown, "kept": kept, "threads": self.compute.threads}


def encode_shard(
    model: Model,
    bank: str | Path,
    perlin: str | Path | None,
    labels: str | Path,
    output: str | Path,
    shown: Shown,
    compute: Compute,
    saving: Saving,
    *,
    shard: int = 0,
    shards: int = 1,
) -> dict[str, Any]:
    """Encode the items of one of a database's shards and write their fingerprints (`fingerprints.write_shard`).

    A job that was killed continues from its saved state when it is started again.

    Args:
        labels: of the database (`rehash.equihash.databases.label_files.Labels`).

    Returns:
        Notes for the provenance: device, items, wall time with earlier runs, code changes.

    Raises:
        InputError: the files do not fit together.
    """
    encoder, known = Encoder.open(model, bank, perlin, shown, compute), Labels.open(labels)
    database = known.database
    part = known.shard(shard, shards)
    views = [ViewList(part, part.start, database.name, "database")]
    about = encoder.about(database)
    job, identity = Encoding(views, encoder.hashed, encoder.bits), encoder.identity(views, known.checksum, 0, about)
    title = Path(output).name
    with finished(job, output, identity, saving, encoder.mosaics.device, title=title, unit="item") as notes:
        write_shard(output, job.codes, start=part.start, n_items=database.n_items, **about)
        return {**notes, "items": job.total, "digests": {**encoder.digests, known.path: known.checksum}}


def encode_queries(
    model: Model,
    bank: str | Path,
    perlin: str | Path | None,
    queries: str | Path,
    output: str | Path,
    shown: Shown,
    compute: Compute,
    saving: Saving,
    *,
    probed: int,
    signed: bool = False,
) -> dict[str, Any]:
    """Encode a database's queries (`QueryCodes`), as `encode_shard` does its items.

    Args:
        probed: the number of positives of the largest size whose |logits| are kept, for multi-probing.
        signed: whether the logits of all positive and negative queries are written, too.
    """
    encoder, asked = Encoder.open(model, bank, perlin, shown, compute), Queries.read(queries)
    about = encoder.about(asked.database)
    kept = min(probed, len(asked.positive[max(asked.positive)][0]))
    by_list = query_views(asked)
    views = list(by_list.values())
    job = Encoding(views, encoder.hashed, encoder.bits, kept=kept, signed=signed_count(by_list) if signed else 0)
    identity, title = encoder.identity(views, file_digest(queries), kept, about), Path(output).name
    identity |= {"signed": True} if signed else {}
    with finished(job, output, identity, saving, encoder.mosaics.device, title=title, unit="item") as notes:
        whose = Origin(asked.database.n_items, encoder.bits, **about)
        found = QueryCodes.cut(job.codes, job.abs_logits, asked, queries, whose)
        found.write(output, logits_by_list(job.logits, by_list) if signed else None)
        return {**notes, "items": job.total, "digests": encoder.digests}
