"""The first check: what the others run on."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from runner import Options

# Modules that the library needs, and the packages that have them.
NEEDED = {
    "torch": "torch", "torchvision": "torchvision", "numpy": "numpy", "scipy": "scipy", "pandas": "pandas",
    "h5py": "h5py", "safetensors": "safetensors", "faiss": "faiss-cpu", "tqdm": "tqdm", "PIL": "pillow",
    "threadpoolctl": "threadpoolctl", "yaml": "PyYAML", "jsonschema": "jsonschema", "simpleeval": "simpleeval",
    "referencing": "referencing", "rpds": "rpds-py", "attrs": "attrs", "jsonschema_specifications": "jsonschema-specifications",
    "numba": "numba", "llvmlite": "llvmlite",
}  # fmt: skip


def environment(options: Options) -> dict[str, Any]:
    """Return versions and the device; an error if the device that was asked for is not there."""
    import torch

    found: dict[str, Any] = {
        "device": options.device,
        "small": options.small,
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in NEEDED.values()},
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cores": os.cpu_count(),
        "threads": options.threads,
        "commit": _said("git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"),
    }
    if options.device != "cuda":
        return {"status": "passed", **found}
    if not torch.cuda.is_available():
        error = "cuda was asked for, but torch sees no GPU; `--device cpu --small` shows that the checks work"
        return {"status": "error", **found, "error": error}
    gpu = torch.cuda.get_device_properties(0)
    driver = _said("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    return {"status": "passed", "gpu": gpu.name, "driver": driver, "memory_gb": gpu.total_memory // 10**9, **found}


def _said(*words: str) -> str | None:
    """Return what a program prints; None if it cannot."""
    try:
        return subprocess.run(
            words, capture_output=True, text=True, encoding="utf-8", timeout=20, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
