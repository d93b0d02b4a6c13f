"""Encoding: the same fingerprints in any shards, after any kill; only what multi-probing needs is kept."""

import hashlib
import json
import multiprocessing
import random
import signal
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from rehash import provenance
from rehash.bits import pack
from rehash.equihash.databases.label_files import describe_labels, write_database
from rehash.equihash.databases.labels import labels
from rehash.equihash.databases.queries import Queries, draw_queries
from rehash.equihash.images import flow
from rehash.equihash.images.flow import uploaded
from rehash.equihash.images.mosaics import CPU, DeviceBank
from rehash.equihash.index import encode
from rehash.equihash.index.encode import Encoding
from rehash.equihash.index.fingerprints import check_shards
from rehash.equihash.index.hashing import Hashed
from rehash.equihash.index.query_codes import QueryCodes, ViewList, query_views
from rehash.equihash.index.synthetic import generate_fingerprints
from rehash.errors import InputError
from rehash.training import StateFile, device_kind, run
from small_index import damage, describe, merge, read_shard

N = 1500


@pytest.fixture(scope="module")
def drawn(small) -> np.ndarray:
    """The labels of the database."""
    return labels(small.database, np.arange(N))


def encoded(small, folder, shards: int, number: int = 0):
    """The database's fingerprints in other shards than its own."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{shard}-of-{shards}.h5" for shard in range(shards)]
    for shard, path in enumerate(paths):
        small.encode(small.labels, path, number, shard=shard, shards=shards)
    return paths


@pytest.mark.parametrize("shards", [1, 3, 7])
def test_the_number_of_shards_changes_no_bit(small, tmp_path, shards):
    """Blocks of 512 items are cut by the shards, and the index has the same bytes."""
    (tmp_path / "a").mkdir()
    one = merge(tmp_path / "a", small.shards, 3)
    other = merge(tmp_path, encoded(small, tmp_path, shards), 3)
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]


def signs_agree(codes: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Bool (n,), of packed codes and logits; nearer to 0 the order of a sum decides."""
    clear = np.abs(expected) > 1e-4
    assert clear.mean() > 0.99
    return ((np.unpackbits(codes, axis=1) == (expected > 0)) | ~clear).all(1)


def test_fingerprints_are_signs_of_logits(small, tmp_path, drawn):
    (path,) = check_shards(encoded(small, tmp_path, 1))
    codes, ids = read_shard(path)
    expected = small.logits(small.mosaics.items(drawn, 0, seed=5, name="d", kind="database")).numpy()
    assert 0.2 < (expected > 0).mean() < 0.8 and signs_agree(codes, expected[ids]).all()


def lists(*lengths: int) -> list[ViewList]:
    return [ViewList(np.arange(n) + 100 * k, 10 * k, f"list{k}", "database") for k, n in enumerate(lengths)]


def made(each: ViewList, skipped: int):
    """Logits of 8 bits that say which view it is, in blocks of 7 of the list."""
    for low in range(skipped // 7 * 7, len(each.labels), 7):
        rows = np.arange(max(low, skipped), min(low + 7, len(each.labels)))
        values = each.labels[rows, None] * 8 + np.arange(8) - 400 + 0.5
        yield values.astype(np.float32)


def hashed(blocks):
    """What `Encoding` is given of blocks of logits; those that are not asked for are left out."""

    def encode(each: ViewList, skipped: int, kept: int):
        for block in blocks(each, skipped):
            numbers = np.isfinite(block).all(1)
            yield Hashed(pack(block > 0), numbers, block if kept > 0 else None)
            kept -= len(block)

    return encode


@pytest.mark.parametrize("stopped_after", [0, 1, 2, 3, 4, 5, 7])
def test_a_killed_encoding_ends_with_the_same_bytes(tmp_path, stopped_after):
    views = lists(20, 0, 9, 15)
    undisturbed = Encoding(views, hashed(made), 8, kept=23, signed=30)
    while not undisturbed.done:
        undisturbed.step()
    expected = np.concatenate([block for each in views for block in made(each, 0)])
    assert (undisturbed.codes == pack(expected > 0)).all() and undisturbed.codes.shape == (44, 1)
    assert (undisturbed.abs_logits == np.abs(expected[:23])).all() and (undisturbed.logits == expected[:30]).all()

    def again() -> tuple[Encoding, StateFile]:
        return Encoding(views, hashed(made), 8, kept=23, signed=30), StateFile(tmp_path / "out", {"a": 1})

    job, state = again()
    with state:
        for _ in range(stopped_after):
            job.step()
        state.save(*job.state())
    job, state = again()
    with state:
        run(job, state, title="t", unit="item")
    assert job.finished_steps == 44
    assert all((getattr(job, of) == getattr(undisturbed, of)).all() for of in ("codes", "abs_logits", "logits"))


def test_an_encoding_writes_what_is_new_since_it_was_saved_last(tmp_path):
    views = lists(20, 0, 9, 15)
    job, state, sizes = Encoding(views, hashed(made), 8, kept=23), StateFile(tmp_path / "out", {"a": 1}), []
    while not job.done:
        job.step()
        state.save(*job.state())
        sizes.append(state.path.stat().st_size)
    lengths = {path.name.rpartition(".")[2]: path.stat().st_size for path in tmp_path.iterdir() if path != state.path}
    assert lengths == {"codes": 44, "abs_logits": 23 * 8 * 4} and max(sizes) - min(sizes) < 50


def transferred(what: str) -> int:
    """Bytes that this process has read ("rchar") or written ("wchar") so far, as the system counts them."""
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return int(dict(line.split(": ") for line in lines)[what])


def test_an_encoding_writes_each_fingerprint_once(tmp_path):
    """As the system counts the bytes: however often it is saved, each saving adds a few hundred to them."""

    def blocks(each: ViewList, skipped: int):
        for low in range(skipped, 20_000, 512):
            yield np.full((min(512, 20_000 - low), 64), 1 - low % 3, np.float32)

    job, before, saved = Encoding(lists(20_000), hashed(blocks), 64), transferred("wchar"), 0
    with StateFile(tmp_path / "out", {}) as state:
        while not job.done:
            job.step()
            state.save(*job.state())
            saved += 1
    assert saved == 40 and 8 * 20_000 < transferred("wchar") - before < 8 * 20_000 + 1000 * saved


@pytest.fixture(scope="module")
def saved_in_the_middle(tmp_path_factory):
    """The files of a state of which the last rows were appended and do not count yet; and how it has to end."""
    folder, views = tmp_path_factory.mktemp("state"), lists(20, 9, 15)
    job, state = Encoding(views, hashed(made), 8, kept=40), StateFile(folder / "out", {"a": 1})
    for saved in (True, True, True, True, False):
        job.step()
        before = state.path.read_bytes() if not saved else b""
        state.save(*job.state())
    state.path.write_bytes(before)  # as if it had been killed before this file was replaced
    while not job.done:
        job.step()
    return {path.name: path.read_bytes() for path in folder.iterdir()}, views, (job.codes, job.abs_logits)


@pytest.mark.parametrize("of", ["codes", "abs_logits"])
def test_a_state_that_was_cut_anywhere_ends_with_the_same_bytes(tmp_path, saved_in_the_middle, of, caplog):
    """Within a row or between two; what counts goes on from where it was, and less than that starts anew."""
    caplog.set_level("INFO", "rehash")
    files, views, expected = saved_in_the_middle
    (name,) = (name for name in files if name.endswith(f".{of}"))
    content, went_on = files[name], []
    cuts = (
        [*range(len(content) + 1)]
        if of == "codes"
        else [*range(0, len(content), 41), 27 * 32 - 1, 27 * 32, len(content)]
    )
    for cut in [*cuts, None]:
        for path, whole in files.items():
            (tmp_path / path).write_bytes(whole)
        (tmp_path / name).write_bytes(content + b"torn" if cut is None else content[:cut])
        caplog.clear()
        job = Encoding(views, hashed(made), 8, kept=40)
        with StateFile(tmp_path / "out", {"a": 1}) as state:
            run(job, state, unit="item")
        assert all(np.array_equal(*pair) for pair in zip((job.codes, job.abs_logits), expected, strict=True)), cut
        went_on.append("going on from item 27" in caplog.text)
        assert went_on[-1] != ("starting anew" in caplog.text)
    counted = 27 if of == "codes" else 27 * 8 * 4
    assert went_on == [cut is None or cut >= counted for cut in [*cuts, None]]


def test_a_process_killed_at_any_moment_loses_nothing_that_counts(tmp_path):
    """By SIGKILL, while it saves its state after each block."""
    views = lists(400, 300)
    undisturbed = Encoding(views, hashed(made), 8, kept=500)
    while not undisturbed.done:
        undisturbed.step()

    def encode() -> None:
        job = Encoding(views, hashed(made), 8, kept=500)
        with StateFile(tmp_path / "out", {"a": 1}) as state:
            run(job, state, save_every_s=0, unit="item")

    chance, died = random.Random(0), 0
    for _ in range(6):
        process = multiprocessing.get_context("fork").Process(target=encode)
        process.start()
        process.join(chance.uniform(0.005, 0.08))
        process.kill()
        process.join()
        died += process.exitcode == -signal.SIGKILL
    job, state = Encoding(views, hashed(made), 8, kept=500), StateFile(tmp_path / "out", {"a": 1})
    with state:
        run(job, state, unit="item")
    assert died > 0 and np.array_equal(job.codes, undisturbed.codes)
    assert np.array_equal(job.abs_logits, undisturbed.abs_logits)


def test_nothing_to_encode(tmp_path):
    job = Encoding(lists(0, 0), hashed(made), 8, kept=3)
    with StateFile(tmp_path / "out", {}) as state:
        run(job, state, unit="item")
    assert job.codes.shape == (0, 1) and job.abs_logits.shape == (0, 8)


def test_queries_have_noise_of_their_own(small, tmp_path):
    notes = small.encode(small.queries, tmp_path / "codes.h5")
    found, asked = QueryCodes.read(tmp_path / "codes.h5"), Queries.read(small.queries)
    assert notes["items"] == 2 * 70 + 60 + 3 * 50 and list(found.positive) == [400, N]
    everything = tmp_path / "all.h5"
    small.encode(small.queries, everything, signed=True)
    with h5py.File(everything) as with_logits, h5py.File(tmp_path / "codes.h5") as without:
        kept = {path: with_logits[f"logits/{path}"][:] for path in ("positive/400", f"positive/{N}", "negative")}
        assert set(with_logits) - set(without) == {"logits"} and len(with_logits["logits/positive"]) == 2
    both = QueryCodes.read(everything)
    assert (both.abs_logits == found.abs_logits).all() and (both.negative == found.negative).all()
    assert found.abs_logits.shape == (20, 8) and found.abs_logits.dtype == np.float32
    views = query_views(asked)
    assert len({(each.name, each.kind) for each in views.values()}) == 6 and "d" not in {views["positive/400"].name}
    stored = {**{f"positive/{size}": codes for size, codes in found.positive.items()}, "negative": found.negative}
    stored |= dict(zip(("pair_a1", "pair_a2", "pair_b1"), found.triplets))
    assert set(stored) == set(views)
    for name, each in views.items():
        expected = small.logits(small.mosaics.items(each.labels, 0, seed=5, name=each.name, kind=each.kind)).numpy()
        assert signs_agree(stored[name], expected).all()
        if name in kept:
            assert kept[name] == pytest.approx(expected, abs=1e-4) and kept[name].dtype == np.float32
            assert (pack(kept[name] > 0) == stored[name]).all()
        if name == f"positive/{N}":
            assert found.abs_logits == pytest.approx(np.abs(expected[:20]), abs=1e-4)
    assert check_shards(small.shards)[0].origin == found.origin, "so that a partition knows its queries"


def test_provenance_reads_none_of_the_large_files(small, tmp_path, monkeypatch):
    """Every job that has images or labels as inputs hands their digests over, and these are those of the files."""
    files = {"bank": str(small.bank), "labels": str(small.labels), "weights": str(small.weights[0])}
    expected = {files["weights"]: hashlib.sha256(small.weights[0].read_bytes()).hexdigest()}
    with h5py.File(files["labels"]) as file:
        expected[files["labels"]] = file.attrs["checksum"].decode()
    expected[files["bank"]] = "none"  # as this bank says; of a real one see test_mosaics.py
    found = small.encode(small.labels, tmp_path / "s.h5")["digests"]
    assert found == expected
    of_queries = small.encode(small.queries, tmp_path / "q.h5")["digests"]
    assert of_queries == {path: value for path, value in expected.items() if path != files["labels"]}
    settings = {"bits": 8, "flips": 0.1, "name_bits": 8, "seed": 1}
    assert generate_fingerprints(files["labels"], tmp_path / "g.h5", **settings)["digests"] == {
        files["labels"]: expected[files["labels"]]
    }
    settings = {"database": "d", "split": "test", "items": 50, "images": 2, "multiplicity": 1, "seed": 1}
    described = describe_labels(files["bank"], tmp_path / "l.h5", **settings)
    assert described["digests"] == {files["bank"]: expected[files["bank"]]}
    drawn = draw_queries(small.labels, tmp_path / "queries.h5", positives=3, negatives=3, pairs=3, seed=5)
    assert drawn["digests"] == {files["labels"]: expected[files["labels"]]}

    monkeypatch.setattr(provenance, "file_digest", lambda path: pytest.fail(f"{path} is read"))
    facts = {"rule": "r", "params": {}, "seconds": 1.0, "notes": {}}
    provenance.write_provenance(tmp_path / "p.json", inputs=[*files.values()], digests=found, **facts)
    assert json.loads((tmp_path / "p.json").read_text())["inputs"] == expected


def test_a_bank_of_any_size_costs_a_job_nothing(small, tmp_path):
    """As the system counts the bytes that are read: of a bank of 400 MB, most of it a hole, only the images shown.

    Those are memory-mapped and not counted, so that what is left is the network, the labels and small things.
    """
    bank = tmp_path / "bank.h5"
    with h5py.File(bank, "w") as file:
        images = file.create_dataset("test/images", (2 * 10**6, 20, 10), np.uint8, fill_time="never")
        images[-1] = 0  # this allocates them all
        file.attrs.update({"name": "large", "checksum": "its own"})
    assert bank.stat().st_size > 4 * 10**8
    before = transferred("rchar")
    notes = replace(small, bank=bank).encode(small.labels, tmp_path / "s.h5")
    inputs = [str(bank), str(small.labels), str(small.weights[0])]
    facts = {"rule": "r", "params": {}, "seconds": 1.0, "notes": {}}
    provenance.write_provenance(tmp_path / "p.json", inputs=inputs, digests=notes["digests"], **facts)
    assert 10**5 < transferred("rchar") - before < 5 * 10**6


def test_another_network_noise_split_or_seed_another_origin(small, tmp_path):
    found = []
    noisier = {"task": {**small.task, "gaussian": 0.2}}
    for number, changed in enumerate(({}, {"number": 1}, noisier, {"split": "valid"}, {"seed": 6})):
        small.encode(small.labels, tmp_path / f"{number}.h5", **changed)
        found.append(check_shards([tmp_path / f"{number}.h5"])[0].origin)
    first, other, *rest = found
    assert first.model != other.model and first.config == other.config
    assert all(each.model == first.model for each in rest) and len({each.config for each in [first, *rest]}) == 4


def test_shards_of_two_kinds_of_device_are_not_merged(small, tmp_path, monkeypatch):
    """Bits near 0 differ between them, so that the index would depend on which shard ran where."""
    paths = encoded(small, tmp_path, 2)
    one = check_shards(paths)[0].origin
    assert one.device == device_kind(CPU) and one.device.startswith("cpu ") and one.precision == "float32"
    monkeypatch.setattr(encode, "device_kind", lambda device: "another GPU")
    small.encode(small.labels, paths[1], shard=1, shards=2)
    with pytest.raises(
        InputError, match=r"is of device another GPU; expected device cpu \w+, as .*; encode all shards"
    ):
        check_shards(paths)


def test_fingerprints_of_two_precisions_are_not_mixed(small, tmp_path):
    """Not in an index, not with queries, and not in one shard after a restart."""
    paths = [tmp_path / "one.h5", tmp_path / "two.h5"]
    small.encode(small.labels, paths[0], shards=2)
    small.encode(small.labels, paths[1], shard=1, shards=2, precision="bfloat16")
    with pytest.raises(InputError, match=r"is of precision bfloat16; expected precision float32, as .*; encode all"):
        check_shards(paths)
    small.encode(small.queries, tmp_path / "q.h5", precision="bfloat16")
    assert QueryCodes.read(tmp_path / "q.h5").origin.precision == "bfloat16"
    with pytest.raises(InputError, match="config: equihash: unknown precision 'bfloat61'; did you mean 'bfloat16'"):
        small.encode(small.labels, tmp_path / "x.h5", precision="bfloat61")


def test_on_a_cpu_tf32_is_float32(small, tmp_path):
    found = []
    for precision in ("float32", "tf32", "bfloat16"):
        small.encode(small.labels, tmp_path / f"{precision}.h5", shards=2, precision=precision)
        with h5py.File(tmp_path / f"{precision}.h5") as file:
            order = np.argsort(file["ids"][:])
            found.append(file["codes"][:][order])
    assert (found[0] == found[1]).all() and 0 < (found[0] != found[2]).mean() < 0.2


def test_a_damaged_file_of_query_codes(small, tmp_path):
    (tmp_path / "codes.h5").write_bytes(small.codes.read_bytes())
    damage(tmp_path / "codes.h5", negative=lambda _: np.zeros((5, 3), np.uint8))
    with pytest.raises(
        InputError, match=r"codes\.h5: not a file of .*codes are uint8 \(5, 3\); expected uint8 \(n, 1\)"
    ):
        QueryCodes.read(tmp_path / "codes.h5")


class Killed(BaseException):
    """In the middle of a job."""


def stopped(small, of, output, blocks: int, monkeypatch, **part) -> None:
    """An encoding that saves its state after each block and is killed after some."""
    step, seen = Encoding.step, []

    def counted(job):
        if len(seen) == blocks:
            raise Killed
        seen.append(job.finished_steps)
        step(job)

    with monkeypatch.context() as patch:
        patch.setattr(Encoding, "step", counted)
        with pytest.raises(Killed):
            small.encode(of, output, every_s=0, **part)


@pytest.mark.parametrize(("shards", "blocks", "at"), [(2, 1, 274), (1, 2, 1024)])
def test_a_killed_shard_goes_on_where_it_was(small, tmp_path, monkeypatch, shards, blocks, at, caplog):
    """Also from item 750 on, within a block: images and noise are those of their items after a restart, too."""
    caplog.set_level("INFO", "rehash")
    of, part = small.labels, {"shard": shards - 1, "shards": shards}
    small.encode(of, tmp_path / "whole.h5", **part)
    stopped(small, of, tmp_path / "s.h5", blocks, monkeypatch, **part)
    assert not (tmp_path / "s.h5").exists() and len([*tmp_path.glob(".s.h5.*.state")]) == 1
    small.encode(of, tmp_path / "s.h5", **part)
    assert f"going on from item {at}" in caplog.text
    assert (tmp_path / "s.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_killed_queries_go_on_where_they_were(small, tmp_path, monkeypatch, blocks):
    stopped(small, small.queries, tmp_path / "c.h5", blocks, monkeypatch)
    small.encode(small.queries, tmp_path / "c.h5")
    assert (tmp_path / "c.h5").read_bytes() == small.codes.read_bytes()


@pytest.mark.parametrize("other", ["labels", "network", "noise", "split", "device", "precision"])
def test_a_state_is_never_continued_on_something_else(small, tmp_path, monkeypatch, other, caplog):
    caplog.set_level("INFO", logger="rehash")
    of = describe(small.database, tmp_path)
    changed = {
        "network": {"number": 1},
        "noise": {"seed": 6},
        "split": {"split": "valid"},
        "precision": {"precision": "tf32"},
    }.get(other, {})
    stopped(small, of, tmp_path / "s.h5", 2, monkeypatch)
    if other == "device":
        monkeypatch.setattr(encode, "device_kind", lambda device: "another GPU")
    if other == "labels":
        write_database(of, replace(small.database, name="e"))
    for name in ("s.h5", "fresh.h5"):
        small.encode(of, tmp_path / name, **changed)
    assert (tmp_path / "s.h5").read_bytes() == (tmp_path / "fresh.h5").read_bytes()
    assert "going on" not in caplog.text


def test_logits_that_are_no_numbers_stop_the_job():
    def broken(each, skipped):
        for block in made(each, skipped):
            block[each.labels[: len(block)] == 105, 2] = np.nan
            yield block

    job = Encoding(lists(20, 9), hashed(broken), 8)
    with pytest.raises(InputError, match="view 25 of 29: the network gives logits that are no numbers"):
        while not job.done:
            job.step()
    assert job.finished_steps == 20


def test_images_go_to_a_device_in_slices(monkeypatch):
    monkeypatch.setattr(flow, "_SLICE", 100)
    whole = np.random.default_rng(0).integers(0, 256, (23, 5, 4, 3), dtype=np.uint8)
    for images in (whole, whole[:0], whole[:, :, :, 0]):
        assert (uploaded(images, CPU).numpy() == images).all()
    held, numbers = DeviceBank(uploaded(whole, CPU)), np.array([22, 0, 22])
    assert len(held) == 23 and (held.take(numbers).numpy() == whole[numbers]).all()
