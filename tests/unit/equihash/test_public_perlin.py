"""The public files of Perlin fields: what they hold is what moves the views, and any other file is refused by name."""

import hashlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from rehash import foreign_hdf5
from rehash.config import over_defaults, validated
from rehash.equihash.figures.perlin import draw_perlin
from rehash.equihash.images.flow import PerlinFields
from rehash.equihash.images.perlin import describe_perlin, measure_spectrum, open_fields
from rehash.equihash.images.public_perlin import import_perlin
from rehash.errors import InputError
from rehash.store import read_csv

FIELDS = np.random.default_rng(1).integers(-127, 128, (2, 9, 12, 18), np.int8)
SPELLINGS = {2024: ("resolution1", "resolution2"), 2023: ("perlin1", "perlin2")}


def public(path: Path, names=SPELLINGS[2024], fields=FIELDS, **stored) -> Path:
    with h5py.File(path, "w") as file:
        for name, each in zip(names, fields):
            file.create_dataset(name, data=each, **stored)
    return path


def copied(path: Path, count=None, **tasks) -> dict:
    return import_perlin(path, path.with_name("bank.h5"), name="theirs", count=count, tasks=tasks)


@pytest.mark.parametrize("year", SPELLINGS)
@pytest.mark.parametrize("count", [None, 4])
def test_both_files_are_banks(tmp_path, monkeypatch, year, count):
    monkeypatch.setattr(foreign_hdf5, "_SLICE_BYTES", 2 * 12 * 18)  # two fields a slice
    path = public(tmp_path / "p.hdf5", SPELLINGS[year], chunks=(2, 5, 18), compression="gzip")
    assert copied(path, count, photos=(12, 18))["fields"] == (count or 9)
    bank, taken = tmp_path / "bank.h5", FIELDS[:, :count]
    for resolution, expected in zip(("coarse", "fine"), taken):
        assert (open_fields(bank, resolution) == expected).all()
    checksum = hashlib.sha256(taken.tobytes()).hexdigest()
    about = {"name": "theirs", "height": 12, "width": 18, "checksum": checksum, "count": count or 9}
    assert describe_perlin(bank) == about and PerlinFields.open(bank).size == (12, 18)


def test_a_bank_without_a_lattice_is_measured_and_drawn(tmp_path):
    copied(public(tmp_path / "p.hdf5"))
    notes = measure_spectrum(tmp_path / "bank.h5", tmp_path / "s.csv")
    assert list(notes) == ["digests"]
    figure = draw_perlin(tmp_path / "bank.h5", read_csv(tmp_path / "s.csv"))
    assert figure.axes[0].get_title() == "coarse" and figure.axes[5].get_title() == "spectra"


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda path: public(path, ["resolution1"]), "has the datasets resolution1; expected both resolutions, resol"),
        (lambda path: public(path, ["perlin1", "resolution2"]), "perlin1, resolution2; expected both"),
        (lambda path: public(path, ["x", "y"]), "has the datasets x, y"),
        (lambda path: public(path, fields=FIELDS.astype(np.int16)), "resolution1 is int16 .*; expected int8"),
        (lambda path: public(path, fields=FIELDS[..., 0]), r"int8 \(9, 12\); expected int8 fields"),
        (lambda path: public(path, fields=[FIELDS[0], FIELDS[1][:, :6]]), "resolution1 12 x 18 and .* 6 x 18 differ"),
        (lambda path: public(path, fields=[FIELDS[0], FIELDS[1][:5]]), "9 fields and resolution2 5; .* count to at mo"),
        (lambda path: path.write_bytes(public(path).read_bytes()[:-900]), "p.hdf5: not a public file of Perlin fields"),
        (lambda path: path.write_bytes(b"text"), "p.hdf5: not a public file of Perlin fields"),
    ],
)
def test_other_files_are_refused(tmp_path, made, words):
    made(tmp_path / "p.hdf5")
    with pytest.raises(InputError, match=words):
        copied(tmp_path / "p.hdf5")
    assert not (tmp_path / "bank.h5").exists()


def test_what_the_file_cannot_be_used_for_is_refused(tmp_path):
    path = public(tmp_path / "p.hdf5")
    with pytest.raises(InputError, match="10 fields of each resolution were asked for; expected at most 9"):
        copied(path, 10)
    with pytest.raises(InputError, match=r"fields are 12 x 18; expected 180 x 270, .* of the task photos"):
        copied(path, photos=(180, 270))
    assert not (tmp_path / "bank.h5").exists()


def test_what_the_config_says_of_it():
    rule = {"height": 4, "width": 4, "count": 4, "lattice": [2, 2]}
    for bank, words in (
        ({"path": "p.hdf5", "height": 4}, "perlin.p: has a path, and height, which are of fields that are generated"),
        ({**rule, "lattice": None}, "perlin.p: lacks lattice; expected them, or the path"),
    ):
        with pytest.raises(InputError, match=words):
            validated(over_defaults({"equihash": {"perlin": {"p": bank}}}))
    task = {"kind": "warped", "bank": "b", "perlin": "p", "grid": [1, 2], "picture": [4, 3]}
    wing = {"perlin": {"p": rule}, "tasks": {"t": task}, "banks": {"b": {"reader": "photos"}}}
    with pytest.raises(InputError, match=r"tasks\.t: its mosaics are 4 x 6, but the fields of the Perlin bank p 4 x 4"):
        validated(over_defaults({"equihash": wing}))
    validated(over_defaults({"equihash": {**wing, "perlin": {"p": {"path": "p.hdf5", "count": 3}}}}))
