"""Build a conda channel in a folder from the interpreter that runs this: python and pip, nothing else.

python channel.py FOLDER
"""

import asyncio
import ensurepip
import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import rattler.index

SKIPPED = {"test", "tests", "site-packages", "__pycache__", "idlelib", "turtledemo", "lib2to3"}
Content = bytes | Path | str  # a string is the target of a link
BASE, MINOR = Path(sys.base_prefix), f"{sys.version_info[0]}.{sys.version_info[1]}"


def package(channel: Path, name: str, version: str, files: dict[str, Content], depends: tuple[str, ...] = ()) -> None:
    """Write a package of files, by their path in the environment."""
    folder = channel / "linux-64"
    folder.mkdir(parents=True, exist_ok=True)
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "depends": list(depends)}
    index |= {"subdir": "linux-64", "arch": "x86_64", "platform": "linux", "timestamp": 0}
    paths = []
    with tarfile.open(folder / f"{name}-{version}-0.tar.bz2", "w:bz2", compresslevel=1) as archive:

        def add(path: str, data: bytes, mode: int = 0o644) -> None:
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), mode
            archive.addfile(entry, io.BytesIO(data))

        for path, content in files.items():
            if isinstance(content, str):
                entry = tarfile.TarInfo(path)
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                archive.addfile(entry)
                data, kind = b"", "softlink"
            else:
                data, kind = content if isinstance(content, bytes) else content.read_bytes(), "hardlink"
                add(path, data, 0o755 if path.startswith("bin/") else 0o644)
            digest = hashlib.sha256(data).hexdigest()
            paths.append({"_path": path, "path_type": kind, "sha256": digest, "size_in_bytes": len(data)})
        add("info/index.json", json.dumps(index).encode())
        add("info/paths.json", json.dumps({"paths": paths, "paths_version": 1}).encode())
        add("info/files", "\n".join(files).encode())


def interpreter() -> dict[str, Content]:
    """Python itself and its standard library."""
    files: dict[str, Content] = {f"bin/python{MINOR}": Path(os.path.realpath(BASE / "bin" / f"python{MINOR}"))}
    files |= dict.fromkeys(("bin/python3", "bin/python"), f"python{MINOR}")
    for library in sorted((BASE / "lib").glob(f"libpython{MINOR}*.so*")):
        files[f"lib/{library.name}"] = os.readlink(library) if library.is_symlink() else library
    for folder, folders, names in os.walk(BASE / "lib" / f"python{MINOR}"):
        folders[:] = sorted(name for name in folders if name not in SKIPPED and not name.startswith("config-"))
        for path in (Path(folder) / name for name in sorted(names)):
            files[str(path.relative_to(BASE))] = os.readlink(path) if path.is_symlink() else path
    return {**files, f"lib/python{MINOR}/site-packages/README.txt": b""}


def main(channel: Path) -> None:
    """Write the channel and its index."""
    package(channel, "python", ".".join(map(str, sys.version_info[:3])), interpreter())
    wheel = next((Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        files = {
            f"lib/python{MINOR}/site-packages/{name}": archive.read(name)
            for name in archive.namelist()
            if not name.endswith("/")
        }
    package(channel, "pip", wheel.name.split("-")[1], files, (f"python {MINOR}.*",))
    (channel / "noarch").mkdir(exist_ok=True)
    asyncio.run(rattler.index.index_fs(channel, write_zst=False, write_shards=False))


main(Path(sys.argv[1]))
os._exit(0)  # py-rattler's threads sometimes crash while Python ends; all is written
