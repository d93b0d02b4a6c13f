"""Errors that say what is wrong, where, and what was expected."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

# Numbers of errors in which the system, not a file's content, is at fault. A damaged file can bring about others:
# EINVAL, since it says to read at a place that no file can have.
_OF_THE_SYSTEM = {
    getattr(errno, name)
    for name in (
        *("EPERM", "EACCES", "ENOENT", "ENOTDIR", "EISDIR", "ENAMETOOLONG", "ELOOP", "EROFS", "EBUSY", "ETXTBSY"),
        *("ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE", "ENOMEM"),
        *("EIO", "ENXIO", "ENODEV", "EREMOTEIO", "ESTALE", "ENOTCONN", "ESHUTDOWN", "EHOSTDOWN", "ETIMEDOUT"),
        *("ENOLCK", "EDEADLK", "EAGAIN", "ENOSYS", "EOPNOTSUPP", "ENOTSUP"),
    )
}
# How a file system says that it has no locks: NFS without lockd, Lustre mounted without flock, some FUSE mounts.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_NUMBER_IN_TEXT = re.compile(r"\berrno = (\d+)|\(os error (\d+)\)")  # how HDF5 and Rust report it
_NAME_IN_TEXT = re.compile(r"name = '(.*?)', ")  # HDF5 again


class InputError(ValueError):
    """Error of something from outside (a config, a file, a request) that is not as it has to be."""


class FileFailure(OSError):
    """Error of the system's while it read or wrote a file; the message names the file and the reason."""


def system_error(error: BaseException, path: str | Path) -> int | None:
    """Return the system's number of an error that it had with a file, by whatever library; else None.

    None is returned for a file whose content is at fault, and for an error of another file.
    """
    number, name = getattr(error, "errno", None), getattr(error, "filename", None)
    if number is None and isinstance(error, (OSError, RuntimeError)):
        found = _NUMBER_IN_TEXT.search(str(error))
        number = int(found[1] or found[2]) if found else None
    if name is None and (found := _NAME_IN_TEXT.search(str(error))):
        name = found[1]
    near = name is None or Path(os.fsdecode(name)) in (Path(path), *Path(path).parents)
    return number if number in _OF_THE_SYSTEM and near else None


def unreadable(error: Exception, path: str | Path, otherwise: str) -> OSError | InputError:
    """Return the exception to raise for a file that could not be read.

    It is the system's error with the file's name (no permission, too many open files, a disk or a mount that fails),
    which says nothing about the file's content; or else, for a file that is missing, too, an InputError that says
    `otherwise` of the file.
    """
    if isinstance(error, FileFailure):  # of this file or another, which it names
        return error
    if (number := system_error(error, path)) and number != errno.ENOENT:
        return FileFailure(number, f"could not read {path}: {os.strerror(number)}")
    return InputError(f"{path}: {otherwise}")


def unknown(what: str, name: object, valid: Iterable[object], where: str) -> InputError:
    """Return an InputError for a name that is not one of `valid`; it suggests the nearest valid one, if any is near.

    >>> print(unknown("dataset", "mnits", ["mnist", "cifar10"], "config: datasets"))
    config: datasets: unknown dataset 'mnits'; did you mean 'mnist'? Valid: cifar10, mnist
    """
    names = sorted(str(v) for v in valid)
    nearest = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean '{nearest[0]}'?" if nearest else "."
    return InputError(f"{where}: unknown {what} '{name}'{hint} Valid: {', '.join(names) or 'none'}")
