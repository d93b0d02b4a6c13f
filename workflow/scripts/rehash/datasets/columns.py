"""The columns of tables: what their values are, numbers or categories, and the vectors that are made of them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from rehash.datasets.samples import listed
from rehash.errors import InputError

_MISSING = "missing"  # the category of what is missing
_MOST_CATEGORIES = 1000
_DATE = re.compile(r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.](\d{4}|\d{2})( .*)?")
_COMMA = re.compile(r"[-+]?\d+(,\d+)?")


def are_numbers(column: pd.Series) -> bool:
    """Return whether a column that `plain_column` returned has numbers, and not texts."""
    return pd.api.types.is_float_dtype(column)


def plain_column(
    column: pd.Series, missing: Sequence[str | float] = (), strip: str = "", categorical: bool = False
) -> pd.Series:
    """Return a column as numbers, float64, or as texts (objects) without white space around them; NaN is missing.

    Texts that are all numbers are numbers, and truth values are texts, True and False.

    Args:
        missing: values that stand for a missing one. strip: characters that do not count at the ends of texts.
        categorical: whether numbers stand for categories, so that they shall be texts.

    Raises:
        InputError: values are neither numbers nor categories: dates, numbers among which there are texts, infinite
            numbers, objects; names the column, an example, and what to do.
    """
    found = _parsed(column, missing, strip)
    if are_numbers(found):
        infinite = np.isinf(found)
        if infinite.any():
            raise InputError(
                f"column '{column.name}' has {found[infinite].iloc[0]} in {row_of(infinite)}; expected finite numbers: "
                f"set missing_values: ['inf', '-inf'] if it stands for a missing value, or drop_columns: "
                f"['{column.name}']"
            )
        return found.map(_short, na_action="ignore").astype(object) if categorical else found
    if not categorical:
        _check_texts(found)
    return found


def label_column(column: pd.Series, missing: Sequence[str | float] = (), strip: str = "") -> pd.Series:
    """Return labels as objects, all integers or all texts; NaN is missing.

    Raises:
        InputError: they are measured values; names the first.
    """
    if pd.api.types.is_integer_dtype(column) and not missing:
        return column.astype(object)
    found = _parsed(column, missing, strip)
    if not are_numbers(found):
        return found
    measured = found.notna() & (found != np.floor(found))
    if measured.any():
        raise InputError(
            f"label '{column.name}' has {found[measured].iloc[0]} in {row_of(measured)}: these are measured values, "
            "and no classes; set label to another column, or divide them into ranges and save each one's number"
        )
    return found.map(int, na_action="ignore").astype(object)


def check_categories(columns: pd.DataFrame, said: Sequence[str] = ()) -> None:
    """Raise an InputError if a column of texts has so many that they are no categories; names it.

    Args:
        said: columns of which the config says that they are categories; they may have more, up to 1000.
    """
    for name in columns:
        if are_numbers(columns[name]):
            continue
        values = columns[name].dropna().unique()
        if len(values) > (_MOST_CATEGORIES if name in said else min(len(columns) / 2, _MOST_CATEGORIES)):
            few = f", or categorical: ['{name}'] if they are categories" if len(values) <= _MOST_CATEGORIES else ""
            raise InputError(
                f"column '{name}' has {len(values)} different texts in {len(columns)} rows, such as "
                f"{listed(sorted(values)[:3])}: names, it seems, and no categories; expected at most half as many as "
                f"rows, and {_MOST_CATEGORIES}: set drop_columns: ['{name}']{few}"
            )


def encoded(columns: pd.DataFrame, rows: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Make vectors of columns: numbers as they are, and for texts a column of 0 and 1 for each category.

    What is learned is learned from the train split: categories, in the order of the alphabet, and the medians that take
    the place of missing numbers. Missing texts are of the category "missing".

    Args:
        columns: numbers, float64, and texts. rows: of each split.

    Returns:
        float64 (N, D) by split, and notes.

    Raises:
        InputError: a column of numbers has none in the train split.
    """
    parts, notes = [], []
    for name, column in columns.items():
        learned = column.iloc[rows["train"]]
        if are_numbers(column):
            if learned.isna().all():
                raise InputError(f"column '{name}' has no value in the train split; set drop_columns: ['{name}']")
            parts.append(column.fillna(learned.median()).to_numpy()[:, None])
            continue
        categories = sorted(learned.fillna(_MISSING).unique())
        codes = pd.Index(categories).get_indexer(column.fillna(_MISSING))
        parts.append(codes[:, None] == np.arange(len(categories)))
        unseen = int((codes[rows["test"]] < 0).sum())
        if unseen:
            notes.append(
                f"column '{name}': {unseen} test samples are of a category that the train split lacks, and are 0 in "
                "the columns of all categories"
            )
    vectors = np.hstack([part.astype(np.float64) for part in parts])
    lacking = int(columns.isna().sum().sum())
    if lacking:
        notes.append(f"{lacking} missing values are filled: by the train split's medians, and the category {_MISSING}")
    numeric = sum(are_numbers(column) for _, column in columns.items())
    texts = columns.shape[1] - numeric
    notes.append(
        f"{columns.shape[1]} columns became {vectors.shape[1]} inputs: {numeric} of numbers"
        + (f", and {vectors.shape[1] - numeric} of 0 and 1 for the categories of {texts}" if texts else "")
    )
    return {split: vectors[of] for split, of in rows.items()}, notes


def row_of(chosen: pd.Series) -> str:
    """Name the first chosen row, from 1: the index of a table has splits and numbers."""
    split, number = chosen.index[np.flatnonzero(chosen)[0]]
    return f"row {number + 1}" + (f" of {split}" if split != "all" else "")


def _parsed(column: pd.Series, missing: Sequence[str | float], strip: str) -> pd.Series:
    """Return a column as float64 if all its values are numbers, else as texts (objects)."""
    if pd.api.types.is_numeric_dtype(column) and column.dtype.kind in "iuf":
        numbers = pd.Series(column.to_numpy(np.float64, na_value=np.nan), column.index, name=column.name)
        return numbers.mask(numbers.isin([float(mark) for mark in missing if _is_number(mark)]))
    column = column.astype(object)
    present = column.dropna()
    for value in present:
        if not isinstance(value, (str, bool, np.bool_)):
            if isinstance(value, (datetime.date, datetime.timedelta)):
                raise _dates(column.name, value)
            raise InputError(
                f"column '{column.name}' holds values of the type {type(value).__name__}; expected numbers or texts: "
                f"set drop_columns: ['{column.name}'], or save them as such"
            )
    marks = {"", *map(str, missing)}
    clean = {value: str(value).strip().strip(strip).strip() for value in present.unique()}
    texts = column.map({value: np.nan if text in marks else text for value, text in clean.items()}).astype(object)
    numbers = pd.to_numeric(texts, errors="coerce")
    return numbers.astype(np.float64) if numbers.isna().equals(texts.isna()) and numbers.notna().any() else texts


def _check_texts(texts: pd.Series) -> None:
    """Raise an InputError if a column of texts has values that are no categories: dates, or numbers with others."""
    held = texts.dropna()
    values = sorted(held.unique())
    if values and all(_DATE.fullmatch(value) for value in values):
        raise _dates(texts.name, values[0])
    if values and all(_COMMA.fullmatch(value) for value in values):
        example = next(value for value in values if "," in value)
        raise InputError(
            f"column '{texts.name}' has numbers with commas ({example}); set decimal: ',' if these are decimal points; "
            "if they divide thousands, save the numbers without them"
        )
    others = [value for value in values if not _is_number(value)]
    odd = texts.isin(others)
    if odd.sum() < len(held) / 2:
        raise InputError(
            f"column '{texts.name}' has numbers, and {odd.sum()} values that are none ({listed(others)}; the first in "
            f"{row_of(odd)}); set missing_values: {others[:3]} if they stand for missing values, or categorical: "
            f"['{texts.name}'] if all are categories"
        )


def _dates(name: object, example: object) -> InputError:
    return InputError(
        f"column '{name}' has dates or times ({example}), which are neither numbers nor categories; set drop_columns: "
        f"['{name}'], or save a number in their place, such as the days since the first"
    )


def _short(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)


def _is_number(text: str | float) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False
