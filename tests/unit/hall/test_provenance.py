"""Provenance: what was known is not read again, and all of it in one file."""

import hashlib
import json

import pytest

from rehash.errors import InputError
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


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe"])
def test_damaged_provenance_is_named(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match=r"x\.json: not readable as JSON"):
        collect_provenance(tmp_path, tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()
