"""The fingerprints of a database's queries, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rehash.bits import Codes
from rehash.equihash.databases.label_files import LabelRange
from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.queries import LABELS, TRIPLET, Queries
from rehash.equihash.index.fingerprints import Origin
from rehash.errors import InputError
from rehash.hdf5 import add_group, check_seal, created, opened, read_attributes, seal, write_attributes
from rehash.store import file_digest, value_digest

_CHUNK = 1024  # queries whose logits are read together


@dataclass(frozen=True, eq=False)
class ViewList:
    """A list of consecutive views: of labels, int64 (n,), as the items start, start + 1, ... of a name and a kind.

    Labels are an array or a `rehash.equihash.databases.label_files.LabelRange`.

    name, kind: of the random numbers, see `rehash.equihash.images.noise.PositionSource.of`.
    """

    labels: np.ndarray | LabelRange
    start: int
    name: str
    kind: str

    def one(self, number: int) -> ViewList:
        """Return the list of its view of this number alone, from 0."""
        return ViewList(self.labels[number : number + 1], self.start + number, self.name, self.kind)


def item_view(database: Database, item: int, label: int) -> ViewList:
    """Return the view of one item of a database, which has this label."""
    return ViewList(np.array([label]), item, database.name, "database")


def query_views(queries: Queries) -> dict[str, ViewList]:
    """Return the views of a database's queries by their codes' path in a file, positives of the largest size first.

    Label queries of two sizes share no noise, though they may share a label. Item queries and those of a file are the
    same for each size, the first ones of the largest size's, which are the only list of them.
    """
    database = queries.database
    sizes = sorted(queries.positive, reverse=True)
    names = {size: f"{database.name} {size}" for size in sizes}
    if queries.asked != LABELS:
        names = {sizes[0]: database.name}
    lists = {
        f"positive/{size}": ViewList(queries.positive[size][0], 0, name, "positive") for size, name in names.items()
    }
    lists["negative"] = ViewList(queries.negative, 0, database.name, "negative")
    for kind, column in TRIPLET.items():
        lists[kind] = ViewList(queries.pairs[:, column], 0, database.name, kind)
    return lists


def logits_by_list(logits: np.ndarray, views: Mapping[str, ViewList]) -> dict[str, np.ndarray]:
    """Split the logits of the positive and negative queries, one list after the other, by their codes' path."""
    lists = [path for path in views if path not in TRIPLET]
    edges = np.cumsum([len(views[path].labels) for path in lists])
    return dict(zip(lists, np.split(logits, edges[:-1])))


def signed_count(views: Mapping[str, ViewList]) -> int:
    """Return how many positive and negative queries there are, which come before all pairs."""
    return sum(len(each.labels) for path, each in views.items() if path not in TRIPLET)


def config_digest(database: Database, seed: int, views: dict[str, Any]) -> str:
    """Return a digest of what fingerprints depend on besides their network: labels, noise and images."""
    noise = "by position"  # in earlier versions it was not: what those have made is neither merged nor continued
    return value_digest({"database": database.described, "seed": seed, "views": views, "noise": noise})


@dataclass(frozen=True, eq=False)
class QueryCodes:
    """The fingerprints of a database's queries.

    Attributes:
        origin: the origin of the database's fingerprints, in which they can be looked up.
        queries: digest of the file of queries.
        positive: for each size, uint8 (p, bits / 8).
        negative: uint8 (n, bits / 8).
        triplets: for pairs of labels a and b, the codes of two views of a and of one of b, uint8 (m, bits / 8) each.
        abs_logits: |logits| of the first positives of the largest size, which are multi-probed, float32 (q, bits).
    """

    origin: Origin
    queries: str
    positive: dict[int, Codes]
    negative: Codes
    triplets: tuple[Codes, Codes, Codes]
    abs_logits: np.ndarray

    def write(self, output: str | Path, logits: Mapping[str, np.ndarray] | None = None) -> None:
        """Write the codes as HDF5: `positive/{size}`, `negative`, `pair_a1`, `pair_a2`, `pair_b1`, `abs_logits`.

        Args:
            logits: of lists of queries by their codes' path, float32 (n, bits), each written as `logits/{path}` in
                chunks that have checksums of their own, so that they can be read in parts; `read` leaves them alone.
        """
        content = {f"positive/{size}": codes for size, codes in self.positive.items()}
        content |= {"negative": self.negative, **dict(zip(TRIPLET, self.triplets)), "abs_logits": self.abs_logits}
        with created(output) as file:
            add_group(file, "positive")
            file.update(content)
            for path, values in (logits or {}).items():
                chunks = {"chunks": (min(_CHUNK, len(values)), values.shape[1])} if len(values) else {}
                file.create_dataset(f"logits/{path}", data=values, fletcher32=bool(chunks), **chunks)
            write_attributes(file, {**asdict(self.origin), "queries": self.queries})
            seal(file)

    @classmethod
    def read(cls, path: str | Path) -> QueryCodes:
        """Read a file of `write`.

        Raises:
            InputError: the file is not one of `write`, or is damaged.
        """
        with opened(path, "a file of fingerprints of queries") as file:
            about = read_attributes(file)
            origin = Origin.read(about)
            positive = {int(size): file["positive"][size][:] for size in sorted(file["positive"], key=int)}
            triplets = tuple(file[kind][:] for kind in TRIPLET)
            found = cls(origin, about["queries"], positive, file["negative"][:], triplets, file["abs_logits"][:])
            for codes in (*positive.values(), found.negative, *found.triplets):
                if codes.dtype != np.uint8 or codes.shape[1:] != (origin.width,):
                    raise InputError(f"codes are {codes.dtype} {codes.shape}; expected uint8 (n, {origin.width})")
            logits = found.abs_logits
            if logits.dtype != np.float32 or logits.shape[1:] != (origin.bits,):
                raise InputError(f"logits are {logits.dtype} {logits.shape}; expected float32 (n, {origin.bits})")
            check_seal(file)
        return found

    @classmethod
    def cut(
        cls, codes: Codes, abs_logits: np.ndarray, queries: Queries, path: str | Path, origin: Origin
    ) -> QueryCodes:
        """Split the codes of all `query_views`, one after the other, by kind; `path` is the file of the queries."""
        lists = query_views(queries)
        edges = np.cumsum([len(each.labels) for each in lists.values()])
        parts = dict(zip(lists, np.split(codes, edges[:-1])))
        most = next(iter(parts.values()))
        positive = {
            size: parts.get(f"positive/{size}", most[: len(labels)]) for size, (labels, _) in queries.positive.items()
        }
        triplets = tuple(parts[kind] for kind in TRIPLET)
        return cls(origin, file_digest(path), positive, parts["negative"], triplets, abs_logits)

    def check(self, queries: str | Path, path: str | Path) -> None:
        """Raise an InputError that names `path`, the file of these codes, if they are not of the file `queries`."""
        if self.queries != file_digest(queries):
            raise InputError(f"{path}: fingerprints of other queries than those of {queries}; expected the same")
