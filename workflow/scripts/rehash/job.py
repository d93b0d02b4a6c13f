"""What every script does around its one call: a log, a clock, and the provenance of the result."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rehash.devices import claim_device
from rehash.provenance import write_provenance

_TALKATIVE = ("fontTools", "faiss", "matplotlib", "PIL")


@contextlib.contextmanager
def recorded(snakemake: Any) -> Iterator[dict[str, Any]]:
    """Log to the rule's log file; afterwards write the output named `provenance`, if the rule declares one.

    Yields a dictionary: what the script puts into it (a device, the wall time of earlier runs) joins the provenance;
    its `digests` are those of inputs that are too large to be read for it, by path.
    """
    Path(snakemake.log[0]).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=snakemake.log[0], filemode="a", level=logging.INFO, format="%(asctime)s %(message)s", force=True
    )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    log = logging.getLogger("rehash")
    log.info("%s: start", snakemake.rule)
    if snakemake.resources.get("gpu"):
        claim_device()
    notes: dict[str, Any] = {}
    start = time.monotonic()
    try:
        yield notes
    except BaseException as error:
        log.error("%s: %s: %s", snakemake.rule, type(error).__name__, error)
        raise
    seconds = time.monotonic() - start
    if path := snakemake.output.get("provenance"):
        params = {"wildcards": dict(snakemake.wildcards.items()), **dict(snakemake.params.items())}
        write_provenance(
            path,
            rule=snakemake.rule,
            params=params,
            inputs=list(map(str, snakemake.input)),
            digests=notes.pop("digests", {}),
            seconds=seconds,
            notes=notes,
        )
    log.info("%s: done in %.1f s", snakemake.rule, seconds)
