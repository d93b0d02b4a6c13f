"""Image files are read as a person sees them; each case's right answer is worked out by hand."""

import io
import logging
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from rehash.datasets.image_files import MAX_PIXELS, Decoded, ImageFiles, decoded, looked_at
from rehash.errors import InputError

ORIENTATION = 0x0112
RNG = np.random.default_rng(0)


def pixels(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def look(root: Path, names: list[str] | None = None, **settings) -> ImageFiles:
    plain = {"image_size": None, "background": "white", "colour": "auto", "value_range": None, "skip_corrupt": False}
    names = names or sorted(path.name for path in root.iterdir())
    return looked_at(root, names, **{**plain, "max_pixels": MAX_PIXELS, **settings})


def read(root: Path, *, quiet: bool = True, **settings) -> np.ndarray:
    """Read all files of a folder, in the order of their names."""
    found = look(root, **settings)
    assert not quiet or not found.notes, found.notes
    return np.stack([found.read(name) for name in found.names])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(rows: list[bytes], width: int, depth: int, colour: int, *more: bytes) -> bytes:
    """Make a PNG file by hand; `colour` is 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    content = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + b"".join(more) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
    )


def deep_png(values: np.ndarray, *more: bytes) -> bytes:
    colour = {2: 0, 3: {2: 4, 3: 2, 4: 6}.get(values.shape[-1])}[values.ndim]
    return png([row.tobytes() for row in values.astype(">u2")], values.shape[1], 16, colour, *more)


def tiff(values: np.ndarray, photometric: int, *, sample_format: int = 1, order: str = "<", planar: int = 1, extra=()):
    """Make an uncompressed TIFF file of one strip by hand."""
    height, width = values.shape[:2]
    bands = 1 if values.ndim == 2 else values.shape[2]
    stored = values if planar == 1 else values.transpose(2, 0, 1)
    content = stored.astype(values.dtype.newbyteorder(order)).tobytes()
    each = len(content) // (bands if planar == 2 else 1)
    strips = len(content) // each
    bits = [8 * values.dtype.itemsize] * bands
    tags = {
        256: [width],
        257: [height],
        258: bits,
        259: [1],
        262: [photometric],
        273: None,
        277: [bands],
        278: [height],
    }
    tags |= {279: [each] * strips, 284: [planar], 339: [sample_format] * bands}
    tags |= {338: list(extra)} if extra else {}
    start = 8 + 2 + 12 * len(tags) + 4
    tags[273] = [0] * strips
    beyond = sum(4 * len(of) for of in tags.values() if len(of) > 1)
    tags[273] = [start + beyond + each * strip for strip in range(strips)]
    directory, rest = struct.pack(order + "H", len(tags)), b""
    for tag, of in sorted(tags.items()):
        packed = struct.pack(f"{order}{len(of)}I", *of)
        directory += struct.pack(order + "HHI", tag, 4, len(of))
        directory += packed if len(of) == 1 else struct.pack(order + "I", start + len(rest))
        rest += packed if len(of) > 1 else b""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order]
    return head + struct.pack(order + "I", 8) + directory + struct.pack(order + "I", 0) + rest + content


def rescaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip(np.rint((values.astype(float) - low) * 255 / (high - low)), 0, 255).astype(np.uint8)


# ---------------------------------------------------------------------------------------------------------------------
# Orientation. The tag says where the stored image's first row and first column are in what is seen.

STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda seen: seen,
    2: lambda seen: seen[:, ::-1],  # first row at the top, first column at the right
    3: lambda seen: seen[::-1, ::-1],  # bottom, right
    4: lambda seen: seen[::-1],  # bottom, left
    5: lambda seen: seen.swapaxes(0, 1),  # left, top
    6: lambda seen: seen[:, ::-1].swapaxes(0, 1),  # right, top
    7: lambda seen: seen[::-1, ::-1].swapaxes(0, 1),  # right, bottom
    8: lambda seen: seen[::-1].swapaxes(0, 1),  # left, bottom
}
SEEN = np.kron(np.array([[20, 90, 160], [200, 130, 60]], np.uint8), np.ones((8, 8), np.uint8))  # no two corners alike


def exif(value: int) -> Image.Exif:
    tags = Image.Exif()
    tags[ORIENTATION] = value
    return tags


@pytest.mark.parametrize("value", STORED)
def test_an_image_is_turned_as_its_tag_says(tmp_path, value):
    stored = Image.fromarray(np.ascontiguousarray(STORED[value](SEEN)))
    stored.save(tmp_path / "a.png", exif=exif(value))
    stored.save(tmp_path / "b.tif", tiffinfo={ORIENTATION: value})
    stored.save(tmp_path / "c.tif", tiffinfo={ORIENTATION: value}, compression="tiff_deflate")
    stored.convert("RGB").save(tmp_path / "d.webp", lossless=True, exif=exif(value))
    stored.convert("P").save(tmp_path / "e.png", exif=exif(value))
    stored.save(tmp_path / "f.jpg", quality=95, exif=exif(value))
    stored.save(tmp_path / "g.avif", quality=95, exif=exif(value))
    (tmp_path / "h.png").write_bytes(deep_png(STORED[value](SEEN) * np.uint16(257), exif_chunk(value)))
    colours = np.stack([STORED[value](SEEN)] * 3, -1) * np.uint16(257)
    (tmp_path / "i.png").write_bytes(deep_png(colours, exif_chunk(value)))
    found = (
        read(tmp_path, colour="grey", quiet=False, value_range=[0, 255]),
        read(tmp_path, colour="grey", quiet=False, value_range=[0, 65535]),
    )
    assert (found[0][:5] == SEEN).all(), "bytes"
    assert np.abs(found[0][5:7].astype(int) - SEEN).max() <= 6, "with losses"
    assert (found[1][7:] == SEEN).all(), "16 bits"
    assert [decoded(path).turned for path in sorted(tmp_path.iterdir())] == [value != 1] * 9


def exif_chunk(value: int) -> bytes:
    return chunk(b"eXIf", exif(value).tobytes().removeprefix(b"Exif\0\0"))


def test_sizes_are_compared_upright(tmp_path):
    for value in STORED:
        Image.fromarray(np.ascontiguousarray(STORED[value](SEEN))).save(tmp_path / f"{value}.png", exif=exif(value))
    assert read(tmp_path).shape == (8, 16, 24)


@pytest.mark.parametrize("tags", [b"Exif\0\0rubbish", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", b"Exif\0\0"])
def test_damaged_tags_say_nothing(tmp_path, tags):
    Image.fromarray(SEEN).save(tmp_path / "a.jpg", quality=95, exif=tags)
    assert np.abs(read(tmp_path)[0].astype(int) - SEEN).max() <= 6


# ---------------------------------------------------------------------------------------------------------------------
# Transparency


def palette_image(colours: list[tuple[int, ...]], indices: list[list[int]]) -> Image.Image:
    image = Image.fromarray(np.array(indices, np.uint8), "L").convert("L")
    image = Image.frombytes("P", image.size, image.tobytes())
    image.putpalette([value for colour in colours for value in colour], "RGB")
    return image


def saved(path: Path, image: Image.Image, **how) -> None:
    image.save(path, **how)


# In each image the pixels are: opaque black, wholly transparent black, and black of alpha 51 (a fifth) where the format
# has that. Over white these are 0, 255 and 204; over (100, 0, 200): itself at the second, four fifths at the third.
FIFTH = {
    "RGBA": lambda path: saved(path, Image.fromarray(np.array([[[0, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 51]]], np.uint8))),
    "LA": lambda path: saved(path, Image.merge("LA", [Image.new("L", (3, 1)), Image.fromarray(np.uint8([[255, 0, 51]]))])),
    "P": lambda path: saved(path, palette_image([(0, 0, 0)] * 3, [[0, 1, 2]]), transparency=bytes([255, 0, 51])),
    "LA 16": lambda path: path.write_bytes(deep_png(np.uint16([[[0, 65535], [0, 0], [0, 51 * 257]]]))),
    "RGBA 16": lambda path: path.write_bytes(
        deep_png(np.uint16([[[0, 0, 0, 65535], [0, 0, 0, 0], [0, 0, 0, 51 * 257]]]))
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", FIFTH)
@pytest.mark.parametrize(
    ("background", "expected"),
    [
        ("white", [[0] * 3, [255] * 3, [204] * 3]),
        ("#000000", [[0] * 3] * 3),
        ("rgb(100, 0, 200)", [[0] * 3, [100, 0, 200], [80, 0, 160]]),
    ],
)
def test_what_is_transparent_shows_the_background(tmp_path, kind, background, expected):
    FIFTH[kind](tmp_path / "a.png")
    deep = {"value_range": [0, 65535]} if "16" in kind else {}
    found = look(tmp_path, background=background, **deep)
    assert f"1 of 1 images are transparent in part; they are laid over {background} (background)" in found.notes
    seen = found.read("a.png")
    assert seen.shape == (1, 3, 3) or ("rgb" not in background and "RGB" not in kind), "grey over grey stays grey"
    assert (seen.reshape(3, -1) == np.array(expected)[:, : seen.reshape(3, -1).shape[1]]).all()


# Formats that name one colour as transparent: the first pixel is another one, the second is that one.
KEYED = {
    "1 bit": (png([b"\x40"], 2, 1, 0, chunk(b"tRNS", b"\0\1")), 0),
    "2 bits": (png([b"\x70"], 2, 2, 0, chunk(b"tRNS", b"\0\3")), 85),  # pixels 1 and 3; 1 is a third of white
    "4 bits": (png([b"\x1a"], 2, 4, 0, chunk(b"tRNS", b"\0\x0a")), 17),
    "8 bits": (png([b"\x07\x63"], 2, 8, 0, chunk(b"tRNS", b"\0\x63")), 7),
    "RGB": (png([b"\1\2\3\4\5\6"], 2, 8, 2, chunk(b"tRNS", b"\0\4\0\5\0\6")), (1, 2, 3)),
    "palette": (png([b"\0\1"], 2, 8, 3, chunk(b"PLTE", bytes(range(6))), chunk(b"tRNS", b"\xff\0")), (0, 1, 2)),
    "16 bits": (deep_png(np.uint16([[256, 257]]), chunk(b"tRNS", b"\1\1")), 1),
    "RGB 16": (deep_png(np.uint16([[[256] * 3, [256, 256, 257]]]), chunk(b"tRNS", b"\1\0\1\0\1\1")), (1, 1, 1)),
}


@pytest.mark.parametrize("kind", KEYED)
def test_one_colour_that_is_transparent(tmp_path, kind):
    content, other = KEYED[kind]
    (tmp_path / "a.png").write_bytes(content)
    deep = {"value_range": [0, 65535]} if "16" in kind else {}
    for background, shade in (("white", 255), ("#404040", 64)):
        seen = read(tmp_path, background=background, quiet=False, **deep)[0, 0]
        assert (seen[0] == other).all() and (seen[1] == shade).all(), "the one colour only, as deep as it is"


def test_a_transparent_animation(tmp_path):
    first = palette_image([(250, 0, 0), (0, 0, 250)], [[0, 1]])
    first.save(tmp_path / "a.gif", transparency=1)
    assert read(tmp_path, background="#00ff00", quiet=False)[0].tolist() == [[[250, 0, 0], [0, 255, 0]]]


def test_an_image_that_could_be_transparent_and_is_not(tmp_path):
    Image.fromarray(np.dstack([pixels(3, 4, 3), np.full((3, 4), 255, np.uint8)])).save(tmp_path / "a.png")
    assert read(tmp_path, background="#123456").shape == (1, 3, 4, 3)


@pytest.mark.parametrize("background", ["blu", "#12345", "", "#11223344", 7, ["white"]])
def test_a_background_that_is_no_colour(tmp_path, background):
    Image.fromarray(SEEN).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"background is '.*'; expected a colour, by its name in HTML"):
        look(tmp_path, background=background)


# ---------------------------------------------------------------------------------------------------------------------
# Modes


def test_each_mode_is_seen_in_its_colours(tmp_path):
    """Cyan, magenta, yellow and half black in inks; red as an index; Lab by published values of sRGB."""
    inks = np.array([[[255, 0, 0, 0], [0, 255, 0, 0], [0, 0, 255, 0], [0, 0, 0, 127]]], np.uint8)
    seen = np.array([[[0, 255, 255], [255, 0, 255], [255, 255, 0], [128, 128, 128]]], np.uint8)
    Image.fromarray(inks, "CMYK").save(tmp_path / "a.tif")
    (tmp_path / "b.tif").write_bytes(tiff(inks * np.uint16(257), 5))
    palette_image([tuple(colour) for colour in seen[0].tolist()], [[0, 1, 2, 3]]).save(tmp_path / "c.png")
    assert (read(tmp_path) == seen).all()


def test_a_cmyk_jpeg_of_adobe_is_not_a_negative(tmp_path):
    inks = np.broadcast_to(np.uint8([0, 200, 100, 0]), (16, 16, 4))
    Image.fromarray(inks.copy(), "CMYK").save(tmp_path / "a.jpg", quality=95)
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()
    assert np.abs(read(tmp_path).astype(int) - [255, 55, 155]).max() <= 3


def test_lab(tmp_path):
    """White, black, and red, which is L 54.3, a 80.8, b 69.9 under the white of D50."""
    (tmp_path / "a.tif").write_bytes(tiff(np.uint8([[[255, 0, 0], [0, 0, 0], [138, 81, 70]]]), 8))
    assert np.abs(read(tmp_path)[0, 0].astype(int) - [[255] * 3, [0] * 3, [255, 0, 0]]).max() <= 6


def test_ycbcr(tmp_path):
    """Of JPEG's own colours: (Y, Cb, Cr) = (76, 85, 255) is red."""
    Image.merge("YCbCr", [Image.new("L", (8, 8), value) for value in (76, 85, 255)]).save(tmp_path / "a.tif")
    assert np.abs(read(tmp_path).astype(int) - [254, 0, 0]).max() <= 3


def test_one_bit(tmp_path):
    bits = np.array([[True, False, True]])
    for name in ("a.png", "b.bmp", "c.tif", "d.pbm"):
        Image.fromarray(bits).save(tmp_path / name)
    (tmp_path / "e.tif").write_bytes(
        (tmp_path / "c.tif").read_bytes().replace(b"\x06\x01\x03\0\x01\0\0\0\1", b"\x06\x01\x03\0\x01\0\0\0\0")
    )
    assert (read(tmp_path)[:4] == np.where(bits, 255, 0)).all()
    assert (read(tmp_path)[4] == np.where(bits, 0, 255)).all(), "0 is white in it"


def test_a_palette_is_grey_if_what_is_seen_of_it_is(tmp_path):
    ramp = [(9, 9, 9), (200, 200, 200), (255, 0, 255)]
    palette_image(ramp, [[0, 1, 0]]).save(tmp_path / "a.png")
    palette_image(ramp, [[0, 1, 2]]).save(tmp_path / "b.png", transparency=2)
    assert read(tmp_path, quiet=False).tolist() == [[[9, 200, 9]], [[9, 200, 255]]]
    palette_image(ramp, [[0, 1, 2]]).save(tmp_path / "c.png")
    assert read(tmp_path, quiet=False).shape == (3, 1, 3, 3)


def test_colour_among_grey(tmp_path):
    for name in "abc":
        Image.fromarray(pixels(2, 2)).save(tmp_path / f"{name}.png")
    assert read(tmp_path).shape == (3, 2, 2) and read(tmp_path, colour="rgb").shape == (3, 2, 2, 3)
    Image.new("RGB", (2, 2), (255, 0, 0)).save(tmp_path / "d.png")
    found = look(tmp_path)
    assert found.notes == ["1 of 4 images is in colour, so all are read as RGB; colour: grey reads all as grey"]
    assert found.shape == (2, 2, 3) and (found.read("d.png") == [255, 0, 0]).all()
    grey = look(tmp_path, colour="grey")
    assert grey.notes == ["1 of 4 images is in colour and read as grey"]
    assert (grey.read("d.png") == 76).all(), "of red, 299 thousandths"
    with pytest.raises(InputError, match="colour is 'gray'; expected auto, grey, rgb"):
        look(tmp_path, colour="gray")


def test_grey_with_holes_over_a_coloured_background_is_in_colour(tmp_path):
    Image.merge("LA", [Image.new("L", (2, 2), 7), Image.new("L", (2, 2), 0)]).save(tmp_path / "a.png")
    Image.fromarray(pixels(2, 2)).save(tmp_path / "b.png")
    assert look(tmp_path).shape == (2, 2) and look(tmp_path, background="red").shape == (2, 2, 3)


# ---------------------------------------------------------------------------------------------------------------------
# More than 8 bits

VALUES = np.array([[0, 1000, 2000], [3000, 4000, 5000]])
DEEP = {
    "a.png": lambda path: path.write_bytes(deep_png(VALUES)),
    "b.pgm": lambda path: path.write_bytes(b"P5 3 2 65535\n" + VALUES.astype(">u2").tobytes()),
    "c.tif": lambda path: path.write_bytes(tiff(VALUES.astype(np.uint16), 1)),
    "d.tif": lambda path: path.write_bytes(tiff(VALUES.astype(np.uint16), 1, order=">")),
    "e.tif": lambda path: path.write_bytes(tiff(VALUES.astype(np.uint32), 1)),
    "f.tif": lambda path: path.write_bytes(tiff(VALUES.astype(np.int32), 1, sample_format=2)),
    "g.tif": lambda path: path.write_bytes(tiff(VALUES.astype(np.int16), 1, sample_format=2, order=">")),
    "h.tif": lambda path: Image.fromarray(VALUES.astype(np.uint16)).save(path, compression="tiff_lzw"),
    "i.png": lambda path: path.write_bytes(deep_png(np.stack([VALUES] * 3, -1))),
    "j.tif": lambda path: path.write_bytes(tiff(np.stack([VALUES] * 3, -1).astype(np.uint16), 2)),
    "k.tif": lambda path: path.write_bytes(tiff(np.stack([VALUES] * 3, -1).astype(np.uint16), 2, order=">")),
    "l.ppm": lambda path: path.write_bytes(b"P6 3 2 65535\n" + np.stack([VALUES] * 3, -1).astype(">u2").tobytes()),
}


@pytest.mark.parametrize("name", DEEP)
def test_deep_images_are_scaled_by_their_range(tmp_path, name):
    """0 to 5000 in steps of 1000 are six shades from black to white, 51 apart."""
    DEEP[name](tmp_path / name)
    found = look(tmp_path)
    assert found.notes == [
        "1 of 1 images have more than 8 bits a value; they are scaled from 0 ... 5000, the smallest and the largest of "
        "their values, to 0 ... 255 (value_range sets another range)"
    ]
    assert (found.read(name).reshape(6, -1).T == [0, 51, 102, 153, 204, 255]).all()
    declared = look(tmp_path, value_range=[1000, 4000])
    assert declared.notes == ["all 1 images are scaled from 1000 ... 4000 to 0 ... 255, as value_range says"]
    assert (declared.read(name).reshape(6, -1).T == [0, 0, 85, 170, 255, 255]).all()


@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("form", ["png", "<", ">"])
def test_both_bytes_of_a_colour_are_read(tmp_path, form, bands):
    """Every value of 16 bits, of which Pillow gives the upper 8."""
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    colours = np.stack([values, values[::-1], values.T, np.full_like(values, 65535)][:bands], -1)
    extra = {4: (2,)}.get(bands, ())
    content = deep_png(colours) if form == "png" else tiff(colours, 2, order=form, extra=extra)
    (tmp_path / "a").write_bytes(content)
    found = decoded(tmp_path / "a")
    assert found.pixels.dtype == np.uint16 and (found.pixels == colours[..., :3]).all() and found.alpha is None


def test_one_range_for_all_deep_images_and_bytes_as_they_are(tmp_path):
    (tmp_path / "a.png").write_bytes(deep_png(np.array([[100, 200]])))
    (tmp_path / "b.png").write_bytes(deep_png(np.array([[300, 1120]])))
    Image.fromarray(np.uint8([[3, 250]])).save(tmp_path / "c.png")
    found = look(tmp_path)
    assert [found.read(name).tolist() for name in found.names] == [[[0, 25]], [[50, 255]], [[3, 250]]]
    assert "2 of 3 images have more than 8 bits a value; they are scaled from 100 ... 1120, the" in found.notes[0]
    found = look(tmp_path, value_range=[0, 510])
    assert [found.read(name).tolist() for name in found.names] == [[[50, 100]], [[150, 255]], [[2, 125]]]
    assert found.notes == ["all 3 images are scaled from 0 ... 510 to 0 ... 255, as value_range says"]


def test_invisible_alpha_does_not_count_for_the_range(tmp_path):
    (tmp_path / "a.png").write_bytes(deep_png(np.array([[[10, 65535], [265, 65535]]])))
    assert look(tmp_path).span == (10, 265)


def test_floating_point_numbers(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(np.float32([[-0.5, 0.0, 0.5]]), 1, sample_format=3))
    (tmp_path / "b.pfm").write_bytes(b"Pf\n3 1\n-1.0\n" + np.float32([0.25, -0.25, 0.5]).tobytes())
    assert read(tmp_path, quiet=False).tolist() == [[[0, 128, 255]], [[191, 64, 255]]]
    (tmp_path / "c.png").write_bytes(deep_png(VALUES[:1]))
    with pytest.raises(InputError, match=r"some have whole and some floating-point numbers, .* set value_range"):
        look(tmp_path)
    (tmp_path / "c.png").unlink()
    (tmp_path / "b.pfm").write_bytes(b"Pf\n3 1\n-1.0\n" + np.float32([0.25, np.nan, 0.5]).tobytes())
    with pytest.raises(InputError, match=r"1 of 2 images cannot be read: b\.pfm \(has pixels that are not finite"):
        look(tmp_path)


def test_numbers_beyond_those_that_pillow_knows(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff(np.uint32([[0, 2**31, 2**32 - 1]]), 1))
    assert read(tmp_path, quiet=False).tolist() == [[[0, 128, 255]]], "no sign"
    (tmp_path / "a.tif").write_bytes(tiff(np.int8([[-100, 0, 100]]), 1, sample_format=2))
    assert read(tmp_path, quiet=False).tolist() == [[[0, 128, 255]]], "a sign"


@pytest.mark.parametrize(("values", "sample_format"), [(np.uint16([[0, 51, 255]]), 1), (np.float32([[0, 0.2, 1]]), 3)])
def test_where_0_is_white(tmp_path, values, sample_format):
    """As X-ray machines write it."""
    (tmp_path / "a.tif").write_bytes(tiff(values, 0, sample_format=sample_format))
    assert read(tmp_path, quiet=False).tolist() == [[[255, 204, 0]]]
    (tmp_path / "a.tif").write_bytes(tiff(np.uint8([[0, 51, 255]]), 0))
    assert read(tmp_path).tolist() == [[[255, 204, 0]]]


def test_deep_images_of_one_value(tmp_path):
    (tmp_path / "a.png").write_bytes(deep_png(np.full((2, 2), 9)))
    with pytest.raises(InputError, match=r"every pixel of the 1 images .* is 9; set value_range to the values that"):
        look(tmp_path)
    assert (read(tmp_path, value_range=[0, 45], quiet=False) == 51).all()
    with pytest.raises(InputError, match=r"value_range is \[7, 7\]; expected two values"):
        look(tmp_path, value_range=[7, 7])


def sixteen_bit_jpeg2000() -> bytes:
    held = io.BytesIO()
    Image.fromarray(pixels(16, 16, 3)).save(held, "JPEG2000", no_jp2=True)
    content = bytearray(held.getvalue())
    assert content[42] == 7, "the bits of the first colour, less one"
    content[42] = 15
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tif", tiff(np.stack([VALUES] * 3, -1).astype(np.uint16), 2, planar=2)),
        ("a.tif", tiff(np.stack([VALUES] * 4, -1).astype(np.uint16), 2, extra=(1,))),
        ("a.jp2", sixteen_bit_jpeg2000()),
        ("a.ppm", b"P3 1 1 65535\n1 2 3\n"),
        ("a.sgi", struct.pack(">HBBHHHH", 474, 0, 2, 3, 1, 1, 3) + bytes(500 + 6)),
    ],
)
def test_deep_images_of_which_pillow_gives_the_upper_bytes_only(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="more than 8 bits a colour that cannot be read; convert it to PNG"):
        decoded(tmp_path / name)


# ---------------------------------------------------------------------------------------------------------------------
# Several images in a file


def frames() -> list[Image.Image]:
    return [Image.new("L", (4, 3), grey) for grey in (40, 200, 90)]


@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp", "a.tif", "a.avif"])
def test_the_first_of_several(tmp_path, name):
    how = {"a.webp": {"lossless": True}, "a.avif": {"quality": 100}}.get(name, {})
    first, *others = [image.convert("RGB") for image in frames()] if name in ("a.webp", "a.avif") else frames()
    first.save(tmp_path / name, save_all=True, append_images=others, **how)
    found = look(tmp_path)
    assert found.notes == ["1 of 1 images are animated or have several pages; the first of each is taken"]
    assert np.abs(found.read(name).astype(int) - 40).max() <= 1


def test_previews_layers_and_sizes_are_no_animation(tmp_path):
    first, *others = [image.convert("RGB") for image in frames()]
    first.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=others)
    with Image.open(tmp_path / "a.jpg") as image:
        assert image.n_frames == 3
    Image.fromarray(pixels(32, 32, 3)).save(tmp_path / "b.ico", sizes=[(16, 16), (32, 32)])
    assert look(tmp_path, image_size=4).notes == []


# ---------------------------------------------------------------------------------------------------------------------
# Size


def test_crops_the_centre(tmp_path):
    wide = np.zeros((4, 10, 3), np.uint8)
    wide[:, 3:7] = middle = pixels(4, 4, 3)
    Image.fromarray(wide).save(tmp_path / "a.png")
    Image.fromarray(wide.swapaxes(0, 1)).save(tmp_path / "b.png")
    assert (read(tmp_path, image_size=4) == [middle, middle.swapaxes(0, 1)]).all()
    with pytest.raises(InputError, match=r"b\.png: 4 x 10 pixels, but .*a\.png has 10 x 4 \(1 of 2 .*; set image_size"):
        look(tmp_path)
    with pytest.raises(InputError, match="image_size is 0; expected 1 or more"):
        look(tmp_path, image_size=0)


def test_too_large_is_not_corrupt(tmp_path):
    for name, shape in {"a": (10, 10), "b": (10, 11), "c": (30, 50)}.items():
        Image.fromarray(pixels(*shape)).save(tmp_path / f"{name}.png")
    for skip in (False, True):
        with pytest.raises(InputError) as error:
            look(tmp_path, image_size=4, max_pixels=100, skip_corrupt=skip)
        assert str(error.value) == (
            f"{tmp_path}: 2 of 3 images are too large: b.png (110 pixels), c.png (1,500 pixels). "
            "max_pixels, which is 100, says how many pixels an image may have: set it higher, or scale these images down"
        )
    assert look(tmp_path, image_size=4, max_pixels=1500).names == ["a.png", "b.png", "c.png"]


def test_pillows_own_limits_are_not_ours(tmp_path, monkeypatch):
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "much " * 500_000, zip=True)
    Image.fromarray(pixels(10, 10)).save(tmp_path / "a.png", pnginfo=texts)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 7)
    limits = Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK
    assert read(tmp_path).shape == (1, 10, 10)
    assert read(tmp_path, max_pixels=100).shape == (1, 10, 10)
    with pytest.raises(InputError, match="too large"):
        look(tmp_path, max_pixels=99)
    assert limits == (Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK), "as they were"


def test_a_large_image_within_a_small_one(tmp_path):
    """An icon of 16 x 16, says its header, which holds a PNG image of 400 x 400."""
    held = io.BytesIO()
    Image.fromarray(pixels(400, 400, 4)).save(held, "PNG")
    head = struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(held.getvalue()), 22)
    (tmp_path / "a.ico").write_bytes(head + held.getvalue())
    with pytest.raises(InputError, match=r"too large: a\.ico \(160,000 pixels\)"):
        look(tmp_path, max_pixels=1000)


def test_a_part_that_says_it_is_gigabytes_takes_no_memory(tmp_path):
    image = pixels(6, 5, 3)
    Image.fromarray(image).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[content.index(b"IDAT") - 4] = 0x70  # of four bytes that say how long the part is
    (tmp_path / "a.png").write_bytes(content)
    tracemalloc.start()
    found = read(tmp_path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24 and (found == image).all(), "Pillow ends with the last pixel"


# ---------------------------------------------------------------------------------------------------------------------
# Bad files


@pytest.mark.parametrize("name", "a.png a.jpg a.gif a.bmp a.tif a.webp a.avif a.ppm a.pcx a.tga a.ico a.qoi".split())
def test_half_a_file_is_bad(tmp_path, name):
    Image.fromarray(pixels(40, 40, 3)).save(tmp_path / name)
    content = (tmp_path / name).read_bytes()
    assert isinstance(decoded(tmp_path / name), Decoded)
    (tmp_path / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged"):
        decoded(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "an empty file"),
        (b"<html>404</html>", r"not an image that can be read here; it begins with b'<html>404</h'"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", r"it begins with .* \(HEIC, .* convert it to JPEG\)"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff" + bytes(50), "damaged"),
    ],
)
def test_files_that_are_no_images(tmp_path, content, reason):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        decoded(tmp_path / "a.jpg")


def test_files_that_cannot_be_opened(tmp_path, monkeypatch):
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"1 of 1 images cannot be read: a\.png \(cannot be opened: a broken link\)"):
        look(tmp_path)
    (tmp_path / "nowhere").write_bytes(b"")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"a\.png \(cannot be opened: Permission denied\)"):
        look(tmp_path, ["a.png"])


def test_all_bad_files_are_listed_at_once(tmp_path, caplog):
    for number in range(30):
        Image.fromarray(pixels(3, 3)).save(tmp_path / f"{number:02}.png")
    for number in range(0, 24, 2):
        (tmp_path / f"{number:02}.png").write_bytes(b"")
    with pytest.raises(InputError) as error:
        look(tmp_path)
    listed = ", ".join(f"{number:02}.png (an empty file)" for number in range(0, 20, 2))
    assert str(error.value) == (
        f"{tmp_path}: 12 of 30 images cannot be read: {listed}, and 2 more, which the log names. Repair or remove them, "
        "or set skip_corrupt: true to leave such images out"
    )
    assert [record.getMessage() for record in caplog.records] == [
        f"bad image: {tmp_path}/{number:02}.png: an empty file" for number in range(0, 24, 2)
    ]
    caplog.clear()
    caplog.set_level(logging.WARNING, "rehash")
    found = look(tmp_path, skip_corrupt=True)
    assert found.left_out == [f"{number:02}.png" for number in range(0, 24, 2)] and len(found.names) == 18
    assert found.notes == ["12 of 30 images cannot be read and are left out; the log names them"]
    assert f"left out: {tmp_path}/22.png: an empty file" in caplog.text and "12 of 30 images left out" in caplog.text


def test_nothing_left(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(InputError, match="none of its 1 images can be read"):
        look(tmp_path, skip_corrupt=True)


def test_a_file_that_is_gone_when_it_is_read(tmp_path):
    Image.fromarray(pixels(3, 3)).save(tmp_path / "a.png")
    found = look(tmp_path)
    (tmp_path / "a.png").unlink()
    with pytest.raises(
        InputError, match=r"a\.png: cannot be opened: No such file or directory; it was an image a moment"
    ):
        found.read("a.png")
