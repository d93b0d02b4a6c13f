"""Provenance: where each result came from, as a JSON file beside it."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

from rehash.errors import InputError
from rehash.store import file_digest, value_digest, write_json

_PACKAGES = (
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "faiss-cpu",
    "h5py",
    "pandas",
    "matplotlib",
    "safetensors",
    "mlxtend",
    "pillow",
    "altair",
)


def write_provenance(
    path: str | Path,
    *,
    rule: str,
    params: dict[str, Any],
    inputs: list[str],
    digests: dict[str, str],
    seconds: float,
    notes: dict[str, Any],
) -> None:
    """Write the provenance of a result: rule, parameters, commit, inputs, versions, machine, wall time and notes.

    Args:
        digests: known digests of inputs, by path; all other inputs are read to compute theirs.
        notes: further facts, such as the device.
    """
    write_json(
        {
            "rule": rule,
            "params": params,
            "params_digest": value_digest(params),
            "commit": _commit(),
            "inputs": {_shown(name): digests.get(name) or file_digest(name) for name in inputs if Path(name).is_file()},
            "python": platform.python_version(),
            "versions": _versions(),
            "machine": {"system": platform.platform(), "processor": platform.machine()},
            "wall_seconds": round(seconds, 3),
            **notes,
        },
        path,
    )


def collect_provenance(folder: str | Path, output: str | Path) -> None:
    """Collect the provenance of all results below a folder into one JSON file: {path within the folder: facts}.

    Raises:
        InputError: a JSON file is damaged; names it.
    """
    found = {}
    for path in sorted(Path(folder).rglob("*.json")):
        if path.resolve() == Path(output).resolve() or any(part.startswith(".") for part in path.parts):
            continue
        try:
            facts = json.loads(path.read_text())
        except ValueError as error:  # also raised for what is not UTF-8
            raise InputError(f"{path}: not readable as JSON ({error}); make it again with its table") from error
        if isinstance(facts, dict) and {"rule", "params_digest", "inputs"} <= set(facts):
            found[str(path.relative_to(folder))] = facts
    write_json(found, output)


def _shown(name: str) -> str:
    """Return the name under which an input is shown: its last part, if it is Snakemake's copy of a workflow's file.

    The folder of such a copy differs from machine to machine and from run to run.
    """
    return Path(name).name if "/source-cache/" in name else name


def _versions() -> dict[str, str]:
    modules = {"scikit-learn": "sklearn", "faiss-cpu": "faiss", "pillow": "PIL"}
    return {p: metadata.version(p) for p in _PACKAGES if modules.get(p, p) in sys.modules}


def _commit() -> str | None:
    """Return the checked-out commit of the code (`-dirty` with uncommitted changes); None outside a git checkout."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
