"""The codes of a network's layers: one pass over the inputs, in memory that no layer's size matters to.

A layer may have hundreds of thousands of bits. So every code is kept as a checksum of 128 bits, for all that depends on
which codes are equal (of a million different codes, two have the same one with a probability of about 10^-27), and, for
K-NN, K-Means and logistic regression, as its bits; of a long code so many of them, drawn at random once for all inputs.

Shape suffixes: N inputs, B batch, C channels, P positions of a channel.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rehash.bits import pack, unpack
from rehash.datasets.layout import Dataset
from rehash.hash_encoders.models.codes import ALL_LAYERS, DIGEST, GROWING, Code, LayersEncoding, Wanted, shown_splits
from rehash.hash_encoders.models.inputs import Preparation
from rehash.hash_encoders.models.nodes import EXAMPLE, Node, Watched, batch_size, check_finite
from rehash.hash_encoders.models.origins import Origin, open_network
from rehash.hdf5 import created, seal, write_attributes
from rehash.job import Saving
from rehash.seeds import stream
from rehash.training import Compute, State, finished

log = logging.getLogger("rehash")


@dataclass(frozen=True, eq=False)
class Part:
    """What a node has a part in: a code of its own, and that of all layers.

    Attributes:
        own, whole: the numbers of both codes.
        channels: those that are chosen, int64; None is all.
        kept: which of the chosen channels' bits are kept of its own code, int64, ascending; None is all.
        of_whole: the same of the code of all layers. whole_at: where these lie among that code's kept bits.
    """

    own: int
    whole: int
    channels: torch.Tensor | None
    kept: torch.Tensor | None
    of_whole: torch.Tensor
    whole_at: slice


def plan_codes(
    nodes: list[Node], wanted: Wanted, draw: Callable[..., np.random.Generator]
) -> tuple[list[Code], dict[str, list[Part]]]:
    """Plan which codes are taken of nodes, and from which channels and bits.

    Channels of a smaller share are among those of a larger one.

    Args:
        draw: returns the random stream of some names.

    Returns:
        For each pool and share the nodes' codes, then that of all together; and each node's parts in them, by its name.
    """
    codes: list[Code] = []
    parts: dict[str, list[Part]] = {node.name: [] for node in nodes}
    starts = {False: 0, True: 0}

    def add(node: str, place: int, pool: str, share: float, size: int) -> int:
        code = Code(node, place, pool, share, size, min(size, wanted.max_bits), starts[pool == "sum"])
        starts[code.real] = code.columns.stop
        codes.append(code)
        return len(codes) - 1

    def kept(code: Code) -> np.ndarray | None:
        if code.kept == code.size:
            return None
        rng = draw("bits", code.node, code.pool, code.share)
        return np.sort(rng.choice(code.size, code.kept, replace=False, shuffle=False))

    for pool in wanted.pool:
        for share in wanted.bits:
            chosen = [_channels(node, share, draw) for node in nodes]
            counts = [
                (node.channels if some is None else len(some)) * (node.positions if pool == "none" else 1)
                for node, some in zip(nodes, chosen)
            ]
            own = [add(node.name, place, pool, share, n) for place, (node, n) in enumerate(zip(nodes, counts), 1)]
            whole = add(ALL_LAYERS, 0, pool, share, sum(counts))
            of_all = kept(codes[whole])
            of_all = np.arange(sum(counts)) if of_all is None else of_all
            ends = np.cumsum([0, *counts])
            at = np.searchsorted(of_all, ends)
            for i, node in enumerate(nodes):
                mine = torch.from_numpy(of_all[at[i] : at[i + 1]] - ends[i])
                channels, bits = (
                    some if some is None else torch.from_numpy(some) for some in (chosen[i], kept(codes[own[i]]))
                )
                parts[node.name].append(Part(own[i], whole, channels, bits, mine, slice(int(at[i]), int(at[i + 1]))))
    return codes, parts


def _channels(node: Node, share: float, draw: Callable[..., np.random.Generator]) -> np.ndarray | None:
    """Return the channels of a share, int64, ascending: the first of a fixed random order; None for all of them."""
    count = max(1, round(share * node.channels))
    return None if count == node.channels else np.sort(draw("channels", node.name).permutation(node.channels)[:count])


class Encoding:
    """The encoding of inputs as a resumable job (see `rehash.training.run`), whose step is one batch.

    Args:
        inputs: parts, one after another, as in `rehash.datasets.layout.Split`.
        draw: see `plan_codes`. classes: a network with so many outputs predicts the class of the largest.

    Attributes:
        codes: what is taken of each input.
        digests: uint8 (N, codes, DIGEST). bits: uint8 (N, .), packed bits of all codes side by side. values: float32
            (N, .), the numbers of all codes that are sums. predicted: int64 (N,), a class; -1 if there is none.
        ones, zeros: for each code but those of all layers, uint8 (.,): the packed bits that were 1, and 0, for any
            input. least, most: the smallest and largest number of each, float64 (codes,).
    """

    def __init__(
        self,
        watched: Watched,
        nodes: list[Node],
        wanted: Wanted,
        inputs: list[np.ndarray],
        prepare: Callable[[np.ndarray], torch.Tensor],
        *,
        classes: int,
        draw: Callable[..., np.random.Generator],
    ) -> None:
        self.watched, self.inputs, self.prepare, self.classes = watched, inputs, prepare, classes
        self.total, self.finished_steps = sum(map(len, inputs)), 0  # steps count inputs
        # The size of a batch decides how sums are rounded, so it follows from the network alone.
        self.batch = batch_size(nodes)
        self.codes, self.parts = plan_codes(nodes, wanted, draw)
        columns = {
            real: max((c.columns.stop for c in self.codes if c.real == real), default=0) for real in (False, True)
        }
        self.digests = np.zeros((self.total, len(self.codes), DIGEST), np.uint8)
        self.bits = np.zeros((self.total, columns[False]), np.uint8)
        self.values = np.zeros((self.total, columns[True]), np.float32)
        self.predicted = np.full(self.total, -1, np.int64)
        lengths = [0 if code.node == ALL_LAYERS else -(-code.size // 8) for code in self.codes]
        self.ones, self.zeros = ([np.zeros(n, np.uint8) for n in lengths] for _ in range(2))
        self.least, self.most = (np.full(len(self.codes), sign * np.inf) for sign in (1, -1))

    @property
    def done(self) -> bool:
        return self.finished_steps == self.total

    def status(self) -> str:
        return f"{self.finished_steps:,} of {self.total:,} inputs"

    def step(self) -> None:
        """Encode one batch."""
        taken = self._next()
        rows = slice(self.finished_steps, self.finished_steps + len(taken))
        wholes = {n: _Whole(code, len(taken)) for n, code in enumerate(self.codes) if code.node == ALL_LAYERS}

        def visit(name: str, on_BCP: torch.Tensor, value_BCP: torch.Tensor) -> None:
            check_finite(value_BCP, f"{self.watched.where}: node {name}", rows.start)
            pooled = {}
            for part in self.parts[name]:
                pool = self.codes[part.own].pool
                if pool not in pooled:
                    pooled[pool] = _pooled(pool, on_BCP, value_BCP, self.watched.nodes[name].unit)
                self._keep(part, pooled[pool], rows, wholes[part.whole])

        output = self.watched.run(self.prepare(taken), self.parts, visit)
        for number, whole in wholes.items():
            self.digests[rows, number] = whole.digests()
            self._put(number, rows, whole.kept)
        if isinstance(output, torch.Tensor) and output.shape == (len(taken), self.classes):
            self.predicted[rows] = output.argmax(1).cpu().numpy()
        self.finished_steps += len(taken)

    def _next(self) -> np.ndarray:
        """Return the inputs of the next batch; a batch ends where a part does."""
        start = self.finished_steps
        for part in self.inputs:
            if start < len(part):
                return part[start : start + self.batch]
            start -= len(part)
        raise IndexError("no input is left")

    def _keep(self, part: Part, pooled: torch.Tensor, rows: slice, whole: _Whole) -> None:
        chosen = (pooled if part.channels is None else pooled.index_select(1, part.channels.to(pooled.device))).flatten(
            1
        )
        packed = pack((chosen > 0 if chosen.is_floating_point() else chosen).cpu().numpy())
        own, code = part.own, self.codes[part.own]
        digests = [blake2b(row, digest_size=DIGEST).digest() for row in packed]
        self.digests[rows, own] = np.frombuffer(b"".join(digests), np.uint8).reshape(-1, DIGEST)
        self.ones[own] |= np.bitwise_or.reduce(packed, axis=0)
        self.zeros[own] |= np.bitwise_or.reduce(~packed, axis=0)
        if code.real:
            self.least[own] = min(self.least[own], float(chosen.min()))
            self.most[own] = max(self.most[own], float(chosen.max()))
        kept = chosen if part.kept is None else chosen.index_select(1, part.kept.to(chosen.device))
        self._put(own, rows, kept.cpu().numpy())
        whole.add(digests, chosen.index_select(1, part.of_whole.to(chosen.device)).cpu().numpy(), part.whole_at)

    def _put(self, number: int, rows: slice, kept: np.ndarray) -> None:
        code = self.codes[number]
        if code.real:
            self.values[rows, code.columns] = kept
        else:
            self.bits[rows, code.columns] = pack(kept)

    def varying(self) -> list[int]:
        """Return for each code how many of its bits are not the same for all inputs."""
        own = [
            int(unpack(ones & zeros, code.size).sum()) if code.node != ALL_LAYERS else 0
            for code, ones, zeros in zip(self.codes, self.ones, self.zeros)
        ]
        for parts in self.parts.values():
            for part in parts:
                own[part.whole] += own[part.own]
        return own

    def scaled(self) -> np.ndarray:
        """Return the values with each layer divided by its range over all inputs (He et al.'s scripts), float32."""
        found = self.values.copy()
        for parts in self.parts.values():
            for part in parts:
                code, whole = self.codes[part.own], self.codes[part.whole]
                reach = self.most[part.own] - self.least[part.own]
                if code.real and reach > 0:
                    at = whole.columns.start
                    found[:, code.columns] /= reach
                    found[:, at + part.whole_at.start : at + part.whole_at.stop] /= reach
        return found

    def state(self) -> State:
        grown = {name: torch.from_numpy(getattr(self, name)[: self.finished_steps]) for name in GROWING}
        seen = {"ones": np.concatenate(self.ones), "zeros": np.concatenate(self.zeros)}
        seen |= {"least": self.least, "most": self.most}
        tensors = grown | {name: torch.from_numpy(array) for name, array in seen.items()}
        return tensors, {"finished_steps": self.finished_steps}, GROWING

    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        self.finished_steps = values["finished_steps"]
        for name in GROWING:
            getattr(self, name)[: self.finished_steps] = tensors[name].numpy()
        ends = np.cumsum([len(each) for each in self.ones])[:-1]
        self.ones, self.zeros = (np.split(tensors[name].numpy().copy(), ends) for name in ("ones", "zeros"))
        self.least, self.most = (tensors[name].numpy().copy() for name in ("least", "most"))


class _Whole:
    """The code of all layers of one batch, which grows layer by layer."""

    def __init__(self, code: Code, inputs: int) -> None:
        self.kept = np.zeros((inputs, code.kept), np.float32 if code.real else bool)
        self._digests = [blake2b(digest_size=DIGEST) for _ in range(inputs)]

    def add(self, digests: list[bytes], kept: np.ndarray, at: slice) -> None:
        self.kept[:, at] = kept
        for digest, of_layer in zip(self._digests, digests):
            digest.update(of_layer)

    def digests(self) -> np.ndarray:
        """Return a checksum of the checksums of all layers' codes, uint8 (B, DIGEST)."""
        return np.frombuffer(b"".join(d.digest() for d in self._digests), np.uint8).reshape(-1, DIGEST)


def _pooled(pool: str, on_BCP: torch.Tensor, value_BCP: torch.Tensor, unit: bool) -> torch.Tensor:
    """Pool a node's value: bool (B, C, P) for none, bool (B, C) for any, float32 (B, C) for sum.

    A unit's outputs are summed; of another node what a ReLU would let through.
    """
    if pool == "none":
        return on_BCP
    if pool == "any":
        return on_BCP.any(2)
    return (value_BCP if unit else value_BCP.clamp(min=0)).sum(2)


def encode_model(
    dataset: str | Path,
    origin: Origin,
    output: str | Path,
    encoding: LayersEncoding,
    compute: Compute,
    saving: Saving,
) -> dict[str, Any]:
    """Run a network over the samples of a dataset and write the codes of its layers; a killed job goes on.

    Args:
        origin: the network's files.

    Returns:
        Notes for the provenance: device, wall time with earlier runs, code changes, nodes, whether it was traced.

    Raises:
        InputError: the network cannot be had, cannot take the inputs, or has no such nodes.
    """
    target, keys, name = compute.start(), encoding.keys, encoding.keys["model"]
    images = Dataset.read(dataset)
    splits = shown_splits(images, encoding.samples, encoding.train_share)
    preparation = Preparation.of(encoding.model, name)
    inputs = [split.inputs for split in splits.values()]
    example = preparation(inputs[0][:EXAMPLE], target)
    network = open_network(
        origin,
        encoding.model,
        name=name,
        state=keys["state"],
        repeat=int(keys["repeat"]),
        channels=example.shape[1],
        classes=len(images.class_names),
        seed=encoding.seed,
        data=images.checksum,
    ).to(target)
    where = f"hash_encoders.models.{name}"
    watched = Watched(network, example, where)
    nodes = watched.choose(encoding.nodes, f"config: hash_encoders.layers.{keys['dataset']}.nodes, or {where}.nodes")
    job = Encoding(
        watched,
        nodes,
        Wanted(**{key: tuple(v) if isinstance(v, list) else v for key, v in encoding.wanted.items()}),
        inputs,
        lambda taken: preparation(taken, target),
        classes=len(images.class_names),
        draw=lambda *names: stream(encoding.seed, "hash_encoders", "layers", f"model={name}", *names),
    )
    identity = {
        **vars(encoding), "data": images.checksum, "files": origin.digests, "threads": compute.threads,
        "device": target.type,
    }  # fmt: skip
    title = f"{keys['dataset']} {name} {keys['state']}"
    with finished(job, output, identity, saving, target, title=title, unit="input") as notes:
        write_codes(output, job, {split: len(each.labels) for split, each in splits.items()})
        return {
            **notes,
            "nodes": [node.name for node in nodes],
            "traced": watched.traced,
            "digests": {**images.digests, **origin.digests},
        }


def write_codes(path: str | Path, job: Encoding, samples: dict[str, int]) -> None:
    """Write the codes of a finished job (HDF5): what grows, and what the codes are as attributes."""
    codes = [{**asdict(code), "varying": varying} for code, varying in zip(job.codes, job.varying())]
    with created(path) as file:
        for name in GROWING:
            file[name] = job.scaled() if name == "values" else getattr(job, name)
        write_attributes(file, {"codes": json.dumps(codes), "train": samples["train"], "test": samples["test"]})
        seal(file)
