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

_BUSY = (408, 429)  # come again later
_ARCHIVES = (".tar.gz", ".tgz", ".gz", ".zip", ".mat", ".npz")
_ABSENT = (403, 404, 410)  # S3 answers 403 for what it does not have


def fetch_file(
    name: str, mirrors: list[str], md5: str, output: str | Path, *, tries: int = 3, pause_s: float = 2
) -> None:
    """Write a file from the first mirror whose content has the MD5 checksum.

    A file is the decompressed content of `name.gz` or, where there is none, `name`. A name that is an archive's itself
    (.tar.gz .tgz .gz .zip .mat .npz) is fetched as it is, and the checksum is of its bytes as they are.

    A mirror is a web address (http, https) or a local folder. Web mirrors are tried `tries` times each, with a progress
    bar and a growing pause; a mirror with other content is not asked again.

    Raises:
        InputError: no mirror had it; says for each what was found.
    """
    failures = []
    content = "the file" if _is_archive(name) else "the decompressed content"
    for mirror in mirrors:
        remote = mirror.startswith(("http://", "https://"))
        for attempt in range(tries if remote else 1):
            try:
                with atomic(output) as temporary:
                    _obtain(name, mirror, remote, temporary)
                    found = file_digest(temporary, "md5")
                    if found != md5:
                        raise InputError(f"checksum of {content} is {found}, expected {md5}")
                log.info("%s: from %s, checksum right", name, mirror)
                return
            except InputError as error:
                failures.append(f"{mirror}: {error}")
                break
            except requests.HTTPError as error:
                failures.append(f"{mirror}: {error}")
                if (
                    error.response is not None
                    and error.response.status_code < 500
                    and error.response.status_code not in _BUSY
                ):
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


def _is_archive(name: str) -> bool:
    return name.lower().endswith(_ARCHIVES)


def _obtain(name: str, mirror: str, remote: bool, output: Path) -> None:
    """Content of one file of one mirror, decompressed unless the name is an archive's."""
    candidates = [name] if _is_archive(name) else [f"{name}.gz", name]
    if not remote:
        folder = Path(mirror).expanduser()
        found = next((folder / each for each in candidates if (folder / each).is_file()), None)
        if not found:
            raise InputError(f"no file {' or '.join(candidates)} in this folder")
        _decompress(found, output, compressed=found.name != name)
        return
    packed = output.with_name(f"{output.name}.gz")
    for candidate in candidates:
        compressed = candidate != name
        try:
            _download(f"{mirror.rstrip('/')}/{candidate}", packed if compressed else output)
            if compressed:
                _decompress(packed, output, compressed=True)
            return
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code not in _ABSENT:
                raise
            absent = str(error)
            error.response.close()
        finally:
            packed.unlink(missing_ok=True)
    raise InputError(f"no file {' or '.join(candidates)} at this address ({absent})")


def _download(url: str, output: Path) -> None:
    """Fetch the bytes of an address as they are."""
    pooch.HTTPDownloader(
        progressbar=True, timeout=30, headers={"Accept-Encoding": "identity"}, hooks={"response": _as_stored}
    )(url, str(output), None)


def _as_stored(response: requests.Response, **_: object) -> None:
    """Servers that call a .gz file gzip-encoded would have it unpacked on the way."""
    response.raw.headers.pop("Content-Encoding", None)


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
