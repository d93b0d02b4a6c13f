"""Files of codes: round trips to the bit, their order, ids that tell copies, and damage."""

import h5py
import numpy as np
import pytest

from rehash.bits import pack
from rehash.code_files import Coded, Side, input_ids, read_coded, read_sides, write_codes
from rehash.errors import InputError

RNG = np.random.default_rng(0)
SIDES = {
    "queries": Side(np.array([0, 2, 1]), np.array([5, 2**64 - 1, 7], np.uint64)),
    "gallery": Side(np.array([1, 1, 0, 2]), np.array([7, 8, 9, 10], np.uint64)),
}
ABOUT = {"source": "Häggström", "data": None, "class_names": ["a", "b", "c"]}


def coded(bits: int, repeat: int) -> Coded:
    """The codes of one encoder, which differ by its bits and repeat."""
    rng = np.random.default_rng(100 * bits + repeat)
    values = (rng.standard_normal((n, bits or 6)).astype(np.float32) for n in (3, 4))
    return Coded(bits, repeat, *(pack(found > 0) if bits else found for found in values))


ALL = [(100, 0), (12, 1), (0, 0), (12, 0), (9, 10), (9, 2)]


def write(path, order=ALL):
    write_codes(path, SIDES, (coded(*one) for one in order), ABOUT)


def test_what_was_written_comes_back_by_rising_bits_and_repeat(tmp_path):
    write(tmp_path / "c.h5")
    sides, about = read_sides(tmp_path / "c.h5")
    assert about == ABOUT and list(sides) == ["queries", "gallery"]
    for name, side in sides.items():
        assert side.labels.dtype == np.int64 and np.array_equal(side.labels, SIDES[name].labels)
        assert side.ids.dtype == np.uint64 and np.array_equal(side.ids, SIDES[name].ids)
    found = list(read_coded(tmp_path / "c.h5"))
    assert [(one.bits, one.repeat) for one in found] == [(0, 0), (9, 2), (9, 10), (12, 0), (12, 1), (100, 0)]
    for one in found:
        expected = coded(one.bits, one.repeat)
        assert one.queries.dtype == expected.queries.dtype == (np.uint8 if one.bits else np.float32)
        assert np.array_equal(one.queries, expected.queries) and np.array_equal(one.gallery, expected.gallery)


def test_the_same_codes_give_the_same_bytes(tmp_path):
    write(tmp_path / "a.h5")
    write(tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_an_encoder_that_fails_leaves_no_file_behind(tmp_path):
    def failing():
        yield coded(9, 2)
        raise InputError("no more")

    with pytest.raises(InputError, match="no more"):
        write_codes(tmp_path / "c.h5", SIDES, failing(), ABOUT)
    assert not list(tmp_path.iterdir())


def test_damage_is_found(tmp_path):
    path = tmp_path / "c.h5"
    write(path)
    with h5py.File(path, "r+") as file:
        file["12/0/gallery"][0, 0] ^= 1
    with pytest.raises(
        InputError, match=r"c.h5: not a file of codes of rehash, or damaged \(its content has the check"
    ):
        read_sides(path)
    path.write_text("text")
    for read in (read_sides, lambda of: list(read_coded(of))):
        with pytest.raises(InputError, match=r"c.h5: not a file of codes of rehash, or damaged"):
            read(path)


def test_a_file_without_codes_is_refused(tmp_path):
    write(tmp_path / "c.h5", [])
    with pytest.raises(InputError, match="it has no codes; expected those of one encoder or more"):
        list(read_coded(tmp_path / "c.h5"))


@pytest.mark.parametrize("shape", [(50, 4, 4), (50, 3, 3, 3), (50, 6)])
def test_ids_are_equal_for_equal_inputs_alone(shape):
    images = RNG.integers(0, 3, shape).astype(np.uint8 if len(shape) > 2 else np.float32)
    images[[7, 30]] = images[3]
    ids = input_ids(images)
    assert ids.dtype == np.uint64 and ids.shape == (50,)
    rows = images.reshape(50, -1)
    assert np.array_equal(ids[:, None] == ids, (rows[:, None] == rows).all(2))
    assert np.array_equal(input_ids(images[10:20]), ids[10:20])
    assert np.array_equal(input_ids(images[:, ::-1]), input_ids(images[:, ::-1].copy()))
