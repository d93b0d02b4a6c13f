"""One resumable loop for every long job: progress, saved state, and an end that does not depend on interruptions."""

from __future__ import annotations

import fcntl
import logging
import os
import platform
import signal
import threading
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm import tqdm

from rehash.errors import InputError
from rehash.store import value_digest, write_bytes
from rehash.tensors import pack_tensors, read_tensors

log = logging.getLogger("rehash")
STATE_VERSION = 1
State = tuple[dict[str, torch.Tensor], dict[str, Any]]  # tensors, and JSON-like values


class Job(Protocol):
    """Work in steps. After `restore(*state())` the rest of the steps gives the same bytes as without."""

    done: bool
    total: int  # steps at most

    def step(self) -> None: ...
    def state(self) -> State: ...
    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None: ...
    def status(self) -> str: ...
    @property
    def finished_steps(self) -> int: ...


class StateFile:
    """The saved state of one job, in a hidden file beside its output, locked while in use.

    The name carries a digest of `key` (the job's parameters), so that a job never meets the state of another
    configuration, and going back to an earlier configuration finds the earlier state. `code` is the digest of the code;
    where it differs from the saved one, `on_code_change` decides: "restart", or "continue" (and `continued_from`
    says so).
    """

    def __init__(
        self, output: str | Path, key: dict[str, Any], code: str = "", on_code_change: str = "restart"
    ) -> None:
        self.output = Path(output)
        self.digest = value_digest({"version": STATE_VERSION, **key})
        self.path = self.output.with_name(f".{self.output.name}.{self.digest}.state")
        self.code, self.on_code_change = code, on_code_change
        self.continued_from: list[str] = []
        self.seconds_before = 0.0
        self._start = time.monotonic()

    def __enter__(self) -> StateFile:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_path = self.output.with_name(f".{self.output.name}.lock")
        self._lock = open(self._lock_path, "a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(self._lock.fileno()).st_ino != self._lock_path.stat().st_ino:
                raise FileNotFoundError
        except FileNotFoundError:  # its last holder has just removed it
            self._lock.close()
            return self.__enter__()
        except BlockingIOError:
            self._lock.seek(0)
            holder = self._lock.read().strip()
            self._lock.close()
            raise InputError(
                f"{self.output}: another process ({holder or 'on another machine'}) is making this file (it holds "
                f"{self._lock_path}); wait for it or stop it, then run again"
            ) from None
        self._lock.truncate(0)
        self._lock.write(f"{platform.node()}, process {os.getpid()}")
        self._lock.flush()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock_path.unlink(missing_ok=True)
        self._lock.close()

    @property
    def seconds(self) -> float:
        """Wall time spent on the job, earlier runs that were saved included."""
        return self.seconds_before + time.monotonic() - self._start

    def load(self) -> State | None:
        """The saved state, or None where there is none that can be used (the log says why).

        Raises:
            InputError: the file's content belongs to another configuration than its name says.
        """
        if not self.path.exists():
            return None
        try:
            tensors, header = read_tensors(self.path)
        except ValueError as error:
            log.warning("%s: not a readable state (%s); starting anew", self.path, error)
            return None
        if header["digest"] != self.digest:
            raise InputError(
                f"{self.path}: this state belongs to another configuration (found {header['digest']}, expected "
                f"{self.digest}); delete the file to start anew"
            )
        self.continued_from = header["continued_from"]
        if header["code"] != self.code:
            if self.on_code_change != "continue":
                log.info("the code has changed since %s was saved; starting anew", self.path)
                self.continued_from = []
                return None
            log.warning("the code has changed since %s was saved; going on, as the config says", self.path)
            self.continued_from = [*self.continued_from, header["code"]]
        self.seconds_before = header["seconds"]
        return tensors, header["values"]

    def save(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        """Replace the saved state, whole or not at all."""
        header = {
            "digest": self.digest,
            "code": self.code,
            "continued_from": self.continued_from,
            "seconds": self.seconds,
            "values": values,
        }
        # Not save_file, which writes through a hidden file of its own that a kill would leave behind.
        write_bytes(pack_tensors(tensors, header), self.path)


def run(
    job: Job,
    state: StateFile,
    *,
    save_every_s: float = 30,
    log_every_s: float = 10,
    title: str = "",
    unit: str = "step",
) -> None:
    """Take all steps of `job`, from its saved state if there is one; save it now and then, and when told to stop.

    A job may finish several `unit`s at once. SIGTERM and SIGINT save the state and leave with the signal's usual exit
    status.
    """
    if saved := state.load():
        job.restore(*saved)
        log.info("%s: going on from %s %d", title, unit, job.finished_steps)
    stop = _StopSignal()
    begun, first = time.monotonic(), job.finished_steps
    last_save = last_log = begun
    with stop, tqdm(total=job.total, initial=first, desc=title, unit=unit, disable=None, leave=False) as bar:
        while not job.done:
            job.step()
            now = time.monotonic()
            if stop.received or now - last_save >= save_every_s:
                state.save(*job.state())
                last_save = now
            if stop.received:
                log.warning("%s: stopped by signal %d; the state is saved, run again to go on", title, stop.received)
                raise SystemExit(128 + stop.received)
            if now - last_log >= log_every_s:
                bar.update(job.finished_steps - bar.n)
                share = (job.finished_steps - first) / max(1, job.total - first)
                left = (now - begun) * (1 - share) / max(share, 1e-9)
                rate = f"{(job.finished_steps - first) / (now - begun):.3g} {unit}s a second"
                log.info("%s: %s | %s | at most %s left", title, job.status(), rate, tqdm.format_interval(left))
                last_log = now
    state.save(*job.state())  # what is still to be written may fail, or be killed
    log.info("%s: %s | finished", title, job.status())


def discard_state(output: str | Path) -> None:
    """Delete what was saved on the way to `output`; the very last act of a job, when nothing can be lost any more."""
    output = Path(output)
    for path in output.parent.glob(f".{output.name}.*.state*"):
        path.unlink()


class _StopSignal:
    """Notes the first SIGTERM or SIGINT instead of dying of it."""

    def __init__(self) -> None:
        self.received = 0

    def __enter__(self) -> None:
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)

    def _note(self, number: int, _frame: object) -> None:
        self.received = number

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def resolve_device(device: str) -> torch.device:
    """`auto` to the GPU if torch sees one, else the CPU.

    Raises:
        InputError: cuda is asked for where torch sees no GPU.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise InputError(f"config: device: cuda asked for, but torch sees no GPU (CUDA_VISIBLE_DEVICES: {visible})")
    return torch.device(device)


def device_kind(device: torch.device) -> str:
    """What rounds as this device does, as far as torch tells: a GPU's name, or `cpu` and its vector instructions."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"


def set_reproducible(threads: int) -> None:
    """A fixed number of threads (float sums depend on it), no TF32, no benchmarked kernels."""
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
