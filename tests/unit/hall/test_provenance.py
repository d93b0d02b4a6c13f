"""Provenance: what was known is not read again, and all of it in one file."""

import errno
import hashlib
import json
import os

import pytest

from rehash.errors import FileFailure, InputError
from rehash.provenance import collect_provenance, write_provenance


def written(path, **more) -> dict:
    about = {"rule": "r", "params": {"a": 1}, "inputs": [], "digests": {}, "seconds": 1.0, "notes": {"device": "cpu"}}
    write_provenance(path, **{**about, **more})
    return json.loads(path.read_text())


def test_inputs_that_know_their_checksum_are_not_read(tmp_path):
    (tmp_path / "small").write_bytes(b"abc")
    (tmp_path / "large").write_bytes(b"x")
    inputs = [str(tmp_path / name) for name in ("small", "large", "missing")]
    facts = written(tmp_path / "p.json", inputs=inputs, digests={inputs[1]: "of its own"})
    assert facts["inputs"] == {inputs[0]: hashlib.sha256(b"abc").hexdigest(), inputs[1]: "of its own"}
    assert facts["device"] == "cpu" and facts["params_digest"]


def test_all_provenance_is_in_one_file(tmp_path):
    first, second = written(tmp_path / "a" / "x.json", rule="one"), written(tmp_path / "b.json", rule="two")
    (tmp_path / "vega.json").write_text('{"data": []}')
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "y.json").write_text("{")
    for _ in range(2):  # the second time its own output lies there
        collect_provenance(tmp_path, tmp_path / "provenance.json")
        assert json.loads((tmp_path / "provenance.json").read_text()) == {"a/x.json": first, "b.json": second}


def test_linked_folders_are_followed_and_loops_are_not(tmp_path):
    """A part of the results lies on another disk; a link leads back up."""
    results, disk = tmp_path / "results", tmp_path / "disk"
    first, second = written(results / "here" / "x.json"), written(disk / "deep" / "y.json", rule="two")
    (results / "there").symlink_to(disk)
    (disk / "deep" / "back").symlink_to(disk)
    (results / "here" / "up").symlink_to(results)
    collect_provenance(results, results / "all.json", [f"{results}/there/deep/y.json"])
    assert json.loads((results / "all.json").read_text()) == {"here/x.json": first, "there/deep/y.json": second}
    linked = tmp_path / "linked"
    linked.symlink_to(results)
    collect_provenance(linked, linked / "all.json")
    assert json.loads((results / "all.json").read_text()).keys() == {"here/x.json", "there/deep/y.json"}


def test_what_the_config_asks_for_has_to_be_there(tmp_path):
    written(tmp_path / "x.json")
    (tmp_path / "list.json").write_text("[1]")
    asked = [str(tmp_path / name) for name in ("x.json", "y.json", "list.json", "y.json")]
    with pytest.raises(InputError) as caught:
        collect_provenance(tmp_path, tmp_path / "out.json", asked)
    assert str(caught.value).startswith(f"{asked[1]} (and 1 more): no provenance there")
    assert f"--force {asked[1]} {asked[2]}" in str(caught.value) and not (tmp_path / "out.json").exists()


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    """os.walk passes over it without a word, and all below it would be missing."""
    written(tmp_path / "a" / "x.json")
    listed = os.scandir

    def stale(path):
        if str(path).endswith("/a"):
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", stale)
    with pytest.raises(FileFailure, match=f"could not read {tmp_path}/a: Stale file handle"):
        collect_provenance(tmp_path, tmp_path / "out.json")


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_damaged_provenance_is_named(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.json: not readable as JSON"):
        collect_provenance(tmp_path, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()
