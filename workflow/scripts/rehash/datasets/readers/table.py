"""Reader of tables, CSV or Parquet: a row is a sample, a column has the labels, and the others become numbers."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from rehash.datasets.columns import are_numbers, check_categories, encoded, label_column, plain_column, row_of
from rehash.datasets.csv_files import Form, read_table
from rehash.datasets.layout import SPLITS, Split
from rehash.datasets.samples import Found, listed
from rehash.errors import InputError, unknown

_LABELS = ("label", "target", "class", "y")
_RULES = ("error", "drop", "fill")


def read(
    files: dict[str, str],
    *,
    label: str | int | None = None,
    missing: str = "error",
    missing_values: list[str | float] | None = None,
    categorical: list[str] | None = None,
    drop_columns: list[str] | None = None,
    strip: str = "",
    header: bool | None = None,
    columns: list[str] | None = None,
    separator: str | None = None,
    decimal: str | None = None,
    encoding: str | None = None,
    skip_rows: int | None = None,
    comment: str | None = None,
) -> Found:
    """Read a table, or two by role (train, test), or a folder with one of each, such as train.csv and test.csv.

    Columns of numbers are vectors' numbers. Columns of texts or truth values, and those that `categorical` names,
    become a column of 0 and 1 for each category. Categories and what fills in for missing numbers are learned from the
    train split alone (`rehash.datasets.columns.encoded`), and so is the scale, "standard" unless the config says
    another. A column that only numbers the rows is left out.

    Args:
        label: the column of labels: its name, or its number from 0 (-1 is the last) if columns have no names; by
            default the one that is called label, target, class or y.
        missing: what is done about missing values: error; drop, which leaves out the rows; or fill, by the median of
            the train split's numbers and by a category of its own.
        missing_values: what stands for a missing value, besides `rehash.datasets.csv_files.MISSING`.
        categorical: columns of numbers that stand for categories, or of texts that do though there are many of them.
        drop_columns: columns to leave out.
        strip: characters that do not count at the ends of texts; white space never does.
        header, columns, separator, decimal, encoding, skip_rows, comment: see `rehash.datasets.csv_files.Form`.

    Raises:
        InputError: no table, no such column, values that are neither numbers nor categories, missing values, or labels
            that are measured values; names the column and the setting that helps.
    """
    if missing not in _RULES:
        raise unknown("rule", missing, _RULES, "missing")
    form = Form(header, columns, separator, decimal, encoding, skip_rows, comment, missing_values)
    table, notes = _joined(_paths(files), form)
    label, said = _label_name(table, label)
    for setting, names in (("categorical", categorical), ("drop_columns", drop_columns)):
        for name in names or []:
            if name not in table or name == label:
                raise unknown("column", name, table.columns.drop(label), setting)
    features = table.drop(columns=[label, *(drop_columns or [])])
    if not features.shape[1]:
        raise InputError(f"there is no column but the labels, '{label}'; expected columns of values")
    marks = missing_values or []
    features = pd.DataFrame(
        {name: plain_column(features[name], marks, strip, name in (categorical or [])) for name in features}
    )
    kept, dropped = _kept(features, labels := label_column(table[label], marks, strip), missing)
    features, labels = features[kept], labels[kept]
    counted = [name for name in features if _numbers_rows(features[name])]
    if len(counted) == features.shape[1]:
        raise InputError(f"the only column of values, '{counted[0]}', is the number of the row; expected others")
    notes += said + dropped + [f"column '{name}' is the number of the row, and left out" for name in counted]
    features = features.drop(columns=counted)
    check_categories(features, categorical or [])
    split_of, values = features.index.get_level_values(0), np.array(labels.tolist())
    rows = {split: np.flatnonzero(split_of == split) for split in split_of.unique()}
    splits = {split: Split(of, values[of]) for split, of in rows.items()}
    return Found(splits, None, notes, partial(encoded, features), scale="standard")


def _paths(files: dict[str, str]) -> dict[str, Path]:
    """Return the tables by split: train and test, or one for all."""
    if "path" not in files:
        missing = [split for split in SPLITS if split not in files]
        if missing:
            raise InputError(f"raw files: lack {', '.join(missing)}; expected a path, or the files train and test")
        return {split: Path(files[split]) for split in SPLITS}
    path = Path(files["path"])
    if not path.is_dir():
        return {"all": path}
    names = sorted(each.name for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
    found = {split: [name for name in names if _split_named(name) == split] for split in SPLITS}
    for split, of in found.items():
        if len(of) != 1:
            raise InputError(
                f"{path}: has {len(of)} files of the {split} split ({listed(of or names) or 'it is empty'}); expected "
                "one table each, such as train.csv and test.csv; or give as path the file of the whole table"
            )
    return {split: path / of[0] for split, of in found.items()}


def _split_named(name: str) -> str | None:
    """Return the split that a file's name says: train.csv, x-test.csv.gz, or UCI's adult.data and adult.test."""
    words = set(re.split(r"[-_. ]", name.lower()))
    if "test" in words:
        return "test"
    return "train" if words & {"train", "training", "data"} else None


def _joined(paths: dict[str, Path], form: Form) -> tuple[pd.DataFrame, list[str]]:
    """Read the tables as one, whose index has the split and the row's number; and notes."""
    tables = {split: read_table(path, form) for split, path in paths.items()}
    first = next(iter(tables.values()))
    for split, table in tables.items():
        differing = sorted({*first.columns} ^ {*table.columns})
        if differing:
            raise InputError(
                f"{paths[split]}: its columns are not those of {next(iter(paths.values()))}: only one has "
                f"{listed(differing)}; expected the same columns, the labels among them"
            )
        if table.empty:
            raise InputError(f"{paths[split]}: has no rows; expected samples")
    notes = [f"{split} is {path.name}" for split, path in paths.items() if split != "all"]
    return pd.concat(tables), notes


def _label_name(table: pd.DataFrame, label: str | int | None) -> tuple[str, list[str]]:
    names = [*table.columns]
    if isinstance(label, int) and names == [str(number) for number in range(len(names))]:
        if not -len(names) <= label < len(names):
            raise InputError(f"label is {label}; expected a number from {-len(names)} to {len(names) - 1}")
        return names[label], []
    if label is not None:
        if str(label) not in names:
            raise unknown("column", label, names, "label")
        return str(label), []
    usual = [name for name in names if name.lower() in _LABELS]
    if len(usual) != 1:
        found = (
            f"the columns {' and '.join(usual)}" if usual else f"no column {', '.join(_LABELS[:-1])} or {_LABELS[-1]}"
        )
        raise InputError(
            f"the table has {found}; expected one of labels: set label to its name, of "
            f"{', '.join(map(repr, names[:30]))}{', ...' if len(names) > 30 else ''}"
        )
    return usual[0], [f"labels are the column '{usual[0]}'"]


def _kept(features: pd.DataFrame, labels: pd.Series, rule: str) -> tuple[pd.Series, list[str]]:
    """Return which rows are kept by the rule for missing values, and notes."""
    unlabelled, lacking = labels.isna(), features.isna()
    if rule != "drop" and unlabelled.any():
        raise InputError(
            f"label '{labels.name}' is missing in {unlabelled.sum()} of {len(labels)} rows, first in "
            f"{row_of(unlabelled)}; expected a label in each: set missing: drop to leave such rows out"
        )
    if rule == "error" and lacking.any(axis=None):
        counts = lacking.sum()
        said = listed([f"'{name}' ({count})" for name, count in counts.items() if count])
        raise InputError(
            f"values are missing in columns {said} of {len(labels)} rows, first in {row_of(lacking.any(axis=1))}; set "
            "missing: drop (leaves such rows out) or missing: fill (by medians, and by a category of their own)"
        )
    if rule != "drop":
        return ~unlabelled, []
    whole = ~(unlabelled | lacking.any(axis=1))
    left = whole.groupby(level=0, sort=False).agg(["sum", "size"])
    if not left["sum"].all():
        raise InputError(
            "every row of a split lacks a value; set missing: fill, or drop_columns: to those that lack most"
        )
    notes = [
        f"left out: {row['size'] - row['sum']} of {row['size']} rows{_in(split)}, which lack values"
        for split, row in left.iterrows()
    ]
    return whole, [note for note, (_, row) in zip(notes, left.iterrows()) if row["sum"] < row["size"]]


def _in(split: str) -> str:
    return "" if split == "all" else f" of {split}"


def _numbers_rows(column: pd.Series) -> bool:
    """Return whether a column only numbers the rows of each split, from any number on."""
    parts = [part.to_numpy() for _, part in column.groupby(level=0)] if are_numbers(column) else [np.zeros(0)]
    return all(len(part) > 2 and (part == part[0] + np.arange(len(part))).all() for part in parts)
