"""The tasks of a benchmark, from the config's list of transformations or formulas."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from simpleeval import simple_eval

from rehash.errors import InputError
from rehash.tgsh.tasks import NAMES, Transformation


def transformations(block: dict[str, Any], where: str) -> list[dict[str, float]]:
    """Return the tasks that a benchmark's block of the config declares, each with all fields of `Transformation`.

    Args:
        block: `tasks` is a list of transformations, or the number of tasks; then there is a formula for each of `NAMES`
            that is used, in t (the task's number from 0) and tasks (their number).
        where: the block's place in the config, for errors.

    Raises:
        InputError: there are no transformations, or both a list and a formula; a transformation is empty; a formula has
            no value; a value is not finite, a scale or contrast is not positive, or a shear is not below 90 degrees.
    """
    formulas = {name: block[name] for name in NAMES if block.get(name) is not None}
    if isinstance(block["tasks"], list):
        if formulas:
            raise InputError(f"{where}: has a list of tasks, and the formula {next(iter(formulas))}, too; keep one")
        declared = block["tasks"]
    else:
        count = block["tasks"]
        if not formulas:
            raise InputError(
                f"{where}: {count} tasks, but no transformation; expected a formula for {', '.join(NAMES)}"
            )
        declared = [
            {name: _value(formula, t, count, f"{where}.{name}") for name, formula in formulas.items()}
            for t in range(count)
        ]
    return [_checked(each, f"{where}: task {t}") for t, each in enumerate(declared)]


def _value(formula: str | float, t: int, tasks: int, where: str) -> float:
    try:
        value = simple_eval(str(formula), names={"t": t, "tasks": tasks})
        return round(float(value), 9)  # so that 0.1 * 3 is 0.3
    except Exception as error:  # a formula may raise any error
        raise InputError(
            f"{where}: '{formula}' has no value for task t = {t} ({error}); expected arithmetic in t and tasks"
        ) from error


def _checked(values: dict[str, float], where: str) -> dict[str, float]:
    if not values:
        raise InputError(f"{where}: an empty transformation; {{angle: 0}} leaves images as they are")
    for name, value in values.items():
        if not math.isfinite(value) or (name in ("scale", "contrast") and value <= 0) or (
            name == "shear" and abs(value) >= 90
        ):  # fmt: skip
            wanted = {"scale": "a factor above 0", "contrast": "a factor above 0", "shear": "less than 90 degrees"}
            raise InputError(f"{where}: {name} is {value}; expected {wanted.get(name, 'a finite number')}")
    return asdict(Transformation(**{name: float(value) for name, value in values.items()}))
