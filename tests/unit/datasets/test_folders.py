"""What counts in a folder, by content and not by name, and what does not; on trees that are made here."""

import io
import os
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from rehash.datasets import folders
from rehash.datasets.folders import SIGNATURE_BYTES, files_below, folder_contents, image_format, shown
from rehash.errors import InputError


def encoded(kind: str, mode: str = "RGB", **how) -> bytes:
    held = io.BytesIO()
    Image.new(mode, (5, 4)).save(held, kind, **how)
    return held.getvalue()


PNG, JPEG = encoded("PNG"), encoded("JPEG")


def make(root: Path, *names: str, content: bytes = PNG) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        *((kind, encoded(kind)) for kind in "PNG JPEG GIF WEBP AVIF TIFF BMP PPM JPEG2000 ICO SGI PCX QOI".split()),
        ("PPM", encoded("PPM", "L")),
        ("PPM", encoded("PPM", "1")),
        ("PPM", encoded("PPM", "F")),
        ("PPM", b"P2\n# by hand\n2 1 9 0 9"),
        ("TIFF", encoded("TIFF", big_tiff=True)),
        ("TIFF", encoded("TIFF", "I;16B")),
        ("JPEG2000", encoded("JPEG2000", no_jp2=True)),
        ("JPEG", encoded("MPO")),
        ("GIF", b"GIF87a..."),
        ("PSD", b"8BPS\0\1" + bytes(6)),
        ("ICNS", encoded("ICNS")),
        ("AVIF", b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"),
    ],
)
def test_images_are_known_by_how_they_begin(kind, content):
    for name in ("a", "a.txt", "a.jpg"):
        assert image_format(content[:SIGNATURE_BYTES], name) == kind


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"BMW is a maker of cars, and this is a text on them",
        b"P3 is a stage of sleep",
        b"Picture 1",
        b"<svg xmlns=",
        b"%PDF-1.7",
        b"%!PS-Adobe-3.0 EPSF-3.0",
        b"RIFF\0\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypmp42\0\0\0\0isommp42",
        b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
        b"PK\3\4",
        b"\x89HDF\r\n\x1a\n",
        b"\0\0\x08\x03" + bytes(12),  # MNIST
        bytes(64),
        b"\0\0\x01\0" + bytes(60),
        b"icon",
    ],
)
def test_what_is_no_image(content):
    assert image_format(content[:SIGNATURE_BYTES], "a.txt") is None


def test_the_content_counts_and_not_the_name(tmp_path):
    names = ["a.jfif", "b.jpe", "c", "d.txt", "e.JPG", "f.png", "g.2024", "deep/er/h.dat"]
    make(tmp_path, *names, content=JPEG)
    make(tmp_path, "i.avif", content=encoded("AVIF"))
    make(tmp_path, "empty.png", "page.jpg", "photo.HEIC", content=b"<html>")  # images by their names: bad ones
    make(tmp_path, "notes.txt", "more.TXT", "table.csv", "film.mp4", "LICENSE", content=b"text")
    found = folder_contents(tmp_path)
    assert found.images == sorted([*names, "i.avif", "empty.png", "page.jpg", "photo.HEIC"])
    assert found.folders == ["deep", "deep/er"]
    assert found.files_left_out == {".txt": 2, ".csv": 1, ".mp4": 1, "no ending": 1} and not found.folders_left_out
    assert found.left_out == "5 files (.txt 2, .csv 1, .mp4 1, no ending 1)"


BY_PRODUCTS = {
    "._*": ["._a.jpg", "._x"],
    ".DS_Store": [".DS_Store"],
    "hidden": [".a.png", ".hidden"],
    "Thumbs.db": ["Thumbs.db"],
    "THUMBS.DB": ["THUMBS.DB"],
    "ehthumbs.db": ["ehthumbs.db"],
    "desktop.ini": ["desktop.ini"],
    "Icon": ["Icon\r"],
    "camera raw": ["a.CR2", "b.cr3", "c.NEF", "d.arw", "e.DNG", "f.raf", "g.ORF", "h.rw2", "i.pef", "j.srw"],
    ".thm": ["MVI_1.THM"],
    ".xmp": ["a.xmp"],
    ".aae": ["IMG_1.AAE"],
    ".lrv": ["a.LRV"],
    ".ctg": ["M0100.CTG"],
    "backup": ["a.png~"],
    ".part": ["a.jpg.part"],
    ".crdownload": ["a.png.crdownload"],
}
PLACES = {
    "hidden": [".git", ".thumbnails", ".Trashes"],
    "@eaDir": ["@eaDir"],
    "__MACOSX": ["__MACOSX"],
    "#recycle": ["#recycle"],
    "#snapshot": ["#snapshot"],
    "@Recycle": ["@Recycle"],
    "@Recently-Snapshot": ["@Recently-Snapshot"],
    "@tmp": ["@tmp"],
    "$RECYCLE.BIN": ["$RECYCLE.BIN"],
    "System Volume Information": ["System Volume Information"],
    "lost+found": ["lost+found"],
    "Network Trash Folder": ["Network Trash Folder"],
    "Temporary Items": ["Temporary Items"],
    ".lrdata": ["Catalog Previews.lrdata"],
    ".photoslibrary": ["Photos Library.photoslibrary"],
}


@pytest.mark.parametrize("place", ["", "cat/", "cat/deep/"])
def test_by_products_do_not_count_wherever_they_lie(tmp_path, place):
    """Each has an image's content, so that its name alone decides."""
    make(tmp_path, "cat/1.png", "cat/deep/2.png")
    before = folder_contents(tmp_path)
    make(tmp_path, *(place + name for names in BY_PRODUCTS.values() for name in names))
    make(tmp_path, *(f"{place}{name}/x/1.png" for names in PLACES.values() for name in names))
    after = folder_contents(tmp_path)
    assert (
        (after.images, after.folders)
        == (before.images, before.folders)
        == (
            ["cat/1.png", "cat/deep/2.png"],
            ["cat", "cat/deep"],
        )
    )
    assert after.files_left_out == Counter({kind: len(names) for kind, names in BY_PRODUCTS.items()})
    assert after.folders_left_out == Counter({kind: len(names) for kind, names in PLACES.items()})


def test_what_is_left_out_in_words(tmp_path):
    make(tmp_path, *(f"{i}.e{i}" for i in range(10, 30)), "a.txt", "b.txt", content=b"text")
    make(tmp_path, "@eaDir/a.png")
    kinds = ", ".join(f".e{i} 1" for i in range(10, 21))
    assert folder_contents(tmp_path).left_out == f"22 files (.txt 2, {kinds}, of other kinds 9) and 1 folder (@eaDir 1)"
    assert folder_contents(make(tmp_path / "clean", "a.png")).left_out == ""


def test_the_order_is_not_the_file_systems(tmp_path, monkeypatch):
    names = ["b/2.png", "b/10.png", "a/x.png", "B/1.png", "b.png", "a-b/1.png", "é.png", "z/é.png"]
    make(tmp_path, *names)
    expected = sorted(names, key=lambda name: name.encode())
    scanned = os.scandir
    for step in (1, -1):
        monkeypatch.setattr(os, "scandir", lambda path, step=step: sorted(scanned(path), key=lambda e: e.name)[::step])
        assert folder_contents(tmp_path).images == expected
        assert files_below(tmp_path) == expected


def test_the_order_is_that_of_the_composed_form(tmp_path):
    """A Mac's é, which is e and an accent, comes after z as that of others does."""
    names = ["ez.png", unicodedata.normalize("NFD", "é.png"), "z.png"]
    make(tmp_path, *names)
    assert [unicodedata.normalize("NFC", name) for name in folder_contents(tmp_path).images] == [
        "ez.png",
        "z.png",
        "é.png",
    ]


def test_links_are_followed(tmp_path):
    make(tmp_path / "elsewhere", "1.png", "deep/2.png")
    make(tmp_path / "d", "0.png")
    (tmp_path / "d" / "a").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "d" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "d" / "c.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    expected = ["0.png", "a/1.png", "a/deep/2.png", "b/1.png", "b/deep/2.png", "c.png"]
    assert folder_contents(tmp_path / "d").images == expected
    (tmp_path / "e").symlink_to(tmp_path / "d")
    assert folder_contents(tmp_path / "e").images == expected


@pytest.mark.parametrize("look", [folder_contents, files_below])
def test_links_in_a_circle_are_refused(tmp_path, look):
    make(tmp_path, "d/a/1.png", "d/b/2.png")
    loop = tmp_path / "d" / "a" / "up"
    for target in (tmp_path / "d", tmp_path, tmp_path / "d" / "a"):
        loop.symlink_to(target)
        with pytest.raises(InputError, match=rf"up: a link back to {target}, in which it lies; remove it"):
            look(tmp_path / "d")
        loop.unlink()
    loop.symlink_to(tmp_path / "d" / "b")
    (tmp_path / "d" / "b" / "over").symlink_to(tmp_path / "d" / "a")
    with pytest.raises(InputError, match=r"a link back to .*, in which it lies"):
        look(tmp_path / "d")
    loop.unlink()
    (tmp_path / "d" / "a" / ".up").symlink_to(tmp_path)
    assert look(tmp_path / "d"), "a hidden one leads nowhere"


def test_links_that_lead_nowhere_and_things_that_are_no_files(tmp_path):
    make(tmp_path, "0.png")
    for name in ("gone.jpg", "gone", "gone.txt"):
        (tmp_path / name).symlink_to(tmp_path / "nowhere")
    (tmp_path / "self.png").symlink_to(tmp_path / "self.png")
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    found = folder_contents(tmp_path)
    assert found.images == ["0.png", "gone.jpg", "self.png"], "whoever reads them says that they are broken"
    assert found.files_left_out == {"broken link": 2, "neither file nor folder": 2}


def test_what_may_not_be_read(tmp_path, monkeypatch):
    make(tmp_path, "a/1", "a/2.txt", content=b"text")

    def refuse(path, *_):
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(folders, "open", refuse, raising=False)
    assert folder_contents(tmp_path).images == ["a/1", "a/2.txt"], "they may be images"
    scanned = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: refuse(path) if Path(path).name == "a" else scanned(path))
    with pytest.raises(InputError, match=r"/a: cannot be read as a folder \(Permission denied\)"):
        folder_contents(tmp_path)


@pytest.mark.parametrize(("name", "why"), [("nowhere", "No such file"), ("f.png", "Not a directory")])
def test_not_a_folder(tmp_path, name, why):
    make(tmp_path, "f.png")
    with pytest.raises(InputError, match=rf"{name}: cannot be read as a folder \({why}.*; expected a folder of images"):
        folder_contents(tmp_path / name)


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    make(tmp_path, name, os.fsdecode(b"notes.\xe9"), content=PNG[:8])
    found = folder_contents(tmp_path)
    assert [shown(image) for image in found.images] == [r"caf\xe9.png", r"notes.\xe9"]
    make(tmp_path, os.fsdecode(b"notes.\xe9"), content=b"text")
    assert folder_contents(tmp_path).left_out == r"1 file (.\xe9 1)"


def test_planning_needs_no_libraries():
    """Rules ask what is in a folder in every process that plans."""
    code = "import sys, rehash.datasets.folders; print(sorted({'PIL', 'numpy', 'h5py', 'pandas'} & set(sys.modules)))"
    place = Path(folders.__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=place, check=True)
    assert done.stdout == "[]\n"
