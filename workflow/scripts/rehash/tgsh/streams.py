"""The tasks of a benchmark, from the config: a list of tasks, formulas, permutations of pixels, groups of classes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from simpleeval import SimpleEval

from rehash.errors import InputError, unknown
from rehash.tgsh.tasks import MORE, NAMES, Task, Transformation


def declared_tasks(block: dict[str, Any], where: str, dataset: str | None = None) -> list[dict[str, Any]]:
    """Return the tasks that a benchmark's block of the config declares, see `rehash.tgsh.tasks`.

    Args:
        block: `stream`, one of `STREAMS`, which reads the rest. where: the block's place in the config, for errors.
        dataset: the dataset that the benchmark is run on; a task that names it is as one that names none.

    Raises:
        InputError: the block does not fit its stream, or has one task, or a task twice.
    """
    name = block.get("stream", "transformed")
    if name not in STREAMS:
        raise unknown("stream", name, STREAMS, f"{where}.stream")
    tasks = STREAMS[name](block, where)
    tasks = [{k: v for k, v in task.items() if (k, v) != ("dataset", dataset)} for task in tasks]
    if len(tasks) < 2:
        raise InputError(f"{where}: has one task, and a benchmark compares tasks; expected two or more")
    first: dict[str, int] = {}
    for number, task in enumerate(tasks):
        if (other := first.setdefault(_same(task), number)) != number:
            raise InputError(
                f"{where}: tasks {other} and {number} are the same ({_words(task)}); expected each task once, since a "
                "modulation would be trained twice and its similarity be that of two starts"
            )
    return tasks


def transformations(block: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the tasks of a stream of transformations, each with all fields of `Transformation`.

    Args:
        block: `tasks` is a list of tasks, or the number of tasks; then there is a formula for each of `NAMES`
            that is used, in t (the task's number from 0) and tasks (their number).
        where: the block's place in the config, for errors.

    Raises:
        InputError: there are no transformations, or both a list and a formula; a task is empty; a formula has no value;
            a value is not finite, a scale or contrast is not positive, or a shear is not below 90 degrees; a task
            permutes pixels and transforms them, or has fewer than two classes, or one of them twice.
    """
    formulas = _formulas(block)
    if isinstance(block["tasks"], list):
        if formulas:
            raise InputError(f"{where}: has a list of tasks, and the formula {next(iter(formulas))}, too; keep one")
        declared = block["tasks"]
        if any(isinstance(task, list) for task in declared):
            raise InputError(f"{where}: tasks are lists of classes, which are the tasks of `stream: split`; say so")
    else:
        count = block["tasks"]
        if not formulas:
            raise InputError(
                f"{where}: {count} tasks, but no transformation; expected a formula for {', '.join(NAMES)}"
            )
        values = {name: _values(formula, count, f"{where}.{name}") for name, formula in formulas.items()}
        declared = [{name: values[name][t] for name in values} for t in range(count)]
    return [_checked(each, f"{where}: task {t}") for t, each in enumerate(declared)]


def permutations(block: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the tasks of a stream of permuted pixels; `tasks` is their number, and task 0 leaves images as they are.

    Each task has one random order of the pixels for all images (Goodfellow et al. 2013, arXiv 1312.6211).
    """
    if isinstance(block["tasks"], list):
        raise InputError(
            f"{where}.tasks: is a list; a permuted stream takes the number of its tasks. In a list of a stream of "
            "transformations, {permutation: 3} is the task number 3 of such a stream"
        )
    _refuse_formulas(block, where, "permuted")
    return [{**vars(Transformation()), "permutation": t} for t in range(block["tasks"])]


def groups(block: dict[str, Any], where: str) -> list[dict[str, Any]]:
    """Return the tasks of a stream of split classes; `tasks` lists the classes of each, by number or by name.

    Such streams are Zenke et al.'s Split MNIST (2017, arXiv 1703.04200).

    Raises:
        InputError: a group has fewer than two classes, or a class is in two groups.
    """
    declared = block["tasks"]
    if not isinstance(declared, list) or not all(isinstance(group, list) for group in declared):
        raise InputError(f"{where}.tasks: a split stream takes a list of lists of classes, as [[0, 1], [2, 3]]")
    _refuse_formulas(block, where, "split")
    first: dict[object, int] = {}
    for number, group in enumerate(declared):
        for name in group:
            if (other := first.setdefault(name, number)) != number:
                raise InputError(
                    f"{where}: the class {name} is in the groups {other} and {number}; expected each class in one. "
                    "Tasks that share classes are a list: tasks: [{classes: [0, 1]}, {classes: [1, 2]}]"
                )
    return [_checked({"classes": group}, f"{where}: task {t}") for t, group in enumerate(declared)]


STREAMS: dict[str, Callable[[dict[str, Any], str], list[dict[str, Any]]]] = {
    "transformed": transformations,
    "permuted": permutations,
    "split": groups,
}


def _formulas(block: dict[str, Any]) -> dict[str, str | float]:
    return {name: block[name] for name in NAMES if block.get(name) is not None}


def _refuse_formulas(block: dict[str, Any], where: str, stream: str) -> None:
    for name in _formulas(block):
        raise InputError(f"{where}.{name}: a {stream} stream transforms no image; leave the formula out")


@cache
def _values(formula: str | float, tasks: int, where: str) -> tuple[float, ...]:
    """Return a formula's value for each task; kept, since every job's process asks for these more than once."""
    evaluator, text, t, values = SimpleEval(), str(formula), 0, []
    try:
        parsed = evaluator.parse(text)
        for t in range(tasks):
            evaluator.names = {"t": t, "tasks": tasks}
            values.append(round(float(evaluator.eval(text, previously_parsed=parsed)), 9))  # so that 0.1 * 3 is 0.3
    except Exception as error:  # a formula may raise any error
        raise InputError(
            f"{where}: '{formula}' has no value for task t = {t} ({error}); expected arithmetic in t and tasks"
        ) from error
    return tuple(values)


def _checked(values: dict[str, Any], where: str) -> dict[str, Any]:
    if not values:
        raise InputError(f"{where}: an empty transformation; {{angle: 0}} leaves images as they are")
    numbers = {name: value for name, value in values.items() if name in NAMES}
    for name, value in numbers.items():
        if not math.isfinite(value) or (name in ("scale", "contrast") and value <= 0) or (
            name == "shear" and abs(value) >= 90
        ):  # fmt: skip
            wanted = {"scale": "a factor above 0", "contrast": "a factor above 0", "shear": "less than 90 degrees"}
            raise InputError(f"{where}: {name} is {value}; expected {wanted.get(name, 'a finite number')}")
    more = {name: values[name] for name in MORE if name in values}
    plain = Transformation(**{name: float(value) for name, value in numbers.items()})
    if more.get("permutation") and plain != Transformation():
        raise InputError(f"{where}: permutes pixels and transforms images; expected one of both in a task")
    if "classes" in more:
        _check_classes(more["classes"], where)
    return {**vars(plain), **more}


def _check_classes(classes: Sequence[object], where: str) -> None:
    for name in classes:
        if classes.count(name) > 1:
            raise InputError(f"{where}: the class {name} stands twice; expected each once")
    if len(classes) < 2:
        found = classes[0] if classes else "none"
        raise InputError(f"{where}: has one class, {found}, and nothing to tell apart; expected two or more")


def _same(task: Task) -> str:
    """Return a text that two tasks share if they show the same images in the same way."""
    found = {**task, "angle": task["angle"] % 360, "permutation": task.get("permutation", 0)}
    if "classes" in task:
        found["classes"] = sorted(map(str, task["classes"]))
    return json.dumps(found, sort_keys=True)


def _words(task: Task) -> str:
    changed = {k: v for k, v in task.items() if k in MORE or v != getattr(Transformation(), k)}
    return ", ".join(f"{name} {value}" for name, value in changed.items()) or "images as they are"
