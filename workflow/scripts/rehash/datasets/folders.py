"""What is in a folder: which files are images, and what lies beside them that is none.

A file is an image by how it begins, whatever its name is. What operating systems, cameras and storage servers leave in
a folder does not count, wherever it lies. No file is read further than its first bytes.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rehash.errors import InputError

# Folders that are called so, in upper or lower case, hold a split.
SPLIT_NAMES = {
    "train": ("train", "training"),
    "valid": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing"),
}

SIGNATURE_BYTES = 64
# How files of the formats begin, by Pillow's names. Formats are left out that other programs would have to read (EPS),
# whose beginning says next to nothing, or that mostly hold no images (HDF5).
_BEGINNINGS = {
    "PNG": rb"\x89PNG\r\n\x1a\n",
    "JPEG": rb"\xff\xd8\xff",
    "GIF": rb"GIF8[79]a",
    "WEBP": rb"RIFF.{4}WEBP",
    "AVIF": rb".{4}ftyp(?:.{4})*?avi[fs]",
    "TIFF": rb"II\*\0|MM\0\*|II\+\0|MM\0\+",
    "BMP": rb"BM.{12}[\x0c\x10(48@l|]\0{3}",
    "PPM": rb"P[1-6]\s+[#\d]|Pf\s",
    "JPEG2000": rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n",
    "ICO": rb"\0\0\x01\0(?!\0\0)",
    "ICNS": rb"icns",
    "PSD": rb"8BPS\0\x01",
    "QOI": rb"qoif",
    "SGI": rb"\x01\xda[\0\x01][\x01\x02]",
    "PCX": rb"\n[\0\x02\x03\x05]\x01[\x01\x02\x04\x08]",
}
_SIGNATURES = {name: re.compile(beginning, re.DOTALL) for name, beginning in _BEGINNINGS.items()}
_BY_ENDING = {".tga": "TGA"}  # a format without a beginning of its own
_ENDINGS = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .jif .mpo .gif .webp .avif .avifs .tif .tiff .bmp .dib .ppm .pgm .pbm .pnm .pfm "
    ".jp2 .j2k .j2c .jpc .jpf .jpx .ico .icns .psd .qoi .sgi .pcx .tga .heic .heif .hif .jxl".split()
)

_PLACES = frozenset(
    "__macosx|@eadir|#recycle|#snapshot|@recycle|@recently-snapshot|@tmp|$recycle.bin|recycler|"
    "system volume information|lost+found|lost.dir|network trash folder|temporary items|dfsrprivate|__pycache__".split(
        "|"
    )
)
_LIBRARIES = (".lrdata", ".photoslibrary", ".photolibrary", ".aplibrary", ".migratedphotolibrary", ".cocatalog")
_FILES = frozenset(("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"))
_CAMERA = frozenset(".thm .xmp .aae .lrv .ctg".split())
_RAW = frozenset(
    ".3fr .ari .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .gpr .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf "
    ".raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)
_UNFINISHED = frozenset(".part .crdownload .download .partial .filepart .opdownload".split())

_KINDS_SHOWN = 12


@dataclass(frozen=True)
class Contents:
    """What is in a folder.

    Attributes:
        root: the folder.
        images: relative names, parts joined by `/`, of the files that count: images by their content, and those that
            have an image's ending, be they images or not. In the order of `order`.
        folders: relative names of all folders that count, in the same order.
        files_left_out, folders_left_out: how many do not count, by kind.
    """

    root: Path
    images: list[str]
    folders: list[str]
    files_left_out: Counter[str]
    folders_left_out: Counter[str]

    @property
    def left_out(self) -> str:
        """Return what is left out in words: `15 files (.txt 12, Thumbs.db 3) and 1 folder (@eaDir 1)`, or nothing."""
        parts = []
        for what, counts in (("file", self.files_left_out), ("folder", self.folders_left_out)):
            if counts:
                kinds = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
                shown = [f"{kind} {count}" for kind, count in kinds[:_KINDS_SHOWN]]
                if rest := sum(count for _, count in kinds[_KINDS_SHOWN:]):
                    shown.append(f"of other kinds {rest}")
                parts.append(f"{counts.total():,} {what}{'s' * (counts.total() > 1)} ({', '.join(shown)})")
        return " and ".join(parts)


def folder_contents(folder: str | Path) -> Contents:
    """Look through a folder, at any depth; links are followed.

    A broken link counts if it has an image's ending: whoever reads it then says so. So does a file that may not be
    read. What `by_product` knows does not count, nor any other file that is no image.

    Raises:
        InputError: it is no folder, a folder in it cannot be read, or a link leads back to a folder in which it lies.
    """
    root = Path(folder)
    images, folders, files_left_out, folders_left_out = [], [], Counter(), Counter()
    for name, entry, is_folder, kind in _walk(root, by_product):
        kind = kind if is_folder else kind or _no_image(entry)
        if kind:
            (folders_left_out if is_folder else files_left_out)[shown(kind)] += 1
        else:
            (folders if is_folder else images).append(name)
    return Contents(root, sorted(images, key=order), sorted(folders, key=order), files_left_out, folders_left_out)


def order(name: str) -> tuple[bytes, bytes]:
    """Return the key by which relative names are sorted: their bytes, in the one Unicode form that `composed` gives."""
    return os.fsencode(composed(name)), os.fsencode(name)


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC): a Mac writes é as e and an accent, others as one character."""
    return unicodedata.normalize("NFC", name)


def shown(name: str | Path) -> str:
    r"""Return a name as it can be written anywhere: bytes that are not UTF-8 become \x and two digits."""
    return str(name).encode(errors="surrogateescape").decode(errors="backslashreplace")


def image_format(beginning: bytes, name: str) -> str | None:
    """Return the format of an image, by Pillow's name for it, from its first `SIGNATURE_BYTES`; None if it is none."""
    found = (known for known, signature in _SIGNATURES.items() if signature.match(beginning))
    return next(found, _BY_ENDING.get(ending(name)) if beginning else None)


def ending(name: str) -> str:
    """Return a name's ending in lower case, with its dot; empty if it has none."""
    return os.path.splitext(name)[1].lower()


def by_product(name: str, is_folder: bool) -> str | None:
    """Return the kind of by-product that a file or folder is by its name, or None.

    These are what operating systems, cameras, storage servers, photo programs, editors and browsers leave behind.
    """
    lower = name.lower()
    if name.startswith("."):
        return "._*" if name.startswith("._") else name if lower == ".ds_store" else "hidden"
    if is_folder:
        if lower in _PLACES:
            return name
        return lower[lower.rindex(".") :] if lower.endswith(_LIBRARIES) else None
    if lower in _FILES:
        return name.strip()
    tail = ending(name)
    if tail in _RAW:
        return "camera raw"
    if name.endswith("~"):
        return "backup"
    return tail if tail in _CAMERA or tail in _UNFINISHED else None


def files_below(folder: str | Path) -> list[str]:
    """List the relative names of the files anywhere below a folder, of any kind but by-products; links are followed.

    Raises:
        InputError: as `folder_contents`.
    """
    names = [name for name, _, is_folder, kind in _walk(folder, by_product) if not kind and not is_folder]
    return sorted(names, key=os.fsencode)


def _walk(
    root: str | Path, kind_of: Callable[[str, bool], str | None]
) -> Iterator[tuple[str, os.DirEntry[str], bool, str | None]]:
    """Yield what is below a folder, in any order: relative name, entry, is it a folder, and what `kind_of` says of it.

    A folder of which it says something is not entered.
    """
    todo = [("", (os.path.realpath(root),))]
    while todo:
        below, above = todo.pop()
        path = Path(root, below)
        try:
            entries = list(os.scandir(path))
        except OSError as error:
            raise InputError(
                f"{shown(path)}: cannot be read as a folder ({error.strerror}); expected a folder of images"
            ) from error
        for entry in entries:
            # An entry itself would raise an error for a link that leads nowhere or to itself.
            is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
            kind = kind_of(entry.name, is_folder)
            yield below + entry.name, entry, is_folder, kind
            if is_folder and kind is None:
                target = os.path.realpath(entry.path)
                if entry.is_symlink() and any(Path(up).is_relative_to(target) for up in above):
                    raise InputError(
                        f"{shown(entry.path)}: a link back to {shown(target)}, in which it lies; remove it"
                    )
                todo.append((f"{below}{entry.name}/", (*above, target)))


def _no_image(entry: os.DirEntry[str]) -> str | None:
    """Return the kind of a file that is no image, or None for one that counts as an image."""
    tail = ending(entry.name)
    if not (os.path.isfile(entry.path) if entry.is_symlink() else entry.is_file()):
        if os.path.exists(entry.path) or not entry.is_symlink():
            return "neither file nor folder"
        return None if tail in _ENDINGS else "broken link"
    if tail in _ENDINGS:
        return None
    try:
        with open(entry.path, "rb") as file:
            beginning = file.read(SIGNATURE_BYTES)
    except OSError:
        return None  # it may be one: who reads it names it
    return None if image_format(beginning, entry.name) else tail or "no ending"
