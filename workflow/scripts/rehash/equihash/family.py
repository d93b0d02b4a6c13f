"""A family of ablations as one table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rehash.store import write_csv
from rehash.tables import concatenated


def collect_family(
    evaluations: Sequence[str | Path], output: str | Path, *, family: str, parameters: dict[str, dict[str, Any]]
) -> None:
    """Stack the evaluations of a family's runs, and say for each which value its parameter has.

    Args:
        parameters: variant -> {parameter: value}, of the parameters that vary.

    Columns: those of the evaluations, with family, parameter and parameter_value behind the variant; where several
    parameters vary, their names and values are joined by commas.
    """
    table = concatenated(evaluations)
    names = {variant: ", ".join(values) for variant, values in parameters.items()}
    values = {
        variant: next(iter(values.values())) if len(values) == 1 else ", ".join(map(str, values.values()))
        for variant, values in parameters.items()
    }
    at = table.columns.get_loc("variant") + 1
    table.insert(at, "family", family)
    table.insert(at + 1, "parameter", table["variant"].map(names))
    table.insert(at + 2, "parameter_value", table["variant"].map(values))
    write_csv(table, output)
