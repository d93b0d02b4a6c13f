"""Raw files from mirrors: web addresses or local folders, tried in order; nothing is used before its checksum."""

from __future__ import annotations

import gzip
import logging
import shutil
import time
import zlib
from pathlib import Path

import pooch
import requests

from rehash.errors import InputError
from rehash.store import atomic, file_digest

log = logging.getLogger("rehash")


def fetch_file(
    name: str, mirrors: list[str], md5: str, output: str | Path, *, tries: int = 3, pause_s: float = 2
) -> None:
    """Write the decompressed content of `name` (or `name.gz`) from the first mirror whose content has the MD5 checksum.

    A mirror is a web address (http, https) or a local folder. Web mirrors are tried `tries` times each, with a progress
    bar and a growing pause; a mirror with other content is not asked again.

    Raises:
        InputError: no mirror had it; says for each what was found.
    """
    failures = []
    for mirror in mirrors:
        remote = mirror.startswith(("http://", "https://"))
        for attempt in range(tries if remote else 1):
            try:
                with atomic(output) as temporary:
                    _obtain(name, mirror, remote, temporary)
                    found = file_digest(temporary, "md5")
                    if found != md5:
                        raise InputError(f"checksum of the decompressed content is {found}, expected {md5}")
                log.info("%s: from %s, checksum right", name, mirror)
                return
            except InputError as error:
                failures.append(f"{mirror}: {error}")
                break
            except requests.HTTPError as error:
                failures.append(f"{mirror}: {error}")
                if error.response is not None and error.response.status_code < 500:
                    break
            except requests.RequestException as error:
                failures.append(f"{mirror}: {type(error).__name__}: {error}")
            log.warning("%s: try %d failed: %s", name, attempt + 1, failures[-1])
            if attempt + 1 < tries:
                time.sleep(pause_s * 2**attempt)
    reasons = "\n  ".join(failures) or "no mirror is configured"
    raise InputError(
        f"{name}: could be had from no mirror:\n  {reasons}\nAdd a mirror (a web address or a local folder that holds "
        "the file) to datasets.<name>.mirrors in the config"
    )


def _obtain(name: str, mirror: str, remote: bool, output: Path) -> None:
    """Decompressed content of one file of one mirror."""
    if not remote:
        folder = Path(mirror).expanduser()
        found = next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)
        if not found:
            raise InputError(f"no file {name}.gz or {name} in this folder")
        _decompress(found, output, compressed=found.suffix == ".gz")
        return
    packed = output.with_name(f"{output.name}.gz")
    try:
        pooch.HTTPDownloader(progressbar=True, timeout=30)(f"{mirror.rstrip('/')}/{name}.gz", str(packed), None)
        _decompress(packed, output, compressed=True)
    finally:
        packed.unlink(missing_ok=True)


def _decompress(source: Path, output: Path, *, compressed: bool) -> None:
    try:
        with gzip.open(source) if compressed else open(source, "rb") as packed, open(output, "wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(f"truncated or not a gzip file ({error})") from error
    except PermissionError as error:
        if error.filename == str(source):
            raise InputError(f"not readable ({error.strerror})") from error
        raise
