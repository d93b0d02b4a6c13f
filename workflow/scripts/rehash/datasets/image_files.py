"""Reading of image files as a person sees them: upright, on a background, grey or in colour, as bytes."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageColor, ImageFile, ImageOps, PngImagePlugin, UnidentifiedImageError

from rehash.datasets.folders import SIGNATURE_BYTES, image_format, shown
from rehash.datasets.scaling import Range, to_bytes
from rehash.errors import InputError
from rehash.progress import progress

MAX_PIXELS = 178_956_970  # from so many on Pillow itself would refuse an image
COLOURS = ("auto", "grey", "rgb")
log = logging.getLogger("rehash")

_SHOWN = 10  # bad files that an error lists
_ANIMATED = ("GIF", "PNG", "WEBP", "AVIF", "TIFF")  # what others have several of are sizes, layers or previews
_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


class TooLarge(InputError):
    """Error of an image that has more pixels than may be read."""


@dataclass(frozen=True)
class Decoded:
    """One image as its file has it, but upright and without palettes, inks and other spaces of colour.

    Attributes:
        pixels: grey (H, W) or RGB (H, W, 3); uint8, or any type of number if the file has more than 8 bits a value.
        alpha: how opaque each pixel is, uint8 (H, W); None if all are.
        inverted: whether 0 is white.
        several: whether the file has more images, of which this is the first.
        turned: whether the image lies turned or mirrored in the file, as its orientation tag says.
    """

    pixels: np.ndarray
    alpha: np.ndarray | None
    inverted: bool
    several: bool
    turned: bool

    @property
    def is_deep(self) -> bool:
        """Return whether the pixels are not bytes."""
        return self.pixels.dtype != np.uint8


@dataclass(frozen=True)
class ImageFiles:
    """Image files that have all been looked at, and how they are read alike.

    Attributes:
        names: those that can be read, relative to the folder `root`, in the order in which they were given.
        left_out: those that cannot.
        notes: what was left out or changed, a sentence each.
        shape: of every image, (H, W) or (H, W, 3).
        background: what transparent images are laid over, RGB.
        span: the values that become black and white; None if none are scaled. scales_bytes: whether bytes are, too.
        max_pixels: how many an image may have.
    """

    root: Path
    names: list[str]
    left_out: list[str]
    notes: list[str]
    shape: tuple[int, ...]
    background: tuple[int, int, int]
    span: Range | None
    scales_bytes: bool
    max_pixels: int

    def read(self, name: str) -> np.ndarray:
        """Read one of the files: uint8 (H, W) or (H, W, 3).

        Raises:
            InputError: it cannot be read any more; names it.
        """
        try:
            found = decoded(self.root / name, self.max_pixels)
        except InputError as error:
            raise InputError(f"{shown(self.root / name)}: {error}; it was an image a moment ago") from error
        pixels = to_bytes(found.pixels, self.span) if found.is_deep or self.scales_bytes else found.pixels
        image = Image.fromarray(255 - pixels if found.inverted else pixels)
        if found.alpha is not None:
            image = _laid_over(image, Image.fromarray(found.alpha), self.background)
        image = image.convert("RGB" if len(self.shape) == 3 else "L")
        size = self.shape[1::-1]
        return np.asarray(image if image.size == size else ImageOps.fit(image, size, Image.Resampling.BILINEAR))


def looked_at(
    root: Path,
    names: list[str],
    *,
    image_size: int | None,
    background: str,
    colour: str,
    value_range: Range | None,
    skip_corrupt: bool,
    max_pixels: int,
) -> ImageFiles:
    """Decode image files once, to find all that cannot be read and how all the others are read alike.

    Args:
        names: relative to the folder `root`.
        image_size: each image is cropped to the largest square at its centre and scaled to a side of so many pixels;
            None wants all of one size.
        background: what transparent images are laid over, a name of a colour or #rrggbb.
        colour: `grey`, `rgb`, or `auto`: grey if all images are grey.
        value_range: the values that become black and white, in all images. None leaves bytes as they are; all other
            images together are scaled by the smallest and the largest of their values.
        skip_corrupt: files that cannot be read are left out and named in the log; else they are an error.
        max_pixels: how many an image may have.

    Raises:
        InputError: a setting is not valid; images cannot be read (lists them), are too large, differ in size, or are
            all of one value.
    """
    paper = _checked(root, image_size, background, colour, value_range)
    facts: dict[str, _Facts] = {}
    bad: dict[str, InputError] = {}
    for name in progress(names, "looking at images", "image"):
        try:
            facts[name] = _facts(decoded(root / name, max_pixels), paper)
        except InputError as error:
            bad[name] = error
    _check_all_readable(root, bad, len(names), skip_corrupt, max_pixels)
    found = list(facts.values())
    if not found:
        raise InputError(f"{shown(root)}: none of its {len(names)} images can be read; the log says what they are")
    size = (image_size, image_size) if image_size else _one_size(root, {name: of.size for name, of in facts.items()})
    grey = colour == "grey" or (colour == "auto" and all(of.grey for of in found))
    deep = [of for of in found if of.deep]
    span = (float(value_range[0]), float(value_range[1])) if value_range else _measured(root, deep) if deep else None
    notes = _notes(found, len(bad), background, colour, value_range, span)
    shape = size[::-1] if grey else (*size[::-1], 3)
    return ImageFiles(root, list(facts), list(bad), notes, shape, paper, span, bool(value_range), max_pixels)


@dataclass(frozen=True)
class _Facts:
    """What has to be known of every image before the first is read for good; `deep` is the type of its numbers."""

    size: tuple[int, int]
    grey: bool
    transparent: bool
    several: bool
    deep: str
    low: float
    high: float


def _facts(found: Decoded, background: tuple[int, int, int]) -> _Facts:
    height, width = found.pixels.shape[:2]
    transparent = found.alpha is not None
    grey = found.pixels.ndim == 2 and not (transparent and len(set(background)) > 1)
    low, high = (float(found.pixels.min()), float(found.pixels.max())) if found.is_deep else (0.0, 0.0)
    return _Facts((width, height), grey, transparent, found.several, found.pixels.dtype.kind * found.is_deep, low, high)


def _checked(
    root: Path, image_size: int | None, background: str, colour: str, value_range: Range | None
) -> tuple[int, int, int]:
    """Check the settings, and return the background in RGB."""
    if image_size is not None and image_size < 1:
        raise InputError(f"{shown(root)}: image_size is {image_size}; expected 1 or more pixels")
    if colour not in COLOURS:
        raise InputError(f"{shown(root)}: colour is '{colour}'; expected {', '.join(COLOURS)}")
    if value_range and value_range[0] == value_range[1]:
        raise InputError(
            f"{shown(root)}: value_range is {value_range}; expected two values, that of black and of white"
        )
    with contextlib.suppress(ValueError, AttributeError, TypeError):
        paper = ImageColor.getrgb(background)
        if len(paper) == 3:
            return paper
    raise InputError(
        f"{shown(root)}: background is '{background}'; expected a colour, by its name in HTML (white, grey, navy) or "
        "as '#rrggbb' in quotes"
    )


def _check_all_readable(root: Path, bad: dict[str, InputError], count: int, skip: bool, max_pixels: int) -> None:
    """Log all files that cannot be read; raise an InputError that lists the first, unless they are to be left out."""
    large = {name: error for name, error in bad.items() if isinstance(error, TooLarge)}
    for name, error in bad.items():
        log.warning("%s: %s: %s", "left out" if skip and name not in large else "bad image", shown(root / name), error)
    if large:
        raise InputError(
            f"{shown(root)}: {len(large):,} of {count:,} images are too large: {_listed(large)}. max_pixels, which is "
            f"{max_pixels:,}, says how many pixels an image may have: set it higher, or scale these images down"
        )
    if bad and not skip:
        raise InputError(
            f"{shown(root)}: {len(bad):,} of {count:,} images cannot be read: {_listed(bad)}. Repair or remove them, "
            "or set skip_corrupt: true to leave such images out"
        )
    if bad:
        log.warning("%d of %d images left out", len(bad), count)


def _listed(bad: dict[str, InputError]) -> str:
    first = [f"{shown(name)} ({error})" for name, error in list(bad.items())[:_SHOWN]]
    rest = [f"and {len(bad) - _SHOWN:,} more, which the log names"] if len(bad) > _SHOWN else []
    return ", ".join(first + rest)


def _one_size(root: Path, sizes: dict[str, tuple[int, int]]) -> tuple[int, int]:
    first, size = next(iter(sizes.items()))
    others = [name for name, of in sizes.items() if of != size]
    if others:
        width, height = sizes[others[0]]
        raise InputError(
            f"{shown(root / others[0])}: {width} x {height} pixels, but {shown(root / first)} has {size[0]} x "
            f"{size[1]} ({len(others):,} of {len(sizes):,} images have another size than this one); set image_size in "
            "the config to crop and scale all images to one size"
        )
    return size


def _measured(root: Path, deep: list[_Facts]) -> Range:
    """Return the smallest and the largest value of the images that are not of bytes."""
    low, high = min(of.low for of in deep), max(of.high for of in deep)
    way = "set value_range to the values that are black and white, such as [0, 65535]"
    if len({of.deep == "f" for of in deep}) > 1:
        raise InputError(
            f"{shown(root)}: of the images with more than 8 bits, some have whole and some floating-point numbers, "
            f"which no one range fits; leave out the ones or the others, or {way}"
        )
    if low == high:
        raise InputError(
            f"{shown(root)}: every pixel of the {len(deep)} images with more than 8 bits is {low:g}; {way}"
        )
    return low, high


def _notes(
    found: list[_Facts], bad: int, background: str, colour: str, value_range: Range | None, span: Range | None
) -> list[str]:
    notes = []
    images = f"{len(found):,} images"
    if bad:
        notes.append(f"{bad:,} of {len(found) + bad:,} images cannot be read and are left out; the log names them")
    if several := sum(of.several for of in found):
        notes.append(f"{several:,} of {images} are animated or have several pages; the first of each is taken")
    if transparent := sum(of.transparent for of in found):
        notes.append(
            f"{transparent:,} of {images} are transparent in part; they are laid over {background} (background)"
        )
    if span and value_range:
        notes.append(f"all {images} are scaled from {span[0]:g} ... {span[1]:g} to 0 ... 255, as value_range says")
    elif span:
        deep = sum(bool(of.deep) for of in found)
        notes.append(
            f"{deep:,} of {images} have more than 8 bits a value; they are scaled from {span[0]:g} ... {span[1]:g}, "
            "the smallest and the largest of their values, to 0 ... 255 (value_range sets another range)"
        )
    in_colour = sum(not of.grey for of in found)
    if colour == "auto" and 0 < in_colour < len(found):
        notes.append(
            f"{in_colour:,} of {images} {'is' if in_colour == 1 else 'are'} in colour, so all are read as RGB; "
            "colour: grey reads all as grey"
        )
    if colour == "grey" and in_colour:
        notes.append(f"{in_colour:,} of {images} {'is' if in_colour == 1 else 'are'} in colour and read as grey")
    return notes


def _laid_over(image: Image.Image, alpha: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    """Lay an image over a background, in grey if both are."""
    grey = image.mode == "L" and len(set(background)) == 1
    canvas = Image.new("L" if grey else "RGB", image.size, background[0] if grey else background)
    canvas.paste(image.convert(canvas.mode), mask=alpha)
    return canvas


def decoded(path: Path, max_pixels: int = MAX_PIXELS) -> Decoded:
    """Decode an image file.

    Raises:
        TooLarge: it has more than `max_pixels`.
        InputError: it cannot be read; says why, but not which file it is.
    """
    try:
        # From a file, Pillow would first take the memory for as many bytes as a damaged header says.
        data = path.read_bytes()
    except OSError as error:
        why = "a broken link" if path.is_symlink() and not path.exists() else error.strerror
        raise InputError(f"cannot be opened: {why}") from error
    kind = image_format(data[:SIGNATURE_BYTES], path.name)
    if not data:
        raise InputError("an empty file")
    if kind is None:
        heic = " (HEIC, the format of newer phones: convert it to JPEG)" if data[4:8] == b"ftyp" else ""
        raise InputError(f"not an image that can be read here; it begins with {data[:12]!r}{heic}")
    try:
        with _pillow_with(max_pixels), Image.open(io.BytesIO(data), formats=[kind]) as image:
            return _decoded(image, data)
    except (InputError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise TooLarge(f"{int(re.search('[0-9]+', str(error))[0]):,} pixels") from error
    except UnidentifiedImageError as error:
        raise InputError(f"damaged, or a kind of {kind} that Pillow cannot read") from error
    except Exception as error:  # Pillow's plugins raise errors of many types for bad bytes
        raise InputError(f"damaged {kind}: {error or type(error).__name__}") from error


@contextlib.contextmanager
def _pillow_with(max_pixels: int) -> Iterator[None]:
    """Set Pillow's limits for a while, on pixels and on texts in PNG files, and keep it from warning.

    It takes the pixels from a file's header, and refuses twice the number that it is given.
    """
    held = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
    Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = max_pixels / 2, PngImagePlugin.MAX_TEXT_MEMORY
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = held


def _decoded(image: ImageFile.ImageFile, data: bytes) -> Decoded:
    tags = getattr(image, "tag_v2", {})
    # The orientation, too: Pillow takes it away when it loads a TIFF.
    bits, sample_format, photometric, orientation = (_first(tags.get(tag)) for tag in (258, 339, 262, 274))
    one_plane = image.mode == "F" or image.mode.startswith("I")
    key = image.info.get("transparency")
    raw_mode = _raw_mode(image.tile[0]) if image.tile else ""
    if one_plane:
        pixels, alpha = np.asarray(_upright(image)), None
        if bits == 32 and sample_format in (None, 1) and pixels.dtype == np.int32:
            pixels = pixels.view(np.uint32)  # Pillow has no type for it
        if not np.isfinite(pixels).all():
            raise InputError("has pixels that are not finite numbers (NaN or infinite)")
    elif (deep := _deep_colour(image, data, raw_mode, bits)) is not None:
        pixels, alpha = deep
    else:
        pixels, alpha = _eight_bits(image)
        if sample_format == 2:
            pixels = pixels.view(np.int8)
    if alpha is None and key is not None and image.mode not in ("P", "PA"):
        # One colour is transparent; Pillow leaves it as it stands in the file when it widens 2 or 4 bits to 8.
        widened = {"L;2": 85, "L;4": 17}.get(raw_mode, 1)
        alpha = np.where(np.atleast_3d(pixels == np.asarray(key) * widened).all(-1), 0, 255).astype(np.uint8)
    if alpha is not None and (alpha == 255).all():
        alpha = None
    inverted = one_plane and photometric == 0  # which Pillow sees to for bytes only
    turned = (orientation or _orientation(image)) in range(2, 9)
    return Decoded(pixels, alpha, inverted, image.format in _ANIMATED and _frames(image) > 1, turned)


def _first(value: object) -> object:
    return value[0] if isinstance(value, tuple) and value else value


def _raw_mode(tile: ImageFile._Tile) -> str:
    """Return the layout of an image's bytes, by Pillow's name for it."""
    mode = tile.args[0] if isinstance(tile.args, tuple) else tile.args
    return mode if isinstance(mode, str) else ""


def _upright(image: Image.Image) -> Image.Image:
    """Load an image and turn it as its orientation tag says."""
    image.load()
    # A damaged tag says nothing. And Pillow would write all others anew, at which it stumbles over damaged ones.
    with contextlib.suppress(Exception):
        image.getexif()
    for key in ("exif", "Raw profile type exif", "xmp", "XML:com.adobe.xmp"):
        image.info.pop(key, None)
    return ImageOps.exif_transpose(image)


def _orientation(image: Image.Image) -> object:
    """Return an image's orientation tag; 1, as it stands, if it has none or a damaged one."""
    with contextlib.suppress(Exception):
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    return 1


def _eight_bits(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Return an image's pixels, uint8 (H, W) or (H, W, 3), and its alpha, uint8 (H, W) or None.

    An image with a palette is grey if all colours of it are that can be seen.
    """
    has_palette, upright = image.mode in ("P", "PA"), _upright(image)
    if has_palette:
        upright = upright.convert("RGBA" if image.has_transparency_data else "RGB")
    elif upright.mode in ("La", "RGBa"):
        upright = upright.convert(upright.mode.upper())
    elif upright.mode == "1":
        upright = upright.convert("L")
    elif upright.mode == "LAB":
        lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        upright = ImageCms.profileToProfile(upright, lab, rgb, outputMode="RGB")
    elif upright.mode not in ("L", "LA", "RGB", "RGBA"):
        upright = upright.convert("RGB")
    values = np.asarray(upright)
    bands = np.atleast_3d(values)
    colours = 1 if len(upright.getbands()) < 3 else 3
    pixels, alpha = bands[..., :colours], bands[..., colours] if bands.shape[2] > colours else None
    seen = pixels if alpha is None else pixels[alpha > 0]
    if colours == 1 or (has_palette and (seen == seen[..., :1]).all()):
        pixels = pixels[..., 0]
    return pixels, alpha


def _deep_colour(
    image: ImageFile.ImageFile, data: bytes, raw_mode: str, bits: object
) -> tuple[np.ndarray, np.ndarray | None] | None:
    """Return the pixels, uint16, and the alpha, uint8, of an image of 16 bits a colour; None if it is not one.

    Pillow keeps only the upper bytes of such images. So they are read twice: as they are, and as if the two bytes of a
    number stood in the other order.

    Raises:
        InputError: they cannot be read in this way.
    """
    if image.format == "PPM" and data[:2] == b"P6" and (most := _highest(image)) > 255:
        width, height = image.size
        values = np.frombuffer(data, ">u2", 3 * width * height, image.tile[0].offset).reshape(height, width, 3)
        return np.rint(values * (65535 / most)).astype(np.uint16), None  # as Pillow does with grey ones
    if raw_mode == "LA;16B":
        return _with_alpha(_read_as(data, image, lambda mode: "RGBA").view(">u2"))
    if raw_mode[:-1] in ("RGB;16", "RGBA;16", "RGBX;16"):
        upper, lower = (
            _read_as(data, image, change) for change in (str, lambda mode: mode[:-1] + _OTHER_BYTE[mode[-1]])
        )
        planes = getattr(image, "tag_v2", {}).get(284, 1)
        if planes == 1:
            return _with_alpha(upper.astype(np.uint16) << 8 | lower)
    if _is_deep(image, data, raw_mode, bits):
        raise InputError(
            f"a kind of {image.format} with more than 8 bits a colour that cannot be read; convert it to PNG"
        )
    return None


def _highest(image: ImageFile.ImageFile) -> int:
    """Return the value that is white in a PPM file."""
    codec, *_, args = image.tile[0]
    return args[-1] if codec in ("ppm", "ppm_plain") else 255


def _is_deep(image: ImageFile.ImageFile, data: bytes, raw_mode: str, bits: object) -> bool:
    """Return whether an image of several colours, of which Pillow gives bytes, has more bits."""
    if image.mode == "CMYK":
        return False  # inks go from none to all, so the upper bytes say it all
    if image.format == "JPEG2000":  # the first component's bits, in the first part of the code
        return (data[data.index(b"\xff\x4f\xff\x51") + 42] & 127) + 1 > 8
    if image.format == "PPM":
        return _highest(image) > 255
    if image.format == "SGI":
        return data[3] > 1
    return isinstance(bits, int) and bits > 8


def _read_as(data: bytes, image: ImageFile.ImageFile, change: Callable[[str], str]) -> np.ndarray:
    """Read an image anew, its bytes laid out as `change` says of the layout in the file: uint8 (H, W, bands)."""
    with Image.open(io.BytesIO(data), formats=[image.format]) as again:
        tiles = [(tile, change(_raw_mode(tile))) for tile in again.tile]
        again.tile = [
            tile._replace(args=(mode, *tile.args[1:]) if isinstance(tile.args, tuple) else mode) for tile, mode in tiles
        ]
        return np.asarray(_upright(again))


def _with_alpha(values: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Part the bands of 16 bits, (H, W, 2 to 4), into pixels and alpha; of alpha the upper 8 bits are enough."""
    if values.shape[2] == 3:
        return values, None
    pixels, alpha = values[..., :-1], (values[..., -1] >> 8).astype(np.uint8)
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels, alpha


def _frames(image: ImageFile.ImageFile) -> int:
    with contextlib.suppress(Exception):  # the first image could be read, whatever is wrong with the others
        return getattr(image, "n_frames", 1)
    return 1
