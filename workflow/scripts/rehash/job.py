"""What every script does around its one call: log, measure the wall time, write the provenance, delete saved states."""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehash.devices import asks_for_gpu, check_gpu, claim_device
from rehash.provenance import write_provenance

_TALKATIVE = ("fontTools", "faiss", "matplotlib", "PIL")


@dataclass(frozen=True)
class Saving:
    """How a long job saves its state while it runs.

    Attributes:
        code: digest of the job's code. on_code_change: what to do with a state that other code has saved, "restart" or
            "continue". every_s: seconds between two savings.
    """

    code: str = ""
    on_code_change: str = "restart"
    every_s: float = 30


def saving(snakemake: Any) -> Saving:
    """Return how a job saves its state, from a rule that has the resources of `rehash.graph.saving`."""
    return Saving(snakemake.params.code, snakemake.resources.on_code_change, snakemake.resources.save_every_s)


def untracked(snakemake: Any, name: str) -> Any:
    """Return a value that the rule hands over by `rehash.graph.untracked`."""
    return json.loads(snakemake.resources[name])


@contextlib.contextmanager
def recorded(snakemake: Any) -> Iterator[dict[str, Any]]:
    """Log to the rule's log file; afterwards write the output named `provenance`, if the rule declares one.

    Yields a dictionary. What the script puts into it (a device, the wall time of earlier runs) joins the provenance;
    its entry `digests` has, by path, the digests of inputs that are too large to be read for that. A job that asks for
    a GPU claims one. The saved state of a job is deleted at the very end, when nothing can be lost any more.

    Raises:
        InputError: the job was given a GPU, and torch can use none (`rehash.devices.check_gpu`).
    """
    Path(snakemake.log[0]).parent.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        filename=snakemake.log[0],
        filemode="a",
        encoding="utf-8",
        errors="backslashreplace",  # names of files that are not UTF-8
        level=logging.INFO,
        format="%(asctime)s %(message)s",
        force=True,
    )
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    log = logging.getLogger("rehash")
    log.info("%s: start", snakemake.rule)
    notes: dict[str, Any] = {}
    start = time.monotonic()
    try:
        if asks_for_gpu(snakemake.resources):
            claim_device()
            check_gpu(snakemake.params.get("compute", {"device": "cpu"})["device"])
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
    if snakemake.resources.get("save_every_s") is not None:
        discard_state(snakemake.output[0])
    log.info("%s: done in %.1f s", snakemake.rule, seconds)


def discard_state(output: str | Path) -> None:
    """Delete the states that were saved while `output` was made (see `rehash.training.StateFile`)."""
    output = Path(output)
    for path in output.parent.glob(f".{glob.escape(output.name)}.*.state*"):
        path.unlink()
