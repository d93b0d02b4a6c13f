"""Provenance: where each result came from, as a JSON file beside it."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from rehash.errors import InputError, unreadable
from rehash.resources import WORKFLOW
from rehash.store import file_digest, value_digest, write_json
from rehash.unpacked import COMMIT

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


def collect_provenance(folder: str | Path, output: str | Path, asked: Iterable[str] = ()) -> None:
    """Collect the provenance of all results below a folder into one JSON file: {path within the folder: facts}.

    Args:
        asked: paths of files that must be among them.

    Raises:
        InputError: a JSON file is damaged, or one that was asked for is missing; names it.
        FileFailure: a file or folder cannot be read; names it and the reason.
    """
    found = {}
    for path in json_files(folder):
        if path.resolve() == Path(output).resolve():
            continue
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # a ValueError is also raised for what is not UTF-8
            raise unreadable(error, path, f"not readable as JSON ({error}); make it again with its table") from error
        if isinstance(facts, dict) and {"rule", "params_digest", "inputs"} <= set(facts):
            found[str(path.relative_to(folder))] = facts
    there = {Path(folder, name) for name in found}
    if missing := [path for path in dict.fromkeys(asked) if Path(path) not in there]:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(
            f"{missing[0]}{more}: no provenance there, though the config asks for the figure; make it again with: "
            f"snakemake --cores all --force {' '.join(missing)}"
        )
    write_json(found, output)


def json_files(folder: str | Path) -> list[Path]:
    """List the JSON files anywhere below a folder, sorted; links are followed, hidden files and folders left out.

    A link to a folder that it lies in is left out, too, since everything there is found without it.

    Raises:
        FileFailure: a folder cannot be read.
    """

    def failed(error: OSError) -> None:  # which os.walk would pass over
        raise unreadable(error, error.filename, "could not be read") from error

    found = []
    for parent, folders, names in os.walk(folder, onerror=failed, followlinks=True):
        here = Path(parent).resolve()
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and not here.is_relative_to(Path(parent, name).resolve())
        ]
        found += [Path(parent, name) for name in names if name.endswith(".json") and not name.startswith(".")]
    return sorted(found)


def _shown(name: str) -> str:
    """Return the name under which an input is shown: its last part, if it is Snakemake's copy of a workflow's file.

    The folder of such a copy differs from machine to machine and from run to run.
    """
    return Path(name).name if "/source-cache/" in name else name


def _versions() -> dict[str, str]:
    modules = {"scikit-learn": "sklearn", "faiss-cpu": "faiss", "pillow": "PIL"}
    return {p: metadata.version(p) for p in _PACKAGES if modules.get(p, p) in sys.modules}


def _commit() -> str | None:
    """Return the commit of the code (`-dirty` with uncommitted changes); None if it is of no repository."""
    unpacked = WORKFLOW.parent / COMMIT
    if unpacked.exists():
        return unpacked.read_text(encoding="utf-8")
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", timeout=20, check=True
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
