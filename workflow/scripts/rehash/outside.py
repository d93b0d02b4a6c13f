"""Files and folders from outside that the config names: where they are, and a digest of what they hold.

Results depend on the content of such files, not on where they are or when they were touched. So the rules do not
declare them as inputs, whose times Snakemake compares, but carry the digest of their content among their params.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from functools import cache
from pathlib import Path

from rehash.datasets.folders import composed, files_below, folder_contents
from rehash.errors import InputError
from rehash.store import file_digest, write_bytes

CACHE = Path(".snakemake/rehash/content.json")
_RECENT_NS = 2_000_000_000  # a file may change again within the resolution of its time
log = logging.getLogger("rehash")


def located(path: str, where: str) -> str:
    """Return the path of a file or folder on this machine.

    `~` and variables ($NAME, ${NAME}) are replaced; of names that look alike in Unicode, that which is there is taken.

    Args:
        where: the key of the config that has the path, for messages.

    Raises:
        InputError: there is no such file or folder, or no such variable.
    """
    if Path(path).exists():
        return path
    expanded = os.path.expanduser(os.path.expandvars(path))
    if unknown := re.findall(r"\$\{?(\w+)\}?", expanded):
        raise InputError(
            f"{where}: {path}: there is no variable {unknown[0]} in the environment; set it, or write it out"
        )
    if expanded.startswith("~"):
        raise InputError(f"{where}: {path}: there is no user {expanded.split('/')[0][1:]}; write the folder out")
    found = _spelled(expanded)
    if found is None:
        shown = path if expanded == path else f"{path} ({expanded})"
        place = "" if os.path.isabs(expanded) else f", seen from {Path.cwd()}"
        raise InputError(f"{where}: {shown} does not exist{place}; {_nearest(expanded)}")
    return found


def _spelled(path: str) -> str | None:
    """Return the path as it is spelled on disk, where only its Unicode form may differ; None if there is none."""
    at = Path(path).anchor
    for part in Path(path).parts[1 if at else 0 :]:
        here = os.path.join(at, part)
        if not os.path.lexists(here):
            names = os.listdir(at or ".") if os.path.isdir(at or ".") else []
            same = [name for name in names if composed(name) == composed(part)]
            if not same:
                return None
            here = os.path.join(at, same[0])
        at = here
    return at if os.path.exists(at) else None


def _nearest(path: str) -> str:
    """Say which part of a path is there."""
    parent = Path(path).parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    return f"{parent} does" if parent != Path(path).parent else "its folder does; is the name right?"


def content_digest(path: str | Path, *, images: bool = False, look: bool = True) -> str:
    """Return the checksum (MD5) of a file, or of the names and contents of a folder's files.

    That of a folder is the checksum of the text that this command prints, as far as all its files count:
    `cd FOLDER && find -L * -type f | LC_ALL=C sort | xargs -d '\\n' md5sum`. By-products of operating systems and
    cameras never count (`rehash.datasets.folders.by_product`).

    Checksums of files are remembered in the working folder, and a file whose size and times are those remembered is not
    read again.

    Args:
        images: whether only images count.
        look: whether to look at the files at all, if the digest is remembered. A job's own process need not look: what
            Snakemake saw when it planned the job is remembered.
    """
    return _content_digest(os.path.realpath(path), images, look)


@cache
def _content_digest(path: str, images: bool, look: bool) -> str:
    remembered, key = _remembered(), f"{'images in ' * images}{path}"
    known = remembered.get(key, {})
    if not look and known:
        return known["digest"]
    folder = os.path.isdir(path)
    names = (folder_contents(path).images if images else files_below(path)) if folder else [""]
    seen, now, before = {}, time.time_ns(), known.get("files", {})
    checksums = {}
    for name in names:
        file = os.path.join(path, name) if name else path
        try:
            status = os.stat(file)
            stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
            entry = before.get(name)
            checksums[name] = entry[3] if entry and entry[:3] == stamp else file_digest(file, "md5")
        except OSError as error:  # the reader says what is wrong with it
            checksums[name] = f"error {error.errno}"
            continue
        if max(stamp[1:]) < now - _RECENT_NS:
            seen[name] = [*stamp, checksums[name]]
    digest = _of_folder(checksums) if folder else checksums[""]
    if {"digest": digest, "files": seen} != known:
        _remember({**remembered, key: {"digest": digest, "files": seen}})
    return digest


def extent(path: str | Path) -> tuple[int, float]:
    """Return the number of files of a file or folder, and their size in MB; files that cannot be looked at are none."""
    return _extent(os.path.realpath(path))


@cache
def _extent(path: str) -> tuple[int, float]:
    names = files_below(path) if os.path.isdir(path) else [""]
    sizes = [os.path.getsize(os.path.join(path, name) if name else path) for name in names]
    return len(sizes), sum(sizes) / 1e6


def _of_folder(checksums: dict[str, str]) -> str:
    """Compute the checksum of a folder from those of its files, by their relative names."""
    named = sorted((os.fsencode(composed(name)), checksum) for name, checksum in checksums.items())
    return hashlib.md5(b"".join(checksum.encode() + b"  " + name + b"\n" for name, checksum in named)).hexdigest()


def _remembered() -> dict[str, dict]:
    try:
        found = json.loads(CACHE.read_text(encoding="utf-8"))
        return found if isinstance(found, dict) else {}
    except (OSError, ValueError):
        return {}


def _remember(found: dict[str, dict]) -> None:
    try:
        write_bytes(json.dumps(found).encode(), CACHE)
    except OSError as error:  # a folder that cannot be written to: the files are read anew each time
        log.info("%s", error)
