"""Reading and writing of files; a file is written whole or not at all.

Every writer goes through `atomic`: a temporary file in the same folder is flushed, then renamed. A job that is killed,
or a disk that fills, leaves the old file or none, never half of one.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rehash.errors import FileFailure, InputError, system_error, unreadable

if TYPE_CHECKING:
    import pandas as pd

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_SUCH_CALL = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path; on success it is flushed to disk and renamed to `path`, on any failure it is removed.

    Raises:
        FileFailure: the file could not be written (a full disk, a read-only folder); names `path` and the reason.
    """
    path = Path(path)
    hidden = f".{path.name.removeprefix('.')}"
    temporary = path.with_name(f"{hidden}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for stale in path.parent.glob(f"{glob.escape(hidden)}.*.tmp*"):  # left by a process that was killed here
            if re.fullmatch(r"\.\d+\.tmp(\.gz)?", stale.name.removeprefix(hidden)):
                stale.unlink(missing_ok=True)
        yield temporary
        with open(temporary, "rb+") as file:
            flush_to_disk(file)
        os.replace(temporary, path)
    except FileFailure:  # of another file, which it names
        raise
    except Exception as error:
        number = system_error(error, temporary)
        if number is None:
            raise
        wayout = "free some space" if number in _FULL else "see to that"
        raise FileFailure(
            number,
            f"could not write {path}: {os.strerror(number)}. Nothing was left behind; {wayout} or choose another "
            "folder",
        ) from error
    finally:
        with contextlib.suppress(OSError):  # a folder that is gone or cannot be written has no such file, either
            temporary.unlink(missing_ok=True)


def flush_to_disk(file: IO[Any]) -> None:
    """Flush a file to disk, so that it is there after a power cut; do nothing on file systems that have no such call.

    Raises:
        OSError: the disk could not take it.
    """
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:  # some FUSE mounts
            raise


def write_bytes(content: bytes, path: str | Path) -> None:
    """Write bytes as a whole file."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)


def write_json(value: Any, path: str | Path) -> None:
    """Write a value as sorted, indented JSON."""
    write_bytes((json.dumps(value, indent=2, sort_keys=True) + "\n").encode(), path)


def write_csv(table: pd.DataFrame, path: str | Path) -> None:
    """Write a tidy table as CSV; floats have their shortest exact form, so that equal tables give equal bytes."""
    write_bytes(table.to_csv(index=False, lineterminator="\n").encode(), path)


def read_csv(path: str | Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a tidy table and check that it has `columns`.

    Raises:
        InputError: the file is empty, or lacks a column; names both.
        FileFailure: the file cannot be read; names it and the reason.
    """
    import pandas as pd  # which takes half a second, and not every job that writes a file has tables

    try:
        table = pd.read_csv(path)
    except (OSError, pd.errors.EmptyDataError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise unreadable(error, path, f"not a readable CSV table ({error})") from error
    missing = [name for name in columns or [] if name not in table]
    if missing:
        raise InputError(f"{path}: lacks the columns {', '.join(missing)}; it has {', '.join(table.columns)}")
    return table


def file_digest(path: str | Path, algorithm: str = "sha256") -> str:
    """Compute the hexadecimal checksum of a file's bytes, read in pieces.

    Raises:
        FileFailure: the file cannot be read; names it and the reason.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, algorithm).hexdigest()
    except OSError as error:
        raise unreadable(error, path, f"could not be read ({error})") from error


def value_digest(value: Any) -> str:
    """Compute a short hexadecimal digest of a JSON-like value, the same whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
