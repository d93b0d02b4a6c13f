"""Code in a process of its own: what it gives, its errors, its crashes, and that it never outlives its reader."""

import multiprocessing
import os
import signal
import time

import h5py
import numpy as np
import psutil
import pytest

from rehash.equihash.bank_readers.hdf5 import hdf5_pictures
from rehash.errors import InputError
from rehash.isolation import isolated


def arrays(count, size):
    for number in range(count):
        yield os.getpid(), np.full(size, number, np.uint8)


def test_items_come_in_order_from_another_process():
    found = list(isolated(arrays, 5, 2**20))
    assert {pid for pid, _ in found} & {os.getpid()} == set() and len({pid for pid, _ in found}) == 1
    assert [array.tobytes() for _, array in found] == [bytes([number]) * 2**20 for number in range(5)]
    assert list(isolated(arrays, 0, 1)) == []
    assert not multiprocessing.active_children()


def fails(kind):
    yield 1
    raise kind("file.h5: is bad")


@pytest.mark.parametrize("kind", [InputError, OSError, KeyError])
def test_an_error_there_is_one_here(kind):
    items = isolated(fails, kind)
    assert next(items) == 1
    with pytest.raises(kind, match=r"file\.h5: is bad"):
        next(items)
    assert not multiprocessing.active_children()


def dies(number):
    yield 1
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGKILL])
def test_a_crash_is_an_error(number):
    items = isolated(dies, number)
    assert next(items) == 1
    with pytest.raises(RuntimeError, match=f"the process that read it died of {number.name}"):
        next(items)
    assert not multiprocessing.active_children()


def test_who_stops_reading_leaves_no_process():
    items = isolated(arrays, 10**6, 2**16)
    pid, _ = next(items)
    items.close()
    assert not psutil.pid_exists(pid)


def reads_slowly(sender):
    items = isolated(arrays, 10**6, 2**16)
    sender.send(next(items)[0])
    time.sleep(600)


def test_it_ends_with_a_reader_that_is_killed():
    receiver, sender = multiprocessing.Pipe(duplex=False)
    reader = multiprocessing.get_context("fork").Process(target=reads_slowly, args=(sender,))
    reader.start()
    found = psutil.Process(receiver.recv())
    reader.kill()
    reader.join()
    found.wait(timeout=30)  # raises if it is still there


@pytest.mark.parametrize(
    "split, damage", [("test", (1456, bytes(64))), ("train", (1592, (2**62).to_bytes(8, "little")))]
)
def test_public_files_that_crash_hdf5_are_named(tmp_path, split, damage):
    """Both ended the whole process, with HDF5 1.14 (found by test_mutations)."""
    path, (at, value) = tmp_path / f"{split}.h5", damage
    images = np.random.default_rng(0).integers(0, 256, (7, 6, 5, 3), np.uint8)
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=images, chunks=(2, 3, 5, 3), compression="gzip", fletcher32=True)
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}: not an HDF5 file with the dataset images, or damaged"):
        list(hdf5_pictures(path, "images").slices)
