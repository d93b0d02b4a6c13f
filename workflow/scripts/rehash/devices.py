"""Choice of a GPU for each job, where several jobs run on one machine; a job that was given one has to use it."""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from rehash.errors import NO_LOCKS, InputError, unreadable

log = logging.getLogger("rehash")
_SCHEDULERS = ("SLURM_JOB_ID", "KUBERNETES_SERVICE_HOST", "PBS_JOBID", "LSB_JOBID", "JOB_ID")  # which assign GPUs


def visible_devices() -> list[str]:
    """Return the names of the GPUs that this process may use, as CUDA_VISIBLE_DEVICES takes them.

    torch is not imported.
    """
    if (named := os.environ.get("CUDA_VISIBLE_DEVICES")) is not None:
        return [name.strip() for name in named.split(",") if name.strip()]
    return [
        str(place) for place, _ in enumerate(Path("/dev").glob("nvidia[0-9]*"))
    ]  # /dev/nvidia3 can be device 0 of a container


def asks_for_gpu(resources: Mapping[str, Any]) -> bool:
    """Return whether a job with these resources is given a GPU: by `gpu`, or by the words of a scheduler in `gres`."""
    return str(resources.get("gpu") or 0) != "0" or "gpu" in str(resources.get("gres") or "")


def check_gpu(device: str) -> None:
    """Raise an InputError if torch can use no GPU in a job that was given one, where the config says auto or cuda.

    The job would otherwise compute on the CPU without a word, perhaps for weeks. Its script has imported torch, since
    it computes with it; one that has not uses no GPU.

    Args:
        device: as the config says it (auto, cpu or cuda).
    """
    torch = sys.modules.get("torch")
    if device == "cpu" or torch is None or torch.cuda.is_available():
        return
    visible, cuda = os.environ.get("CUDA_VISIBLE_DEVICES", "not set"), torch.version.cuda or "none"
    raise InputError(
        f"config: device is {device} and the job has a GPU, but torch {torch.__version__}, built for CUDA {cuda}, "
        f"can use none (CUDA_VISIBLE_DEVICES: {visible}); expected a node with a GPU and a driver as new as that CUDA "
        "(nvidia-smi says which it can run); or say device: cpu to compute without one"
    )


def claim_device(devices: Sequence[str] | None = None, folder: str | Path | None = None) -> str | None:
    """Claim the GPU that the fewest jobs of this user hold, and make it the only one that CUDA sees.

    Call this before CUDA is used. The claim ends with this process, however it ends. A device has places, each a file
    that one job locks; the first places of all devices are taken before any second one. If a scheduler runs the job, a
    device is claimed only if the scheduler lists several in CUDA_VISIBLE_DEVICES.

    Args:
        devices: the devices to choose from, `visible_devices` by default.
        folder: where the lock files are, the system's folder for temporary files by default.

    Returns:
        The device; None if there is none, if the choice is the scheduler's, or if the folder is on a file system
        without locks.
    """
    devices = visible_devices() if devices is None else devices
    scheduler = next((os.environ[name] for name in _SCHEDULERS if name in os.environ), "")
    if not devices or (scheduler and (len(devices) == 1 or "CUDA_VISIBLE_DEVICES" not in os.environ)):
        return None
    for place in count():
        for device in devices:
            name = f"rehash-gpu-{os.getuid()}-{scheduler}{device}-{place}.lock".replace("/", "_")
            path = Path(folder or tempfile.gettempdir()) / name
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)  # held until the process ends
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            except OSError as error:
                os.close(file)
                if error.errno not in NO_LOCKS:
                    raise unreadable(error, path, f"could not be locked ({error})") from error
                log.warning(
                    "%s: no locks there (%s); taking any GPU. Point TMPDIR to a local disk", path, error.strerror
                )
                return None
            os.environ["CUDA_VISIBLE_DEVICES"] = device
            log.info("GPU %s%s", device, f", beside {place} other jobs" if place else "")
            return device
    raise AssertionError("count has no end")
