"""Progress of long loops: a bar on the terminal, and lines in the log for those who come back later."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(items: Sequence[T], title: str, unit: str, *, log_every_s: float = 10) -> Iterator[T]:
    """Yield the items, with a progress bar and, every `log_every_s` seconds, a log line with the time that is left."""
    log = logging.getLogger("rehash")
    begun = last = time.monotonic()
    for done, item in enumerate(tqdm(items, desc=title, unit=unit, disable=None, leave=False)):
        now = time.monotonic()
        if now - last >= log_every_s:
            left = tqdm.format_interval((now - begun) / done * (len(items) - done))
            log.info("%s: %d of %d %ss | about %s left", title, done, len(items), unit, left)
            last = now
        yield item
    log.info("%s: %d %ss | finished", title, len(items), unit)
