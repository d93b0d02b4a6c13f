"""File systems that have no locks, no fsync, or fail: work goes on where it can, and no error calls it damage."""

import errno
import fcntl
import logging
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from rehash import devices, training
from rehash.arrays import pack_arrays, read_arrays
from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.digest import SCRIPTS
from rehash.equihash.learning.weights import read_network
from rehash.errors import FileFailure, InputError
from rehash.hash_encoders.networks_file import read_networks
from rehash.hdf5 import opened
from rehash.store import atomic, file_digest, read_csv, write_bytes, write_csv
from rehash.tgsh.modulations import read_modulations
from rehash.training import StateFile

NO_LOCKS = "#include <errno.h>\nint flock(int fd, int how) { (void)fd; (void)how; errno = ENOLCK; return -1; }\n"
# Writes and reads a dataset, and reads a bank of the user's own, in a process whose system has no locks.
USES_HDF5 = """
import fcntl, sys
import numpy as np
try:
    fcntl.flock(open(sys.argv[1] + "/probe", "w"), fcntl.LOCK_EX)
    sys.exit("there are locks")
except OSError:
    pass
from rehash.datasets.layout import Dataset, Split, checksum, write_dataset
from rehash.equihash.images.readers.hdf5 import hdf5_images
split = Split(np.arange(48, dtype=np.uint8).reshape(3, 4, 4), np.array([0, 1, 1]))
path = sys.argv[1] + "/d.h5"
write_dataset(path, {"train": split, "test": split}, name="d", source="", licence="", class_names=["a", "b"])
assert (Dataset.read(path).test.inputs == split.inputs).all() and len(checksum(path)) == 64
assert len(np.concatenate(list(hdf5_images(sys.argv[1] + "/theirs.h5", "images").slices))) == 5
"""


@pytest.fixture(scope="module")
def without_locks(tmp_path_factory) -> Path:
    """A library that, loaded first, takes the locks away; skips where there is no C compiler."""
    if not (compiler := shutil.which("cc")):
        pytest.skip("no C compiler (cc)")
    folder = tmp_path_factory.mktemp("locks")
    (folder / "none.c").write_text(NO_LOCKS, encoding="utf-8")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", folder / "none.so", folder / "none.c"], check=True)
    return folder / "none.so"


def test_hdf5_files_need_no_locks(tmp_path, without_locks):
    with h5py.File(tmp_path / "theirs.h5", "w") as file:
        file["images"] = np.zeros((5, 4, 4), np.uint8)
    environment = {**os.environ, "LD_PRELOAD": str(without_locks), "PYTHONPATH": str(SCRIPTS)}
    environment.pop("HDF5_USE_FILE_LOCKING", None)
    done = subprocess.run(
        [sys.executable, "-c", USES_HDF5, str(tmp_path)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


def failing(number: int):
    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_training_without_locks_goes_on_and_says_so(tmp_path, monkeypatch, caplog, number):
    monkeypatch.setattr(fcntl, "flock", failing(number))
    with caplog.at_level(logging.WARNING), StateFile(tmp_path / "out", {}) as state:
        assert [*tmp_path.iterdir()] == [], "no lock file is left for others to trip over"
        state.save({"x": torch.ones(2)}, {})
    assert StateFile(tmp_path / "out", {}).load() and len([*tmp_path.iterdir()]) == 1
    for said in (f"{tmp_path / 'out'}: this file system has no locks", os.strerror(number), "flock", "not kept apart"):
        assert said in caplog.text
    # The second of two runs is told the same, and nothing takes the first's files away.
    with StateFile(tmp_path / "out", {}), StateFile(tmp_path / "out", {}):
        pass


def test_a_lock_that_fails_otherwise_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with pytest.raises(FileFailure, match=rf"could not read {tmp_path}/\.out\.lock: Input/output error"):
        StateFile(tmp_path / "out", {}).__enter__()
    assert not [*tmp_path.iterdir()]


def test_without_locks_any_gpu_is_taken(tmp_path, monkeypatch, caplog):
    for name in devices._SCHEDULERS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,6")
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    assert devices.claim_device(["5", "6"], tmp_path) is None and os.environ["CUDA_VISIBLE_DEVICES"] == "5,6"
    assert "no locks there" in caplog.text


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_file_system_without_fsync_keeps_files(tmp_path, monkeypatch, number):
    monkeypatch.setattr(os, "fsync", failing(number))
    write_bytes(b"whole", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"whole"
    state = StateFile(tmp_path / "s", {})
    state.save({"x": torch.arange(3)}, {}, ("x",))
    assert StateFile(tmp_path / "s", {}).load()[0]["x"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
def test_a_disk_that_fails_at_fsync_leaves_the_old_file(tmp_path, monkeypatch, number):
    write_bytes(b"old", tmp_path / "out")
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(FileFailure, match=f"could not write {tmp_path}/out: {os.strerror(number)}. Nothing was left"):
        write_bytes(b"new", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"old" and len([*tmp_path.iterdir()]) == 1


@pytest.mark.parametrize(
    "number", [errno.ESTALE, errno.EMFILE, errno.ENOLCK, errno.ENOTCONN, errno.EROFS, errno.EACCES, errno.ENOSYS]
)
def test_whatever_the_system_says_of_a_write_names_the_file(tmp_path, number):
    message = f"could not write {tmp_path}/out: {os.strerror(number)}"
    with pytest.raises(FileFailure, match=message) as caught, atomic(tmp_path / "out"):
        raise OSError(number, os.strerror(number))
    assert caught.value.errno == number
    hdf5 = f"Can't synchronously write data (file write failed: filename = '%s', errno = {number}, error message = 'x')"
    with pytest.raises(FileFailure, match=message), atomic(tmp_path / "out") as temporary:
        raise OSError(hdf5 % temporary)
    assert not [*tmp_path.iterdir()]


def test_a_failure_of_another_file_is_not_the_writes(tmp_path):
    with pytest.raises(FileNotFoundError, match="input"), atomic(tmp_path / "out"):
        (tmp_path / "input").read_bytes()
    with pytest.raises(FileFailure, match=f"could not read {tmp_path}: Is a directory"), atomic(tmp_path / "out"):
        file_digest(tmp_path)
    with pytest.raises(OSError, match="bare") as caught, atomic(tmp_path / "out"):
        raise OSError(errno.EINVAL, "bare")
    assert not isinstance(caught.value, FileFailure)


def test_a_name_with_brackets_is_no_pattern(tmp_path):
    (tmp_path / ".a[1].7.tmp").touch()
    (tmp_path / ".a1.7.tmp").touch()
    write_bytes(b"", tmp_path / "a[1]")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a1.7.tmp", "a[1]"]


# ---------------------------------------------------------------------------------------------------------------------
# Reading

SPLIT = Split(np.zeros((2, 4, 4), np.uint8), np.array([0, 1]))
WORDS = {"name": "d", "source": "", "licence": "", "class_names": ["a", "b"]}


def make_networks(path: Path) -> None:
    path.write_bytes(pack_arrays({"x": np.ones(2)}, {"a": 1}))


READERS = {
    "dataset": (lambda path: write_dataset(path, {"train": SPLIT, "test": SPLIT}, **WORDS), Dataset.read),
    "arrays": (make_networks, read_arrays),
    "networks": (make_networks, read_networks),
    "modulations": (make_networks, read_modulations),
    "weights": (make_networks, lambda path: read_network(path, torch.device("cpu"))),
    "table": (lambda path: write_csv(pd.DataFrame({"a": [1]}), path), read_csv),
    "checksum": (make_networks, file_digest),
}


@pytest.mark.parametrize("name", READERS)
def test_what_the_system_cannot_read_is_not_called_damaged(tmp_path, name):
    """Too many open files: every library's own open fails, really."""
    make, read = READERS[name]
    make(tmp_path / "f")
    held, limit = [], resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        with pytest.raises(FileFailure, match=f"could not read {tmp_path}/f: Too many open files") as caught:
            resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 5, limit[1]))
            try:
                while True:
                    held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                read(tmp_path / "f")
    finally:
        for file in held:
            os.close(file)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert "make it again" not in str(caught.value) and not isinstance(caught.value, InputError)


def test_a_file_of_ours_that_is_missing_can_be_made_again(tmp_path):
    for read in (Dataset.read, read_networks, read_modulations):
        with pytest.raises(InputError, match=rf"{tmp_path}/f: not .*No such file.*; make it again with: snakemake"):
            read(tmp_path / "f")


@pytest.mark.parametrize("name", [name for name in READERS if name != "checksum"])
def test_what_is_damaged_is_still_called_so(tmp_path, name):
    make, read = READERS[name]
    make(tmp_path / "f")
    (tmp_path / "f").write_bytes(b"" if name == "table" else (tmp_path / "f").read_bytes()[:-9])
    with pytest.raises(ValueError):
        read(tmp_path / "f")


def test_an_output_that_cannot_be_written_is_not_the_inputs_fault(tmp_path):
    """The body of `opened` may write another file; what is wrong there is told of there."""
    with h5py.File(tmp_path / "in.h5", "w"):
        pass
    with pytest.raises(FileFailure, match="could not write out: No space left"), opened(tmp_path / "in.h5", "a test"):
        raise FileFailure(errno.ENOSPC, "could not write out: No space left on device")


def test_a_stale_mount_does_not_throw_a_saved_state_away(tmp_path, monkeypatch):
    """Hours of training lie in it; only what is missing or damaged starts anew."""
    state = StateFile(tmp_path / "out", {})
    state.save({"x": torch.arange(3)}, {"n": 1}, ("x",))
    grown = tmp_path / f"{state.path.name}.x"
    with monkeypatch.context() as patch:
        real = open

        def stale(path, *more, **options):
            if Path(path) == grown:
                raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
            return real(path, *more, **options)

        patch.setattr(training, "open", stale, raising=False)
        with pytest.raises(FileFailure, match=r"could not read .*: Stale file handle"):
            StateFile(tmp_path / "out", {}).load()
    assert StateFile(tmp_path / "out", {}).load()
    grown.unlink()
    assert StateFile(tmp_path / "out", {}).load() is None
