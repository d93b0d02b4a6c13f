"""HDF5 files: the same bytes at any time, texts of any kind, and damage that is found."""

import time

import h5py
import numpy as np
import pytest

from rehash.errors import InputError
from rehash.hdf5 import add_group, check_seal, created, opened, read_attributes, seal, texts, write_attributes

ABOUT = {"name": "Häggström", "nothing": "", "n": 3, "share": 0.5, "sides": [2, 3]}


def write(path):
    with created(path) as file:
        add_group(file, "a/b")
        add_group(file, "a/c")
        file["a/b/x"], file["y"], file["none"] = np.arange(7), np.eye(3), np.empty(0, np.int64)
        write_attributes(file, {**ABOUT, "names": texts(["é", "", "zebra"])})
        seal(file)


def test_the_same_bytes_at_any_time(tmp_path):
    write(tmp_path / "a")
    time.sleep(1.1)  # HDF5 counts seconds
    write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_was_written_comes_back(tmp_path):
    write(tmp_path / "a")
    with opened(tmp_path / "a", "a test") as file:
        found = read_attributes(file)
        assert len(found.pop("checksum")) == 64
        assert found == {**ABOUT, "names": ["é", "", "zebra"]}
        assert [file[name].id.get_offset() % 8 for name in ("a/b/x", "y")] == [0, 0], "mapped arrays are aligned"
        check_seal(file)


def test_every_byte_matters(tmp_path):
    """Flipped, one after the other, each bit pattern is an error or nothing that anyone reads."""
    write(tmp_path / "a")
    content = (tmp_path / "a").read_bytes()
    with h5py.File(tmp_path / "a") as file:
        expected = file["a/b/x"][:].tobytes() + file["y"][:].tobytes(), read_attributes(file)
    unnoticed = 0
    for at in range(len(content)):
        (tmp_path / "b").write_bytes(content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :])
        try:
            with opened(tmp_path / "b", "a test") as file:
                check_seal(file)
                assert (file["a/b/x"][:].tobytes() + file["y"][:].tobytes(), read_attributes(file)) == expected
                unnoticed += 1
        except InputError as error:
            assert str(error).startswith(f"{tmp_path / 'b'}: not a test, or damaged (")
    assert unnoticed < len(content) / 2, "what is between the parts"


@pytest.mark.parametrize("ours", [True, False])
def test_only_our_files_can_be_made_again(tmp_path, ours):
    (tmp_path / "a").write_text("text")
    with (
        pytest.raises(InputError, match="a: not a test, or damaged") as caught,
        opened(tmp_path / "a", "a test", ours=ours),
    ):
        pass
    assert ("make it again with: snakemake --cores all --force" in str(caught.value)) is ours


def test_a_sealed_file_that_was_changed(tmp_path):
    def renamed(file):
        file.move("y", "z")

    def other_values(file):
        file["y"][0, 0] = 2

    def other_type(file):
        values = file["y"][:]
        del file["y"]
        file["y"] = values.view(np.int64)

    def other_shape(file):
        values = file["y"][:]
        del file["y"]
        file["y"] = values.reshape(9)

    def other_attribute(file):
        file.attrs["n"] = 4

    def no_seal(file):
        del file.attrs["checksum"]

    for change in (renamed, other_values, other_type, other_shape, other_attribute, no_seal):
        write(tmp_path / "a")
        with h5py.File(tmp_path / "a", "r+") as file:
            change(file)
        with pytest.raises(InputError, match="its content has the checksum"), opened(tmp_path / "a", "a test") as file:
            check_seal(file)
