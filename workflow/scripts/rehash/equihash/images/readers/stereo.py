"""Reads places of a scene in two photographs of it, taken from two sides: identities with two real images each.

They are no faces and no data set of identities, but what can be had without a download: the stereo pair that
scikit-image ships, with the measured distance between the two pictures of each point.
"""

from __future__ import annotations

import io
import logging
from itertools import product
from pathlib import Path

import numpy as np

from rehash.equihash.images.banks import SPLITS, SplitImages
from rehash.equihash.images.readers.photos import STEREO, photograph, scaled, shipped

SOURCE = (
    "Places of one scene, a motorcycle in a workshop, in the left and the right photograph of it: the pair motorcycle "
    "of the Middlebury stereo benchmark (Scharstein et al. 2014), in the wheel of scikit-image 0.26.0"
)
LICENCE = "none stated"

CROP = 40  # pixels
_STRIDE = 44  # between the left photograph's crops of a row, so that most neighbours do not meet in the right one
_LEAST_KNOWN = 0.8  # share of a crop's points whose place in the right photograph was measured
_MOST_SPREAD = CROP / 6  # pixels between the 10% of the points that are moved least and most; more is an edge in depth
_LEAST_DEVIATION = 5.5  # of a crop's brightness, of 255
# The split of each row of crops. The pair is rectified, so that a row of one photograph is in that row of the other,
# and no two splits share a pixel.
_ROWS = "train test train valid train train train test train test train valid".split()
log = logging.getLogger("rehash")


def read(raw: dict[str, str | Path], *, image_size: int = CROP) -> dict[str, SplitImages]:
    """Return 101 places in two photographs each: 61 train, 13 valid, 27 test; 40 x 40 RGB. Downloads nothing.

    A place is a crop of the left photograph and the crop of the right one that is moved by the median disparity of its
    points. It is left out if too little of it was measured, if its points are moved by too different distances, if its
    left crop is nearly of one brightness, or if its right crop overlaps that of its neighbour. The left photograph's
    crop is the first image of each.

    image_size: side of the images in pixels; if it is not 40, the crops are scaled (box filter).

    Raises:
        InputError: a package is missing, or ships another file under that name.
    """
    left, right = (photograph(*STEREO[side]) for side in ("left", "right"))
    with np.load(io.BytesIO(shipped(*STEREO["disparity"]))) as file:
        disparity = file["arr_0"]
    places = _places(left, disparity)
    return {
        split: _images(left, right, [place for place in places if place[0] == split], image_size) for split in SPLITS
    }


def _places(left: np.ndarray, disparity: np.ndarray) -> list[tuple[str, int, int, int]]:
    """Return split, top, left edge in the left photograph and left edge in the right one of each place."""
    height, width = disparity.shape
    above = (height - len(_ROWS) * CROP) // 2
    places, edge = [], {}
    for (row, split), x in product(enumerate(_ROWS), range(0, width - CROP + 1, _STRIDE)):
        y = above + row * CROP
        part = np.s_[y : y + CROP, x : x + CROP]
        known = disparity[part][np.isfinite(disparity[part])]
        if known.size < _LEAST_KNOWN * CROP**2 or left[part].mean(axis=-1).std() < _LEAST_DEVIATION:
            continue
        low, middle, high = np.percentile(known, (10, 50, 90))
        moved = round(x - float(middle))
        if high - low <= _MOST_SPREAD and moved >= edge.get(row, 0):
            places.append((split, y, x, moved))
            edge[row] = moved + CROP
    log.info("stereo: %d places", len(places))
    return places


def _images(left: np.ndarray, right: np.ndarray, places: list[tuple[str, int, int, int]], size: int) -> SplitImages:
    pairs = [
        scaled(photo[y : y + CROP, at : at + CROP], size)
        for _, y, x, moved in places
        for photo, at in ((left, x), (right, moved))
    ]
    names = tuple(f"y{y} x{x}" for _, y, x, _ in places)
    return SplitImages(len(pairs), [np.stack(pairs)], identities=np.repeat(np.arange(len(places)), 2), names=names)
