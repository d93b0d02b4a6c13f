"""Reading of tables from files: CSV with whatever separator, packed or not, or Parquet."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass, fields
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd

from rehash.datasets.samples import listed
from rehash.errors import InputError, unreadable

# What counts as missing in every table, as pandas documents it for read_csv.
MISSING = ["", *"#N/A #NA -1.#IND -1.#QNAN -NaN -nan 1.#IND 1.#QNAN <NA> N/A NA NULL NaN None n/a nan null".split()]
_PACKED = {b"\x1f\x8b": ("gzip", gzip.open), b"BZh": ("bz2", bz2.open), b"\xfd7zXZ": ("xz", lzma.open)}
_SEPARATORS = ("\t", ";", "|", ",")  # by how seldom they stand in values: a decimal comma is no separator
_SPACE = r"\s+"
_LINES = 100  # of which separator and width are taken


@dataclass(frozen=True)
class Form:
    """How a CSV file is written; None is the usual, or what the first lines say.

    Attributes:
        header: whether the first line has the names of the columns.
        columns: the names, in place of the first line's or of none.
        separator: one character, or `\\s+` for any white space. decimal: the decimal point. encoding: of the texts.
        skip_rows: how many lines to leave out at the beginning. comment: what begins a comment.
        missing_values: texts that stand for a missing value, besides `MISSING`.
    """

    header: bool | None = None
    columns: list[str] | None = None
    separator: str | None = None
    decimal: str | None = None
    encoding: str | None = None
    skip_rows: int | None = None
    comment: str | None = None
    missing_values: list[str | float] | None = None


def read_table(path: Path, form: Form) -> pd.DataFrame:
    """Read a table; its columns have names, or are called 0, 1, ... if it has none.

    Files are told apart by their content: Parquet, CSV, and CSV packed by gzip, bzip2 or xz.

    Raises:
        InputError: it is no such file, or its rows differ in length; says where, and which setting may help.
    """
    with open(path, "rb") as file:
        start = file.read(8)
    if start.startswith(b"PAR1"):
        return _parquet(path, form)
    if start.startswith(b"PK\3\4"):
        raise InputError(f"{path}: a zip file or an Excel table; expected CSV or Parquet. Unpack it, or save it as CSV")
    compression, opener = next((of for mark, of in _PACKED.items() if start.startswith(mark)), (None, open))
    encoding = "utf-8-sig" if form.encoding in (None, "utf-8") else form.encoding
    try:
        with opener(path, "rt", encoding=encoding, newline="") as file:
            lines = _first_lines(file, form)
        separator = form.separator or _separator(lines)
        header, names = _names(lines, separator, form)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # else it drops what is too long
            return pd.read_csv(
                path,
                sep=separator,
                header=0 if header else None,
                names=names,
                index_col=False,
                skiprows=form.skip_rows or 0,
                comment=form.comment,
                skipinitialspace=True,
                decimal=form.decimal or ".",
                na_values=[*MISSING, *(form.missing_values or [])],
                keep_default_na=False,
                encoding=encoding,
                compression=compression,
                low_memory=False,
            )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except UnicodeError as error:
        raise InputError(
            f"{path}: not {form.encoding or 'utf-8'} ({error}); set encoding, such as cp1252, latin-1 or utf-16"
        ) from error
    except LookupError as error:
        raise InputError(f"{path}: {error}; expected an encoding of Python's, such as utf-8 or cp1252") from error
    except (pd.errors.ParserError, pd.errors.ParserWarning, csv.Error, ValueError) as error:
        raise InputError(
            f"{path}: not a table with rows of one length ({str(error).strip()}); if the separator is not "
            f"{separator!r}, set separator; if a note stands in it, set comment or skip_rows"
        ) from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise unreadable(error, path, f"truncated or damaged ({error})") from error


def _parquet(path: Path, form: Form) -> pd.DataFrame:
    given = [field.name for field in fields(form) if field.name != "missing_values" and getattr(form, field.name)]
    if given:
        raise InputError(f"{path}: is Parquet, which says by itself what {given[0]} would say; leave it out")
    try:
        table = pd.read_parquet(path)
    except ImportError as error:
        raise InputError(
            f"{path}: is Parquet, which pandas reads with a package that is not installed here; either "
            "`pip install pyarrow`, or save the table as CSV"
        ) from error
    except Exception as error:  # of pyarrow's own types
        raise InputError(f"{path}: not a readable Parquet table ({error})") from error
    if any(name is not None for name in table.index.names):
        table = table.reset_index()  # its index is a column that was named
    return table.rename(columns=str)


def _first_lines(file: Any, form: Form) -> list[str]:
    lines = islice(file, form.skip_rows or 0, None)
    if form.comment:
        lines = (line.split(form.comment)[0] for line in lines)
    found = list(islice((line for line in lines if line.strip()), _LINES))
    if not found:
        raise InputError("has no lines; expected a table")
    return found


def _separator(lines: list[str]) -> str:
    """Return the separator by which the first lines have the same number of fields, or most of them have."""
    best: dict[str, int] = {}
    for separator in (*_SEPARATORS, _SPACE):
        widths = Counter(len(fields) for fields in _split(lines, separator))
        width, count = max(widths.items(), key=lambda item: (item[0] > 1, item[1]))
        if width > 1:
            best[separator] = count
    if not best:
        raise InputError(
            "no separator (comma, semicolon, tab, | or space) divides its lines; expected two columns or more, the "
            "labels one of them: set separator"
        )
    return max(best, key=best.get)  # the first of equals


def _split(lines: list[str], separator: str) -> list[list[str]]:
    if separator == _SPACE:
        return [line.split() for line in lines]
    if len(separator) != 1:
        raise InputError(f"separator is {separator!r}; expected one character, or \\s+ for any white space")
    rows = list(csv.reader(lines, delimiter=separator, skipinitialspace=True))
    return rows[:-1] if len(lines) == _LINES and len(rows) > 1 else rows  # the last may go on


def _names(lines: list[str], separator: str, form: Form) -> tuple[bool, list[str]]:
    """Return whether the first line has names, and the names of the columns."""
    rows = _split(lines, separator)
    width = Counter(len(row) for row in rows[1:] or rows).most_common(1)[0][0]
    first = [name.strip() for name in rows[0]]
    if form.columns is not None:
        header, names = bool(form.header), [str(name) for name in form.columns]
        if len(names) != width:
            raise InputError(f"columns has {len(names)} names, and its rows have {width} fields; expected as many")
    elif form.header is False:
        header, names = False, [str(number) for number in range(width)]
    else:
        header, names = True, [name or f"column {number}" for number, name in enumerate(first)]
        if len(names) != width:
            raise InputError(
                f"its first line has {len(names)} fields ({listed(names)}), and those that follow have {width}; "
                "expected a name for each column. If it is no line of names, set skip_rows: 1 and header: false; if a "
                "name is lacking, set skip_rows: 1 and columns"
            )
        if form.header is None and any(_is_number(name) for name in first):
            raise InputError(
                f"its first line ({listed(names)}) has numbers; set header: true if these are names of columns, "
                "header: false if they are values, and skip_rows: 1, too, if they are neither"
            )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(
            f"two columns are called '{twice[0]}'; expected a name for each: set columns, or header: false if the "
            "first line has values"
        )
    return header, names


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
