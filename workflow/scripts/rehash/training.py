"""The resumable loop of every long job, with progress and saved states; interruptions do not change its result."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm import tqdm

from rehash.errors import InputError
from rehash.job import Saving
from rehash.store import value_digest, write_bytes
from rehash.tensors import pack_tensors, read_tensors

log = logging.getLogger("rehash")
STATE_VERSION = 2
State = tuple[dict[str, torch.Tensor], dict[str, Any]]  # tensors, and JSON-like values


class Job(Protocol):
    """Work in steps, whose state can be saved: after `restore(*state())` the remaining steps give the same bytes."""

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

    The name carries a digest of `key` (the job's parameters), so that a job never loads the state of another
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
        except FileNotFoundError:  # the last holder of the lock has just removed it
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
        """Return the wall time spent on the job in seconds, with that of earlier runs whose state was loaded."""
        return self.seconds_before + time.monotonic() - self._start

    def load(self) -> State | None:
        """Return the saved state, or None if there is none that can be used (the log says why).

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
        """Save a state in place of the last one, whole or not at all."""
        header = {
            "digest": self.digest,
            "code": self.code,
            "continued_from": self.continued_from,
            "seconds": self.seconds,
            "values": values,
        }
        # safetensors' save_file writes through a hidden file of its own, which a kill would leave behind.
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
    """Run all steps of `job`, from its saved state if there is one, and save its state regularly and on a signal.

    A job may finish several `unit`s at once. On SIGTERM or SIGINT the state is saved, and the process exits with the
    signal's usual status.
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
    state.save(*job.state())  # since writing the results may still fail, or be killed
    log.info("%s: %s | finished", title, job.status())


@contextlib.contextmanager
def finished(
    job: Job,
    output: str | Path,
    identity: dict[str, Any],
    saving: Saving,
    device: torch.device,
    *,
    title: str = "",
    unit: str = "step",
) -> Iterator[dict[str, Any]]:
    """Run all steps of `job`, from its saved state if there is one; write its results within this context.

    Args:
        output: the file that the job makes. It is locked, and the state is saved beside it; `rehash.job.recorded`
            deletes the state once all is written.
        identity: what the job depends on; a state with another identity, or of another `device_kind`, is not loaded.

    Yields:
        Notes for the provenance: device, wall time with earlier runs, and digests of earlier code that took steps.
    """
    # Each kind of device rounds in its own way, so that a job that moved to another would be a mixture of both.
    key = {**identity, "device_kind": device_kind(device)}
    with StateFile(output, key, saving.code, saving.on_code_change) as state:
        run(job, state, save_every_s=saving.every_s, title=title, unit=unit)
        yield {
            "device": str(device),
            "training_seconds": round(state.seconds, 3),
            "continued_from_code": state.continued_from,
        }


def moments(optimiser: torch.optim.Optimizer, parameters: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return what an optimiser remembers of its parameters, as `moment/(what)/(name)`; empty before its first step.

    Args:
        parameters: those of the optimiser, by names of the caller's choice.
    """
    found = {}
    for name, parameter in parameters.items():
        for what, value in optimiser.state[parameter].items():
            found[f"moment/{what}/{name}"] = value
    return found


def restore_moments(
    optimiser: torch.optim.Optimizer, parameters: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Restore what `moments` returned for one optimiser in a fresh one.

    Tensors are placed as torch places them: on the parameter's device, in its layout. A count of steps stays on the
    CPU, unless the optimiser is fused or capturable.
    """
    beside = optimiser.defaults.get("fused") or optimiser.defaults.get("capturable")
    for key, value in tensors.items():
        if key.startswith("moment/"):
            _, what, name = key.split("/", 2)
            parameter = parameters[name]
            if what == "step":
                held = value.to(parameter.device if beside else "cpu", copy=True)
            else:
                held = torch.empty_like(parameter, requires_grad=False).copy_(value)
            optimiser.state[parameter][what] = held


class _StopSignal:
    """Context in which a SIGTERM or SIGINT is noted and does not end the process."""

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


@dataclass(frozen=True)
class Compute:
    """What a job computes with: a device (`auto`, `cpu` or `cuda`) and a number of CPU threads."""

    device: str = "auto"
    threads: int = 1

    def start(self) -> torch.device:
        """Set torch up for reproducible results and return the device; `auto` is the GPU if there is one.

        Raises:
            InputError: cuda is asked for where torch sees no GPU.
        """
        set_reproducible(self.threads)
        return resolve_device(self.device)


def resolve_device(device: str) -> torch.device:
    """Return the torch device of that name; `auto` is the GPU if torch sees one, else the CPU.

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
    """Return a name that devices share if they round alike, as far as torch tells.

    It is a GPU's name, or `cpu` and its vector instructions.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type} {torch.backends.cpu.get_cpu_capability()}"


def set_reproducible(threads: int) -> None:
    """Fix the number of threads, on which float sums depend, and ask the GPU's libraries for one way of computing.

    On a GPU: no TF32, sums of bfloat16 products in float32, only kernels of cuDNN that add in one order and none that
    win a benchmark, and for cuBLAS a workspace of fixed size. Call this before CUDA is used. torch's own
    `use_deterministic_algorithms` would also refuse operations that are reproducible as they are used here.
    """
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
