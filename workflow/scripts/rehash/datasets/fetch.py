"""Fetching of raw files from mirrors (web addresses or local folders), in order; every checksum is verified."""

from __future__ import annotations

import gzip
import logging
import shutil
import zlib
from pathlib import Path

import pooch
import requests
from tenacity import Retrying, before_sleep_log, retry_if_exception, stop_after_attempt, wait_exponential

from rehash.errors import InputError
from rehash.store import atomic, file_digest

log = logging.getLogger("rehash")

_BUSY = (408, 429)  # the server asks to try again later
# Files that are fetched as they are; of others a packed copy may lie beside them.
_ARCHIVES = (".tar.gz", ".tgz", ".gz", ".zip", ".mat", ".npz", ".safetensors", ".pt", ".pth", ".bin")
_ABSENT = (403, 404, 410)  # S3 answers 403 for a file that it does not have


def fetch_file(
    name: str, mirrors: list[str], md5: str, output: str | Path, *, tries: int = 3, pause_s: float = 2
) -> None:
    """Fetch a file from the first mirror whose content has the MD5 checksum, and write it.

    The file is the decompressed content of `name.gz` or, if a mirror has none, `name`. If `name` itself is that of an
    archive (.tar.gz .tgz .gz .zip .mat .npz), the file is fetched as it is, and the checksum is that of its bytes.

    A mirror is a web address (http, https) or a local folder. Web mirrors are tried up to `tries` times each, with a
    progress bar and a growing pause; a mirror with other content is not asked again.

    Raises:
        InputError: no mirror had the file; says for each what was found.
    """
    failures = []
    patient = Retrying(
        stop=stop_after_attempt(tries),
        wait=wait_exponential(multiplier=pause_s),
        retry=retry_if_exception(_may_pass),
        before_sleep=before_sleep_log(log, logging.WARNING),
        reraise=True,
    )
    for mirror in mirrors:
        try:
            patient(_fetch, name, mirror, md5, output)
            log.info("%s: from %s, checksum right", name, mirror)
            return
        except (InputError, requests.RequestException) as error:
            known = isinstance(error, (InputError, requests.HTTPError))
            failures.append(f"{mirror}: {error}" if known else f"{mirror}: {type(error).__name__}: {error}")
            log.warning("%s: %s", name, failures[-1])
    reasons = "\n  ".join(failures) or "no mirror is configured"
    raise InputError(
        f"{name}: no mirror had it:\n  {reasons}\nAdd a mirror (a web address or a local folder that has the file) to "
        "datasets.<name>.mirrors in the config"
    )


def _may_pass(error: BaseException) -> bool:
    """Return whether a request may succeed later: the connection failed, or the server is busy or broken."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return error.response.status_code >= 500 or error.response.status_code in _BUSY
    return isinstance(error, requests.RequestException)


def _fetch(name: str, mirror: str, md5: str, output: str | Path) -> None:
    """Write the file from one mirror, if its content has the checksum."""
    with atomic(output) as temporary:
        _obtain(name, mirror, mirror.startswith(("http://", "https://")), temporary)
        found = file_digest(temporary, "md5")
        if found != md5:
            content = "the file" if _is_archive(name) else "the decompressed content"
            raise InputError(f"checksum of {content} is {found}, expected {md5}")


def _is_archive(name: str) -> bool:
    return name.lower().endswith(_ARCHIVES)


def _obtain(name: str, mirror: str, remote: bool, output: Path) -> None:
    """Write the content of a mirror's file to `output`, decompressed unless its name is that of an archive."""
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
            if error.response is not None:
                error.response.close()  # else the connection stays open for as long as tenacity keeps the error
            if error.response is None or error.response.status_code not in _ABSENT:
                raise
            absent = str(error)
        finally:
            packed.unlink(missing_ok=True)
    raise InputError(f"no file {' or '.join(candidates)} at this address ({absent})")


def _download(url: str, output: Path) -> None:
    """Download the bytes of an address as they are."""
    pooch.HTTPDownloader(
        progressbar=True, timeout=30, headers={"Accept-Encoding": "identity"}, hooks={"response": _as_stored}
    )(url, str(output), None)


def _as_stored(response: requests.Response, **_: object) -> None:
    """Drop the header with which some servers call a .gz file gzip-encoded, which would unpack it on the way."""
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
