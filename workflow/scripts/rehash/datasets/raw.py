"""Functions that readers of raw files share: finding files, and checks of numbers and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rehash.errors import InputError


def one_path(files: dict[str, str], role: str) -> Path:
    """Return the local path of the config or, without one, the raw file of that role.

    Raises:
        InputError: there is neither.
    """
    if "path" in files:
        return Path(files["path"])
    return by_role(files, {role: role})[role]


def by_role(files: dict[str, str], names: dict[str, str], endings: tuple[str, ...] = ("",)) -> dict[str, Path]:
    """Return paths by role: as given, or found in the folder files["path"] by their usual `names` (role -> name).

    In a folder a name may have any of the `endings`; the first that exists is taken.

    Raises:
        InputError: a role has no file, or the path is not a folder or lacks a file; names it.
    """
    if "path" not in files:
        missing = [role for role in names if role not in files]
        if missing:
            raise InputError(
                f"raw files: lack {', '.join(missing)}; expected a path, or {', '.join(names)}; found "
                f"{', '.join(files) or 'none'}"
            )
        return {role: Path(files[role]) for role in names}
    folder = Path(files["path"])
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder; expected a folder with {', '.join(names.values())}")
    found = {}
    for role, name in names.items():
        candidates = [folder / f"{name}{ending}" for ending in endings]
        found[role] = next((path for path in candidates if path.is_file()), None)
        if found[role] is None:
            raise InputError(f"{folder}: has no {' or '.join(path.name for path in candidates)}")
    return found


def numbers(inputs: np.ndarray, where: str) -> np.ndarray:
    """Return images as (N, H, W) or (N, H, W, 3), or vectors as (N, D), after checking that they are finite numbers.

    Raises:
        InputError: the array has another type or shape; names `where`, what was found and what to do.
    """
    if inputs.dtype.kind not in "iufb":
        raise InputError(f"{where}: {inputs.dtype} {inputs.shape}; expected numbers")
    if inputs.ndim == 4 and inputs.shape[3] == 1:
        inputs = inputs[..., 0]
    if inputs.ndim == 4 and inputs.shape[1] in (1, 3) and inputs.shape[3] != 3:
        raise InputError(
            f"{where}: shape {inputs.shape}; expected colours last, (N, H, W, 3): save its transpose(0, 2, 3, 1)"
        )
    if inputs.ndim == 4 and inputs.shape[3] == 4:
        raise InputError(
            f"{where}: shape {inputs.shape}; expected three colours, (N, H, W, 3): if the fourth is transparency, save "
            "its [..., :3]"
        )
    if inputs.ndim not in (2, 3) and not (inputs.ndim == 4 and inputs.shape[3] == 3):
        raise InputError(
            f"{where}: shape {inputs.shape}; expected images, (N, H, W) or, colours last, (N, H, W, 3), or vectors "
            "(N, D): save its reshape(len(inputs), -1)"
        )
    if inputs.dtype.kind == "f" and not np.isfinite(inputs).all():
        at = np.argwhere(~np.isfinite(inputs))
        raise InputError(
            f"{where}: {inputs[tuple(at[0])]} in sample {at[0][0]}, and {len(np.unique(at[:, 0]))} such samples in "
            "all; expected finite numbers: leave those samples out, or fill them in"
        )
    return inputs


def plain_labels(labels: np.ndarray, where: str) -> np.ndarray:
    """Convert labels of shape (N,) or (N, 1) to integers, int64 (N,), or texts (N,).

    They may be integers, floating-point numbers without a fraction, truth values (False is 0), or texts.

    Raises:
        InputError: the labels have another type or shape; names `where`, what was found and what to do.
    """
    found = f"{where}: labels are {labels.dtype} {labels.shape}"
    if labels.ndim == 2 and labels.shape[1] > 1:
        raise InputError(
            f"{found}; expected one label a sample, (N,) or (N, 1). If the largest number of a row is at its class, "
            "save numpy.argmax(labels, 1)"
        )
    if labels.ndim not in (1, 2) or labels.dtype.kind not in "iubfUS":
        raise InputError(f"{found}; expected integers or texts, (N,) or (N, 1)")
    labels = labels.reshape(-1)
    if labels.dtype.kind == "S":
        return np.char.decode(labels, "utf-8", "surrogateescape")
    if labels.dtype.kind == "U":
        return labels
    if labels.dtype.kind == "f":
        wrong = labels[~np.isfinite(labels) | (labels != np.floor(labels))]
        if len(wrong):
            raise InputError(
                f"{found}, among them {wrong[0]}; expected whole numbers or texts. Measured values are no classes: "
                "divide them into ranges, and save the number of each one's range"
            )
    if len(labels) and (labels.max() > np.iinfo(np.int64).max or labels.min() < np.iinfo(np.int64).min):
        raise InputError(f"{found}, among them {labels.max()}; expected numbers that fit into 64 bits")
    return labels.astype(np.int64)
