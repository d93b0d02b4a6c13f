"""What several tests of this wing share: a small database on disk, with networks that are shown it."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from safetensors.torch import load_file

from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.queries import draw_queries
from rehash.equihash.images.banks import Bank
from rehash.equihash.images.mosaics import CPU, Mosaics
from rehash.equihash.images.task import Task
from rehash.equihash.index.encode import Shown, encode_queries, encode_shard
from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.weights import write_network
from rehash.job import Saving
from rehash.training import Compute
from small_index import describe, write_bank


@dataclass(frozen=True)
class Small:
    """A bank of 30 images a split (900 labels), and a database of 1,500 items with its queries.

    Attributes:
        weights: two networks of 8 bits that are not trained, but whose bits are not constant.
        labels: the file of the database's labels.
    """

    task: ClassVar = {"kind": "noisy", "grid": [1, 2], "picture": [20, 10], "gaussian": 0.1}
    database: ClassVar = Database(5, "d", 1500, 900, 3)
    shown: ClassVar = Shown(task, "test", 5)
    compute: ClassVar = Compute("cpu", 1)
    folder: Path
    bank: Path
    weights: list[Path]
    labels: Path
    queries: Path

    def encode(self, of: Path, output: Path, number: int = 0, every_s: float = 30, **changed) -> dict:
        """The fingerprints of a shard, or of the queries; `changed` is of what the network is shown, or which shard."""
        part = {name: changed.pop(name, default) for name, default in (("shard", 0), ("shards", 1))}
        more = {"signed": changed.pop("signed", False), "probed": 20} if of == self.queries else part
        encode = encode_queries if of == self.queries else encode_shard
        source = self.weights[number], self.bank, None, of, output
        return encode(*source, replace(self.shown, **changed), self.compute, Saving(every_s=every_s), **more)

    @cached_property
    def shards(self) -> list[Path]:
        """The fingerprints of the database."""
        paths = [self.folder / f"shard_{shard}.h5" for shard in range(2)]
        for shard, path in enumerate(paths):
            self.encode(self.labels, path, shard=shard, shards=2)
        return paths

    @cached_property
    def codes(self) -> Path:
        """The fingerprints of its queries."""
        self.encode(self.queries, self.folder / "codes.h5")
        return self.folder / "codes.h5"

    @cached_property
    def mosaics(self) -> Mosaics:
        """What the networks are shown."""
        return Mosaics(Task.of(self.task), Bank.open(self.bank, "test"), None, CPU)

    @cached_property
    def network(self) -> torch.nn.Module:
        """The first one, read without the library."""
        network = build_network("mosaic_cnn", 8, (1, 20, 20), seed=0)
        network.load_state_dict(load_file(self.weights[0]))
        return network.eval()

    @torch.no_grad()
    def logits(self, views: torch.Tensor) -> torch.Tensor:
        """Of one view after the other, (n, 8)."""
        return torch.cat([self.network(view[None]) for view in views])


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> Small:
    folder = tmp_path_factory.mktemp("small")
    weights = [folder / f"{number}.safetensors" for number in range(2)]
    for seed, path in enumerate(weights, start=1):
        network, chance = build_network("mosaic_cnn", 8, (1, 20, 20), seed=seed), torch.Generator().manual_seed(0)
        with torch.no_grad():
            for _ in range(30):  # so that the running statistics are those of random images
                network(torch.rand(64, 1, 20, 20, generator=chance))
        keys = {"task": "t", "model": "m", "variant": "default"}
        about = {"keys": keys, "network": "mosaic_cnn", "bits": 8, "shape": [1, 20, 20], "seed": seed}
        write_network(path, network, about)
    bank, labels = write_bank(folder / "bank.h5", 30, 20, 10), describe(Small.database, folder)
    draw_queries(labels, folder / "queries.h5", sizes=(400, 1500), positives=70, negatives=60, pairs=50, seed=5)
    return Small(folder, bank, weights, labels, folder / "queries.h5")
