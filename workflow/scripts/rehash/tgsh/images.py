"""The images of a benchmark's tasks: datasets, the classes of each task, and how pixels are normalised."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rehash.datasets.layout import Dataset, Split
from rehash.errors import InputError, unknown
from rehash.tgsh.initialisation import DEVIATION, MEAN
from rehash.tgsh.modulations import read_digits
from rehash.tgsh.tasks import GREY, Shape, Task, shape_of

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True)
class Images:
    """The datasets of a benchmark and its tasks.

    Attributes:
        datasets: by name, the one that the benchmark is run on first. class_names: of all datasets; a name that two
            have is one class. heads: for each task the classes that its images have, int64, ascending; its classifier
            tells these apart, since a task is told.
    """

    datasets: dict[str, Dataset]
    tasks: Sequence[Task]
    class_names: list[str]
    heads: list[np.ndarray]

    @classmethod
    def read(cls, paths: Paths, tasks: Sequence[Task] = (), *, whole: bool = False) -> Images:
        """Read the datasets of a benchmark's tasks.

        Args:
            paths: of the dataset that the benchmark is run on, or of it and of others, whose names their files have.
            whole: whether each class has to be in a task.

        Raises:
            InputError: a file is no dataset with images of all its classes in both splits (`read_digits`); images of
                two datasets differ in size; a task has a class that its dataset has not, or one twice; with `whole`, a
                class is in no task.
        """
        paths = [paths] if isinstance(paths, (str, Path)) else list(paths)
        found = {Path(path).stem: read_digits(path) for path in paths}
        (home, first), *others = found.items()
        for name, other in others:
            if shape_of(other.train.images) != shape_of(first.train.images):
                sizes = (" x ".join(map(str, each.train.images.shape[1:])) for each in (first, other))
                raise InputError(
                    f"{other.path}: images of {home} are {next(sizes)} and those of {name} {next(sizes)}; a frozen "
                    "network has one size of images for all tasks: expected datasets of one size in a benchmark"
                )
        for task in tasks:
            if (name := task.get("dataset", home)) not in found:
                raise unknown("dataset", name, found, "config: tgsh.benchmarks: a task's images")
        names = list(dict.fromkeys(name for each in found.values() for name in each.class_names))
        heads = [_head(task, found[task.get("dataset", home)], names) for task in tasks]
        if whole and (lacking := set(range(len(names))).difference(*heads)):
            raise InputError(
                f"{first.path}: its classes {', '.join(names[label] for label in sorted(lacking))} are in no group of "
                "the split benchmark; expected each class in one group"
            )
        return cls(found, tasks, names, heads)

    @property
    def home(self) -> Dataset:
        """Return the dataset that the benchmark is run on."""
        return next(iter(self.datasets.values()))

    @property
    def shape(self) -> Shape:
        """Return the channels, height and width of all images."""
        return shape_of(self.home.train.images)

    @property
    def digests(self) -> dict[str, str]:
        """Return the datasets' checksums by path, for the provenance."""
        return {path: digest for each in self.datasets.values() for path, digest in each.digests.items()}

    def dataset(self, task: int) -> Dataset:
        """Return the dataset that a task's images are from."""
        return self.datasets.get(self.tasks[task].get("dataset"), self.home)

    def split(self, task: int, name: str) -> Split:
        """Return a task's images of a split (train or test), with the numbers of `class_names` as labels.

        Tasks that share their images get one and the same object.
        """
        dataset = self.dataset(task)
        key = (dataset.path, tuple(self.heads[task]), name)
        if key not in self._splits:
            whole = getattr(dataset, name)
            labels = np.array([self.class_names.index(each) for each in dataset.class_names])[whole.labels]
            mine = np.isin(labels, self.heads[task])
            if mine.all():
                same = np.array_equal(labels, whole.labels)
                self._splits[key] = whole if same else Split(whole.images, labels)
            else:
                self._splits[key] = Split(whole.images[mine], labels[mine])
        return self._splits[key]

    def local(self, task: int, name: str) -> Split:
        """Return a task's images of a split, with the places of classes in the task's head as labels."""
        split, head = self.split(task, name), self.heads[task]
        key = (id(split), "local")
        if key not in self._splits:
            labels = np.searchsorted(head, split.labels)
            self._splits[key] = split if np.array_equal(labels, split.labels) else Split(split.images, labels)
        return self._splits[key]

    @cached_property
    def _splits(self) -> dict[Any, Split]:
        return {}

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Return what a training depends on beside the published case: data of one 28 x 28 dataset, all classes."""
        found: dict[str, Any] = {"classes": len(self.class_names), "data": self.home.checksum}
        if len(self.datasets) > 1:
            found["others"] = {name: each.checksum for name, each in list(self.datasets.items())[1:]}
        if self.shape != GREY:
            found["shape"] = list(self.shape)
            by_path = {each.path: normalisation(each.train.images) for each in self.datasets.values()}
            found["normalisation"] = [by_path[self.dataset(task).path] for task in range(len(self.tasks))]
        if any(len(head) < len(self.class_names) for head in self.heads):
            found["heads"] = [head.tolist() for head in self.heads]
        return found


def normalisation(images: np.ndarray) -> list[list[float]]:
    """Return mean and deviation of each channel of a train split's images, in [0, 1]; of MNIST's size the published.

    A channel of one value alone gets a deviation of 1. The sums are exact, so that they have no order.
    """
    if shape_of(images) == GREY:
        return [[MEAN], [DEVIATION]]
    values, numbers = np.arange(256) / 255, images.reshape(len(images), -1, shape_of(images)[0])
    found = []
    for channel in range(numbers.shape[2]):
        share = sum(np.bincount(part[..., channel].ravel(), minlength=256) for part in np.array_split(numbers, 64))
        share = share / share.sum()
        mean = float(share @ values)
        found.append((mean, float(np.sqrt(share @ (values - mean) ** 2)) or 1.0))
    return [list(each) for each in zip(*found)]


def _head(task: Task, dataset: Dataset, names: list[str]) -> np.ndarray:
    """Return the classes of a task, numbers in `names`, ascending."""
    own = dataset.class_names
    chosen = []
    for name in task.get("classes", own):
        if isinstance(name, int) and 0 <= name < len(own):
            chosen.append(own[name])
        elif name in own:
            chosen.append(name)
        else:
            valid = [*own, *range(len(own))] if isinstance(name, int) else own
            raise unknown("class", name, valid, f"config: tgsh.benchmarks: a task of {Path(dataset.path).stem}")
    numbers = sorted(names.index(name) for name in chosen)
    if twice := {names[number] for number in numbers if numbers.count(number) > 1}:
        raise InputError(f"config: tgsh.benchmarks: a task has the class {twice.pop()} twice, by number and by name")
    return np.array(numbers, np.int64)
