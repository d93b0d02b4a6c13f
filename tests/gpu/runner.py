"""Runs checks, each in a process of its own under its own time limit, and tells each result as soon as it is known.

A result is a line of JSON: check, part (of a check that has several), status, seconds, and the check's own numbers. It
is on disk before the next check begins, so that nothing is lost when the whole is cut off.
"""

from __future__ import annotations

import ctypes
import faulthandler
import importlib
import json
import os
import signal
import time
import traceback
from collections import deque
from dataclasses import dataclass, field, replace
from multiprocessing import connection, get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

LEAST_SECONDS = 2.0  # left, below which no check is begun
_GRACE = 10.0  # seconds that a process has to end itself, with a word on where it hung
_PR_SET_PDEATHSIG = 1  # Linux's: the signal that a process is sent when its parent ends


@dataclass(frozen=True)
class Options:
    """What every check is told.

    Attributes:
        out: the folder of the results. name: of their files. scratch: a folder for all other files.
        device: cpu or cuda. small: whether each check is a miniature of itself.
        mnist, photos: folders of images; without one, images that a package embeds, or random ones.
        threads: of the CPU, in each process. jobs: processes that share the device in a study.
        seconds: the time limit of the check that is told.
    """

    out: Path
    scratch: Path
    device: str = "cuda"
    small: bool = False
    mnist: Path | None = None
    photos: Path | None = None
    threads: int = 1
    jobs: int = 1
    name: str = "gpu"
    seconds: float = 0.0

    def tell(self, task: Task, status: str, seconds: float, **numbers: Any) -> None:
        """Write a result: append its line to the file of results, and print it."""
        part = {"part": task.part} if task.part else {}
        line = {"check": task.check, **part, "status": status, "seconds": round(seconds, 3), **numbers}
        text = json.dumps(line)
        with open(self.out / f"{self.name}.jsonl", "a", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        print(text, flush=True)

    def told(self, check: str | None = None) -> list[dict[str, Any]]:
        """Return the results so far, or those of one check and its parts."""
        path = self.out / f"{self.name}.jsonl"
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []
        return [line for line in lines if check in (None, line["check"])]


@dataclass(frozen=True)
class Task:
    """A check or a part of one: the function `place` ("module:function") of the options and the arguments.

    It returns a dictionary of numbers with an entry `status` (see `verdict`). `limit` is in seconds.
    """

    check: str
    place: str
    limit: float
    part: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)


def verdict(good: bool) -> str:
    """Return the status of a check that came to its end."""
    return "passed" if good else "failed"


def run(tasks: list[Task], options: Options, seconds: float, *, jobs: int = 1) -> None:
    """Run tasks in order, so many at a time, for so many seconds in all, until each is told.

    A task that crashes, or runs past its limit or the end, is told as an error or a timeout, and the others go on.
    """
    end, waiting = time.monotonic() + seconds, deque(tasks)
    running: dict[int, tuple[Task, BaseProcess, float, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            task, begun = waiting.popleft(), time.monotonic()
            limit = min(task.limit, end - begun)
            if limit < LEAST_SECONDS:
                options.tell(task, "skipped", 0, reason="no time was left")
                continue
            process = get_context("spawn").Process(target=_child, args=(task, options, limit))
            process.start()
            running[process.sentinel] = (task, process, begun, limit)
        ends = [begun + limit + _GRACE for _, _, begun, limit in running.values()]
        connection.wait([*running], max(0.0, min(ends, default=0) - time.monotonic()))
        for sentinel, (task, process, begun, limit) in [*running.items()]:
            passed = time.monotonic() - begun
            if process.is_alive() and passed < limit + _GRACE:
                continue
            process.kill()
            process.join()
            del running[sentinel]
            if process.exitcode:  # otherwise it has told its result itself
                trace = _trace_path(options, task)
                error = trace.read_text(encoding="utf-8", errors="replace")[-2000:] if trace.exists() else ""
                status = "timeout" if passed >= limit else "error"
                options.tell(task, status, passed, exit=process.exitcode, error=error)


def _trace_path(options: Options, task: Task) -> Path:
    return options.scratch / f"{task.check} {task.part}.trace".replace("/", "_")


def _child(task: Task, options: Options, limit: float) -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    begun = time.monotonic()
    with open(_trace_path(options, task), "w", encoding="utf-8") as trace:
        faulthandler.enable(trace)
        faulthandler.dump_traceback_later(limit, exit=True, file=trace)
        try:
            module, function = task.place.split(":")
            check = getattr(importlib.import_module(module), function)
            found = check(replace(options, seconds=limit), **task.arguments)
        except Exception:
            found = {"status": "error", "error": traceback.format_exc()[-2000:]}
        options.tell(task, found.pop("status"), time.monotonic() - begun, **found)
        faulthandler.cancel_dump_traceback_later()
        faulthandler.disable()


def merged(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Return results by check, the parts of a check as a list in it."""
    found: dict[str, Any] = {}
    for line in lines:
        own = {key: value for key, value in line.items() if key != "check"}
        of = found.setdefault(line["check"], {})
        if "part" in own:
            of.setdefault("parts", []).append(own)
        else:
            of.update(own)
    return found
