"""Damaged files by the hundred: seeded mutations, and a process with limits in which a reader meets them.

A reader's cases run one after the other in one process, which says beforehand which case it is at: a crash or a hang
ends the process, is put down to that case, and the next process goes on behind it.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import multiprocessing.forkserver
import os
import re
import resource
import shutil
import signal
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch

from rehash.errors import InputError

MEMORY = 4 * 2**30  # bytes of addresses: what a header promises is not to be had for the asking
SECONDS = 20  # a case may take
_MOST_CRASHES = 20  # after so many, the rest would say the same

# Where parts of a file begin that say what the rest is.
_MARKS = b"TREE HEAP SNOD OHDR GCOL FRHP BTHD IHDR IDAT PLTE PK\3\4 PK\1\2 PK\5\6 \x93NUM RIFF VP8 GIF8 II*\0 \xff\xda \xff\xc0 \xff\xc4".split()


@dataclass(frozen=True)
class Reader:
    """One reader of the library, and what it may do with a damaged file.

    Attributes:
        make: writes valid files into a folder.
        read: the library's functions, given that folder and an empty one for outputs; returns all that they give.
        glob: which files are damaged, one at a time.
        alike: where the format has no checksum, asserts what has to hold of what is read from a damaged file, given
            what is read from the whole one; None: they have to be equal.
        accepted: what may be raised besides InputError.
        names: what an error may name instead of a file.
        damage: another way to make a damaged file; gives its content and what was done.
    """

    make: Callable[[Path], None]
    read: Callable[[Path, Path], Any]
    glob: str = "**/*"
    alike: Callable[[Any, Any], None] | None = None
    accepted: tuple[type[Exception], ...] = ()
    names: tuple[str, ...] = ()
    damage: Callable[[bytes, np.random.Generator, list[bytes]], tuple[bytes, str]] | None = None


# ---------------------------------------------------------------------------------------------------------------------
# Mutations: content, a random stream and other contents to what it becomes and what was done to it


def _place(content: bytes, random: np.random.Generator) -> int:
    """Anywhere, and as often near the beginning, the end, or a mark."""
    n = len(content)
    if not n:
        return 0
    near, marks = (
        [random.integers(n), random.integers(min(n, 128)), n - 1 - random.integers(min(n, 128))],
        _marks(content),
    )
    if marks:
        near += [min(n - 1, marks[random.integers(len(marks))] + random.integers(300)) for _ in range(2)]
    return int(near[random.integers(len(near))])


@lru_cache(16)
def _marks(content: bytes) -> list[int]:
    """Where the marks are, the first hundred of each."""
    return [found.start() for mark in _MARKS for found in islice(re.finditer(re.escape(mark), content), 100)]


def _flip_bits(content, random, _others):
    damaged, count = bytearray(content), int(random.choice([1, 1, 1, 2, 8]))
    places = [_place(content, random) for _ in range(count)]
    for at in places:
        damaged[at] ^= 1 << int(random.integers(8))
    return damaged, f"bits flipped in bytes {places}"


def _set_bytes(content, random, _others):
    damaged, at = bytearray(content), _place(content, random)
    value = int(random.choice([0, 1, 0x7F, 0x80, 0xFE, 0xFF, random.integers(256)]))
    damaged[at] = value
    return damaged, f"byte {at} set to {value}"


def _truncate(content, random, _others):
    size = _place(content, random)
    return content[:size], f"cut to {size} bytes"


def _insert(content, random, _others):
    at, more = _place(content, random), random.bytes(int(random.choice([1, 2, 4, 8, 100])))
    return content[:at] + more + content[at:], f"{len(more)} bytes inserted at {at}"


def _remove(content, random, _others):
    at, count = _place(content, random), int(random.choice([1, 2, 4, 8, 100]))
    return content[:at] + content[at + count :], f"{count} bytes removed at {at}"


def _run(value: int):
    def mutate(content, random, _others):
        at, count = _place(content, random), int(random.choice([2, 4, 8, 16, 64, 600]))
        count = min(count, len(content) - at)
        return content[:at] + bytes([value]) * count + content[at + count :], f"{count} bytes {value} at {at}"

    return mutate


def _huge(content, random, _others):
    """A number in a header: 2, 4 or 8 bytes, either order, aligned or not."""
    width, at = int(random.choice([2, 4, 8])), _place(content, random)
    at -= at % int(random.choice([1, width]))
    bits = 8 * width
    value = (
        int(random.choice([-1, 2 ** (bits - 1) - 1, 2 ** (bits - 1), 2 ** (bits - 2), 2**16, 2**31, 2**33])) % 2**bits
    )
    order = str(random.choice(["little", "big"]))
    damaged = bytearray(content)
    damaged[at : at + width] = value.to_bytes(width, order)[: len(content) - at]
    return damaged, f"{width} bytes at {at} set to {value}, {order}-endian"


def _swap(content, random, _others):
    a, b = sorted((_place(content, random), _place(content, random)))
    count = min(int(random.choice([1, 4, 8, 64])), b - a, len(content) - b)
    damaged = bytearray(content)
    damaged[a : a + count], damaged[b : b + count] = content[b : b + count], content[a : a + count]
    return damaged, f"{count} bytes swapped between {a} and {b}"


def _shuffle(content, random, _others):
    at, count = _place(content, random), 64
    part = np.frombuffer(content[at : at + count], np.uint8)
    return content[:at] + random.permutation(part).tobytes() + content[at + count :], f"{count} bytes shuffled at {at}"


def _copy_over(content, random, _others):
    source, at, count = _place(content, random), _place(content, random), int(random.choice([8, 64, 512]))
    part = content[source : source + count][: len(content) - at]
    return content[:at] + part + content[at + len(part) :], f"{len(part)} bytes copied from {source} to {at}"


def _exchange(content, random, others):
    """Another file's content, or its second half."""
    if not others:
        return content + content, "doubled"
    other = others[random.integers(len(others))]
    half = len(content) // 2
    return (other, "another file") if random.random() < 0.5 else (content[:half] + other[half:], "half another file")


def _other(content, random, _others):
    text = [
        b"",
        b"\0",
        b"\0" * 4096,
        b"text\n" * 20,
        b"<!DOCTYPE html><html>404</html>",
        random.bytes(600),
        b"\xff" * 600,
    ]
    chosen = int(random.integers(len(text)))
    return text[chosen], f"replaced by {text[chosen][:12]!r} of {len(text[chosen])} bytes"


MUTATIONS = [
    _flip_bits, _truncate, _huge, _insert, _set_bytes, _remove, _run(0), _swap, _huge, _flip_bits, _other, _run(0xFF),
    _shuffle, _copy_over, _exchange,
]  # fmt: skip


def mutated(content: bytes, random: np.random.Generator, others: list[bytes], case: int) -> tuple[bytes, str]:
    """A damaged copy, never the same as the original, and what was done."""
    for attempt in range(100):
        damaged, what = MUTATIONS[(case + attempt) % len(MUTATIONS)](content, random, others)
        if damaged != content:
            return bytes(damaged), what
    raise AssertionError("no mutation changes this file")


# ---------------------------------------------------------------------------------------------------------------------
# A process with limits


def attack(source: str, table: str, name: str, folder: Path, cases: range) -> list[str]:
    """Run the cases of the reader `name` of a table of a test file; what went wrong, one line a case."""
    source = Path(source)
    context = multiprocessing.get_context("forkserver")
    paths = [*sys.path, str(source.parent)]  # its own path is not ours, and pytest puts no test files on it
    with mock.patch.dict("os.environ", PYTHONPATH=os.pathsep.join(paths)):
        context.set_forkserver_preload([source.stem])
        multiprocessing.forkserver.ensure_running()
    note, failures, crashes = folder / "at", folder / "failures", 0
    failures.touch()
    while cases and crashes < _MOST_CRASHES:
        note.write_bytes(b"")
        process = context.Process(target=_run_cases, args=(source, table, name, folder, cases))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert note.stat().st_size, f"{name}: the process ended before the first case, with {process.exitcode}"
        crashes += 1
        at, what = json.loads(note.read_text(encoding="utf-8").splitlines()[0])
        reason = signal.Signals(-process.exitcode).name if process.exitcode < 0 else f"exit {process.exitcode}"
        reason += f" (a hang: it has {SECONDS} s)" if reason == "SIGALRM" else ""
        _note(failures, at, what, f"the process died of {reason}")
        cases = range(at + 1, cases.stop)
    return failures.read_text(encoding="utf-8").splitlines()


def _note(failures: Path, case: int, what: str, reason: str) -> None:
    with open(failures, "a", encoding="utf-8") as file:
        file.write(f"case {case} ({what}): {' '.join(reason.split())[:600]}\n")


def _run_cases(source: Path, table: str, name: str, folder: Path, cases: range) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    torch.set_num_threads(1)
    sys.path.append(str(source.parent))
    reader: Reader = getattr(importlib.import_module(source.stem), table)[name]
    given, outputs = folder / "given", folder / "outputs"
    shutil.rmtree(given, ignore_errors=True)
    given.mkdir()
    outputs.mkdir(exist_ok=True)
    reader.make(given)
    contents = {path: path.read_bytes() for path in sorted(given.glob(reader.glob)) if path.is_file()}
    targets = list(contents)
    whole = plain(_outcome(reader, given, outputs)), reader.read(given, outputs)
    with open(folder / "at", "w", encoding="utf-8") as note:
        for case in cases:
            random = np.random.default_rng([zlib.crc32(name.encode()), case])
            target = targets[int(random.integers(len(targets)))]
            others = [content for path, content in contents.items() if content != contents[target]]
            damage = reader.damage or partial(mutated, case=case)
            damaged, what = damage(contents[target], random, others)
            what = f"{target.relative_to(given)}: {what}"
            note.seek(0)
            note.write(json.dumps([case, what]) + "\n")
            note.flush()
            target.write_bytes(damaged)
            before = _files(given)
            signal.alarm(SECONDS)  # unhandled, it ends the process wherever it is
            try:
                _judge(reader, given, outputs, whole)
                assert _files(given) == before, "the inputs have changed, or a file was left among them"
            except Exception as error:
                _note(folder / "failures", case, what, f"{type(error).__name__}: {error}")
                shutil.copy(target, folder / f"case-{case}-{target.name}")
            signal.alarm(0)
            for path in set(_files(given)) - set(before):
                path.unlink()
            target.write_bytes(contents[target])


def _files(folder: Path) -> dict[Path, tuple[int, int]]:
    """Sizes and times of what is in a folder."""
    stats = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {path: (stat.st_size, stat.st_mtime_ns) for path, stat in stats.items()}


def _outcome(reader: Reader, given: Path, outputs: Path) -> Any:
    for path in outputs.iterdir():
        path.unlink()
    return reader.read(given, outputs)


def _judge(reader: Reader, given: Path, outputs: Path, whole: tuple[Any, Any]) -> None:
    """Raise unless there is an error that names a file and leaves none, or what was read is right."""
    try:
        found = _outcome(reader, given, outputs)
    except (InputError, *reader.accepted) as error:
        names = [*reader.names, str(given), *(path.name for path in _files(given))]
        assert any(name in str(error) for name in names), f"names no file: {error}"
        left = [path.name for path in outputs.rglob("*")]
        assert not left, f"left {left} behind, after: {error}"
        return
    if plain(found) != whole[0]:
        assert reader.alike, "read another content than the whole file's"
        reader.alike(whole[1], found)


def plain(value: Any) -> Any:
    """Arrays, tables and records as what `==` compares to the bit."""
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray):
        return (str(value.dtype), value.shape, value.tolist() if value.dtype == object else value.tobytes())
    if isinstance(value, pd.DataFrame):
        return [(str(name), plain(value[name].to_numpy())) for name in value]
    if dataclasses.is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in value]
    return repr(value)
