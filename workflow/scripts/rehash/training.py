"""The resumable loop of every long job, with progress and saved states; interruptions do not change its result."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import logging
import math
import os
import platform
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from tqdm import tqdm

from rehash.errors import NO_LOCKS, FileFailure, InputError, unreadable
from rehash.job import Saving
from rehash.store import flush_to_disk, value_digest, write_bytes
from rehash.tensors import pack_tensors, read_tensors

# MKL reads this when it is first used. Its sums then do not depend on where in memory a matrix begins, which for one of
# many stacked networks depends on how many there are.
os.environ["MKL_CBWR"] = "AUTO,STRICT"

log = logging.getLogger("rehash")
STATE_VERSION = 3
Tensors, Values = dict[str, torch.Tensor], dict[str, Any]  # values are JSON-like
State = tuple[Tensors, Values] | tuple[Tensors, Values, tuple[str, ...]]  # and names of tensors that only gain rows


class Job(Protocol):
    """Work in steps, whose state can be saved: restored in another object, the remaining steps give the same bytes.

    `state` may say which of its tensors only gain rows at their end; these are appended to a file, not written anew.
    """

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
    says so). Tensors that only gain rows lie in a file each beside it, whose name goes on with theirs.
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
        self._grown: dict[str, _GrownFile] = {}

    def __enter__(self) -> StateFile:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_path = self.output.with_name(f".{self.output.name}.lock")
        self._lock = open(self._lock_path, "a+", encoding="utf-8")
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
        except OSError as error:
            self._unlock()
            if error.errno not in NO_LOCKS:
                raise unreadable(error, self._lock_path, f"could not be locked ({error})") from error
            log.warning(
                "%s: this file system has no locks (%s); going on without. Two runs that make this file at once are "
                "not kept apart: start one at a time. Locks come with these mount options: NFS 4 has them; NFS 3 "
                "needs lockd, or local_lock=flock where one machine writes; Lustre needs flock",
                self.output,
                os.strerror(error.errno),
            )
            return self
        with contextlib.suppress(OSError):  # a full disk, of which the job itself has more to say
            self._lock.truncate(0)
            os.write(self._lock.fileno(), f"{platform.node()}, process {os.getpid()}".encode())
        return self

    def __exit__(self, *_: object) -> None:
        self._unlock()

    def _unlock(self) -> None:
        self._lock_path.unlink(missing_ok=True)
        self._lock.close()

    @property
    def seconds(self) -> float:
        """Return the wall time spent on the job in seconds, with that of earlier runs whose state was loaded."""
        return self.seconds_before + time.monotonic() - self._start

    def load(self) -> tuple[Tensors, Values] | None:
        """Return the saved state, or None if there is none that can be used (the log says why).

        Raises:
            InputError: the file's content belongs to another configuration than its name says.
            FileFailure: the system cannot read the file, which then may well be whole; names it and the reason.
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
        try:
            grown = {name: _GrownFile.open(self._path_of(name), said) for name, said in header["grown"].items()}
            tensors |= {name: file.rows() for name, file in grown.items()}
        except ValueError as error:
            log.warning("%s: not a readable state (%s); starting anew", self.path, error)
            self.continued_from = []
            return None
        self._grown = grown
        self.seconds_before = header["seconds"]
        return tensors, header["values"]

    def _path_of(self, name: str) -> Path:
        return self.path.with_name(f"{self.path.name}.{name}")

    def save(self, tensors: Tensors, values: Values, grown: tuple[str, ...] = ()) -> None:
        """Save a state in place of the last one, whole or not at all.

        Args:
            grown: names of tensors that have all rows of the state that was saved or loaded last, and perhaps more.
                Only the new rows are written; they count once the rest of the state says so.
        """
        for name in grown:
            if name not in self._grown:
                self._grown[name] = _GrownFile.create(self._path_of(name), tensors[name])
            self._grown[name].append(tensors[name])
        tensors = {name: tensor for name, tensor in tensors.items() if name not in grown}
        header = {
            "grown": {name: file.about() for name, file in self._grown.items()},
            "digest": self.digest,
            "code": self.code,
            "continued_from": self.continued_from,
            "seconds": self.seconds,
            "values": values,
        }
        # safetensors' save_file writes through a hidden file of its own, which a kill would leave behind.
        write_bytes(pack_tensors(tensors, header), self.path)


class _GrownFile:
    """The rows of a tensor, to which others are appended, with a running checksum of their bytes."""

    def __init__(self, path: Path, kind: str, width: list[int]) -> None:
        self.path, self.kind, self.width = path, kind, width
        self.count, self.digest = 0, hashlib.sha256()

    @classmethod
    def create(cls, path: Path, tensor: torch.Tensor) -> _GrownFile:
        """Create an empty file for rows like a tensor's, (n, ...)."""
        path.write_bytes(b"")
        return cls(path, tensor.numpy().dtype.str, list(tensor.shape[1:]))

    @classmethod
    def open(cls, path: Path, about: dict[str, Any]) -> _GrownFile:
        """Open a file as `about` described it, without the rows that were appended since.

        Raises:
            ValueError: there is no such file, or its content is not what was described.
            FileFailure: the system cannot read it.
        """
        file = cls(path, about["kind"], about["width"])
        if not path.exists():
            raise ValueError(f"{path} is missing")
        try:
            with open(path, "rb+") as opened:
                content = opened.read(about["rows"] * file.row_bytes)
                opened.truncate(len(content))
        except OSError as error:
            raise unreadable(error, path, f"could not be read ({error})") from error
        file.digest.update(content)
        file.count = about["rows"]
        if file.about() != about:
            raise ValueError(f"{path} has the checksum {file.digest.hexdigest()}; expected {about['checksum']}")
        return file

    @property
    def row_bytes(self) -> int:
        """Return the number of bytes of a row."""
        return np.dtype(self.kind).itemsize * math.prod(self.width)

    def about(self) -> dict[str, Any]:
        """Return a JSON-like description: type, shape of a row, number of rows and SHA-256 of them."""
        checksum = self.digest.hexdigest()
        return {"kind": self.kind, "width": self.width, "rows": self.count, "checksum": checksum}

    def append(self, tensor: torch.Tensor) -> None:
        """Append the rows of a tensor, (n, ...), that come after those which are in the file, and flush it to disk.

        Raises:
            FileFailure: the file could not be written; names it. What was appended before still counts.
        """
        added = np.ascontiguousarray(tensor[self.count :].numpy())
        if not len(added):
            return
        try:
            with open(self.path, "rb+") as opened:
                opened.seek(self.count * self.row_bytes)  # rows of a saving that failed may stand behind
                opened.write(added)
                flush_to_disk(opened)
        except OSError as error:
            reason = f"could not write {self.path}: {error.strerror}; the state saved before is kept"
            raise FileFailure(error.errno, reason) from error
        self.digest.update(added)
        self.count += len(added)

    def rows(self) -> torch.Tensor:
        """Return all rows, (n, ...), memory-mapped."""
        shape = (self.count, *self.width)
        if not math.prod(shape):
            return torch.from_numpy(np.empty(shape, self.kind))
        return torch.from_numpy(np.memmap(self.path, self.kind, "c", shape=shape))


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

    Raises:
        InputError: the optimiser remembers something that is no tensor, and cannot be saved with them.
    """
    found = {}
    for name, parameter in parameters.items():
        for what, value in optimiser.state[parameter].items():
            if not isinstance(value, torch.Tensor):
                kind = type(optimiser).__name__
                raise InputError(
                    f"optimiser {kind}: what it remembers as {what} of {name} is a {type(value).__name__} and no "
                    "tensor, so that a training with it could not go on after a stop; take another optimiser"
                )
            found[f"moment/{what}/{name}"] = value
    return found


def restore_moments(
    optimiser: torch.optim.Optimizer, parameters: Mapping[str, torch.Tensor], tensors: Mapping[str, torch.Tensor]
) -> None:
    """Restore what `moments` returned for one optimiser in a fresh one.

    Tensors are placed as torch places them: on the parameter's device and, those that are of its shape, in its layout.
    A count of steps stays on the CPU, unless the optimiser is fused or capturable.
    """
    beside = optimiser.defaults.get("fused") or optimiser.defaults.get("capturable")
    for key, value in tensors.items():
        if key.startswith("moment/"):
            _, what, name = key.split("/", 2)
            parameter = parameters[name]
            if what == "step":
                held = value.to(parameter.device if beside else "cpu", copy=True)
            elif value.shape != parameter.shape:  # a factor of a row, or one number
                held = value.to(parameter.device, copy=True)
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


def set_fast() -> None:
    """Let a GPU's convolutions be computed in whatever way is fastest there, in place of one way that repeats itself.

    Results then differ from run to run in their last digits (the public code's `--stochastic`). On a CPU nothing
    changes. Call this after `set_reproducible`.
    """
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.deterministic = False


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
