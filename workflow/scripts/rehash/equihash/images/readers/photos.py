"""Reads crops of the photographs that scikit-image and scikit-learn ship."""

from __future__ import annotations

import hashlib
import io
import logging
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from rehash.equihash.images.banks import SPLITS, SplitImages
from rehash.errors import InputError

SOURCE = (
    "Photographs in the wheels of scikit-image 0.26.0 (skimage.data: retina by M. Häggström, WikiJournal of Medicine "
    "2014; motorcycle from the Middlebury stereo benchmark, Scharstein et al. 2014; immunohistochemistry of the Center "
    "for Microscopy and Molecular Imaging; chelsea by S. van der Walt; coffee by R. Michetti; rocket of SpaceX; "
    "astronaut and hubble_deep_field of NASA) and of scikit-learn (china by danielbuechele, flower by vultilion)"
)
LICENCE = (
    "CC0 (retina, chelsea, coffee), public domain (astronaut, rocket, hubble_deep_field), no known restrictions "
    "(immunohistochemistry), CC BY 2.0 (china, flower), none stated (motorcycle)"
)

CROP = 180  # pixels
MINIMUM_DEVIATION = 5.5  # of a crop's brightness, of 255; no crop has 5.3 to 5.8, so any JPEG decoder will do

# Two photographs of one scene, and how far apart a place is in them.
STEREO = {
    "left": ("skimage/data/motorcycle_left.png", "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179"),
    "right": ("skimage/data/motorcycle_right.png", "5fc913ae870e42a4b662314bc904d1786bcad8e2f0b9b67dba5a229406357797"),
    "disparity": (
        "skimage/data/motorcycle_disp.npz",
        "2e49c8cebff3fa20359a0cc6880c82e1c03bbb106da81a177218281bc2f113d7",
    ),
}
# Split, file in its package, SHA-256. A photograph is named by the first word of its file's name.
_FILES = (
    ("train", "skimage/data/retina.jpg", "38a07f36f27f095e818aea7b96d34202c05176d30253c66733f2e00379e9e0e6"),
    ("train", *STEREO["left"]),
    ("train", *STEREO["right"]),
    ("train", "skimage/data/ihc.png", "f8dd1aa387ddd1f49d8ad13b50921b237df8e9b262606d258770687b0ef93cef"),
    ("train", "skimage/data/chelsea.png", "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb"),
    ("valid", "skimage/data/coffee.png", "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7"),
    ("valid", "skimage/data/rocket.jpg", "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c"),
    ("valid", "skimage/data/astronaut.png", "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5"),
    ("test", "skimage/data/hubble_deep_field.jpg", "3a19c5dd8a927a9334bb1229a6d63711b1c0c767fb27e2286e7c84a3e2c2f5f4"),
    ("test", "sklearn/datasets/images/china.jpg", "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29"),
    ("test", "sklearn/datasets/images/flower.jpg", "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638"),
)
_PACKAGES = {"skimage": "scikit-image", "sklearn": "scikit-learn"}
log = logging.getLogger("rehash")


def read(raw: dict[str, str | Path], *, image_size: int = CROP) -> dict[str, SplitImages]:
    """Return 104 crops of 180 x 180 RGB: 56 train, 16 valid, 32 test. Reads no raw files and downloads nothing.

    image_size: side of the images in pixels; if it is not 180, the crops are scaled (box filter).

    Each photograph is cut into the non-overlapping crops of a centred grid; all its crops are in one split, and the two
    views of the motorcycle count as one photograph. A crop whose brightness (the mean of its three channels) has a
    standard deviation below 5.5 of 255 is left out; these are 15 crops of the retina. Within a split the crops of its
    photographs are interleaved in proportion, so that the first n images are varied too.

    Raises:
        InputError: a package is missing, or ships another file under that name.
    """
    return {split: _mixed(split, image_size) for split in SPLITS}


def _mixed(split: str, image_size: int) -> SplitImages:
    scenes: dict[str, list[np.ndarray]] = {}
    for _, file, sha256 in (row for row in _FILES if row[0] == split):
        scenes.setdefault(Path(file).stem.split("_")[0], []).extend(_crops(photograph(file, sha256)))
    placed = []
    for scene, crops in scenes.items():
        kept = [crop for crop in crops if crop.mean(axis=-1).std() >= MINIMUM_DEVIATION]
        log.info("photos: %s, %s: %d crops, %d kept", split, scene, len(crops), len(kept))
        placed += [((rank + 0.5) / len(kept), scene, crop) for rank, crop in enumerate(kept)]
    mixed = np.stack([scaled(crop, image_size) for *_, crop in sorted(placed, key=lambda each: each[:2])])
    return SplitImages(len(mixed), [mixed])


def scaled(crop: np.ndarray, size: int) -> np.ndarray:
    """Return a square image at another size, by a box filter; as it is if it has that size."""
    if len(crop) == size:
        return crop
    return np.asarray(Image.fromarray(crop).resize((size, size), Image.Resampling.BOX))


def photograph(file: str, sha256: str) -> np.ndarray:
    """Read a photograph from its installed package, uint8 (H, W, 3)."""
    with Image.open(io.BytesIO(shipped(file, sha256))) as image:
        return np.asarray(image.convert("RGB"))


def shipped(file: str, sha256: str) -> bytes:
    """Read a file that a package ships; `file` begins with the name of the module.

    Raises:
        InputError: the package is missing, or ships another file under that name.
    """
    package, name = file.split("/", 1)
    expected = f"expected {_PACKAGES[package]}'s file, in the version that requirements.txt pins"
    try:
        content = resources.files(package).joinpath(name).read_bytes()
    except (ModuleNotFoundError, FileNotFoundError) as error:
        raise InputError(f"{file} is not installed ({error}); {expected}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(f"{file} has the SHA-256 {found}, not {sha256}; {expected}")
    return content


def _crops(photograph: np.ndarray) -> np.ndarray:
    """Cut (H, W, 3) into (n, CROP, CROP, 3), row by row of the largest grid that fits, which is centred."""
    rows, columns = photograph.shape[0] // CROP, photograph.shape[1] // CROP
    top, left = (photograph.shape[0] - rows * CROP) // 2, (photograph.shape[1] - columns * CROP) // 2
    grid = photograph[top : top + rows * CROP, left : left + columns * CROP]
    return grid.reshape(rows, CROP, columns, CROP, 3).swapaxes(1, 2).reshape(-1, CROP, CROP, 3)
