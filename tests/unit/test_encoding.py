"""Encoding: the same fingerprints in any shards, after any kill; only what multi-probing needs is kept."""

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from rehash.bits import pack
from rehash.equihash import encode
from rehash.equihash import views as views_module
from rehash.equihash.banks import Bank
from rehash.equihash.draws import BLOCK
from rehash.equihash.encode import Encoding, encode_queries, encode_shard, logits
from rehash.equihash.fingerprints import check_shards
from rehash.equihash.labels import Database, draw_labels, labels, shard_range
from rehash.equihash.networks import build_network
from rehash.equihash.partitions import merge_partition
from rehash.equihash.queries import Queries, draw_queries
from rehash.equihash.query_codes import QueryCodes, ViewList, query_views
from rehash.equihash.task import Task
from rehash.equihash.views import open_mosaics, uploaded
from rehash.equihash.weights import write_network
from rehash.errors import InputError
from rehash.training import StateFile, device_kind, run

CPU = torch.device("cpu")
TASK = {"kind": "noisy", "grid": [1, 2], "picture": [20, 10], "gaussian": 0.1}
SETTINGS = {"settings": TASK, "split": "test", "seed": 5, "device": "cpu", "threads": 1}
SAVING = {"code": "", "on_code_change": "restart", "save_every_s": 30}
N = 1500


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A bank of 30 pictures a split, a network of 16 bits whose bits are not constant, and a database of 1,500 items."""
    folder = tmp_path_factory.mktemp("files")
    rng = np.random.default_rng(0)
    with h5py.File(folder / "bank.h5", "w") as file:
        for split in ("train", "valid", "test"):
            file[f"{split}/images"] = rng.integers(0, 256, (30, 20, 10), dtype=np.uint8)
        file.attrs.update({"name": "random", "checksum": "none"})
    for number in range(2):
        network = build_network("mosaic_cnn", 16, (1, 20, 20), seed=number)
        with torch.no_grad():
            for _ in range(20):
                network(torch.rand(64, 1, 20, 20, generator=torch.Generator().manual_seed(number)))
        about = {"keys": {}, "network": "mosaic_cnn", "bits": 16, "shape": [1, 20, 20], "seed": number}
        write_network(folder / f"{number}.safetensors", network, about)
    draw(folder, 1)
    draw_queries([folder / "0-of-1"], folder / "queries", sizes=(400, N), positives=70, negatives=60, pairs=50, seed=5)
    return folder


def draw(folder, shards):
    for shard in range(shards):
        draw_labels(folder / f"{shard}-of-{shards}", Database(5, "d", N, 900, 3), *shard_range(N, shards, shard))


def encoded(files, folder, shards: int, weights: str = "0.safetensors"):
    draw(folder, shards)
    paths = [folder / f"{shard}.h5" for shard in range(shards)]
    for shard, path in enumerate(paths):
        source = files / weights, files / "bank.h5", None, folder / f"{shard}-of-{shards}"
        encode_shard(*source, path, saving=SAVING, **SETTINGS)
    return paths


def the_network(files):
    network = build_network("mosaic_cnn", 16, (1, 20, 20), seed=0)
    network.load_state_dict(load_file(files / "0.safetensors"))
    return network.eval()


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_the_number_of_shards_changes_no_bit(files, tmp_path, shards):
    """Blocks of 512 items are cut by the shards, and the index has the same bytes."""
    (tmp_path / "whole").mkdir()
    (whole,) = encoded(files, tmp_path / "whole", 1)
    paths = encoded(files, tmp_path, shards)
    for partition in range(3):
        merge_partition([whole], tmp_path / "a", partition=partition, partitions=3)
        merge_partition(paths, tmp_path / "b", partition=partition, partitions=3)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_fingerprints_are_signs_of_logits(files, tmp_path):
    (path,) = check_shards(encoded(files, tmp_path, 1))
    codes, ids = np.empty((N, 2), np.uint8), np.empty(N, np.uint32)
    path.read(range(1024), codes, ids)
    mosaics = open_mosaics(Task.of(TASK), Bank.open(files / "bank.h5", "test"), None, CPU)
    views = mosaics.items(labels(Database(5, "d", N, 900, 3), 0, N), 0, seed=5, name="d", kind="database")
    with torch.no_grad():
        expected = the_network(files)(views).numpy()
    clear = np.abs(expected) > 1e-4  # nearer to 0, the order of a sum decides
    assert clear.mean() > 0.99 and 0.2 < (expected > 0).mean() < 0.8
    found = np.unpackbits(codes, axis=1).astype(bool)
    assert (found == (expected > 0)[ids])[clear[ids]].all()


@pytest.mark.parametrize(("start", "stop"), [(0, 512), (3, 4), (100, 300), (130, 1400), (511, 513), (7, 7)])
def test_a_cut_block_is_rounded_as_a_whole_one(files, start, stop):
    """With a network whose rows depend on how many there are, as a product's may."""
    mosaics = open_mosaics(Task.of(TASK), Bank.open(files / "bank.h5", "test"), None, CPU)
    seen = []

    def network(views):
        seen.append(len(views))
        at = torch.arange(len(views))[:, None] + len(views) * 1000.0
        return views.flatten(1)[:, :4].double() + at

    names = {"seed": 5, "name": "d", "kind": "database"}
    drawn = labels(Database(5, "d", N, 900, 3), 0, N)
    whole = np.concatenate(list(logits(network, mosaics, drawn, 0, **names)))
    part = [*logits(network, mosaics, drawn[start:stop], start, **names)]
    assert (np.concatenate([whole[:0], *part]) == whole[start:stop]).all()
    assert set(seen) == {128} and BLOCK % 128 == 0
    assert torch.ones(1, requires_grad=True).mul(2).requires_grad, "inference mode is off again"


def lists(*lengths: int) -> list[ViewList]:
    return [ViewList(np.arange(n) + 100 * k, 10 * k, f"list{k}", "database") for k, n in enumerate(lengths)]


def made(each: ViewList, skipped: int):
    """Logits of 8 bits that say which view it is, in blocks of 7 of the list."""
    for low in range(skipped // 7 * 7, len(each.labels), 7):
        rows = np.arange(max(low, skipped), min(low + 7, len(each.labels)))
        values = each.labels[rows, None] * 8 + np.arange(8) - 400 + 0.5
        yield values.astype(np.float32)


@pytest.mark.parametrize("stopped_after", [0, 1, 2, 3, 4, 5, 7])
def test_a_killed_encoding_ends_with_the_same_bytes(tmp_path, stopped_after):
    views = lists(20, 0, 9, 15)
    undisturbed = Encoding(views, made, 8, kept=23)
    while not undisturbed.done:
        undisturbed.step()
    expected = np.concatenate([block for each in views for block in made(each, 0)])
    assert (undisturbed.codes == pack(expected > 0)).all() and undisturbed.codes.shape == (44, 1)
    assert (undisturbed.abs_logits == np.abs(expected[:23])).all()

    def again() -> tuple[Encoding, StateFile]:
        return Encoding(views, made, 8, kept=23), StateFile(tmp_path / "out", {"a": 1})

    job, state = again()
    with state:
        for _ in range(stopped_after):
            job.step()
        state.save(*job.state())
    job, state = again()
    with state:
        run(job, state, title="t", unit="item")
    assert job.finished_steps == 44
    assert (job.codes == undisturbed.codes).all() and (job.abs_logits == undisturbed.abs_logits).all()


def test_nothing_to_encode(tmp_path):
    job = Encoding(lists(0, 0), made, 8, kept=3)
    with StateFile(tmp_path / "out", {}) as state:
        run(job, state, unit="item")
    assert job.codes.shape == (0, 1) and job.abs_logits.shape == (0, 8)


def test_queries_have_noise_of_their_own(files, tmp_path):
    source = files / "0.safetensors", files / "bank.h5", None, files / "queries"
    notes = encode_queries(*source, tmp_path / "codes.h5", probed=20, saving=SAVING, **SETTINGS)
    found, asked = QueryCodes.read(tmp_path / "codes.h5"), Queries.read(files / "queries")
    assert notes["items"] == 2 * 70 + 60 + 3 * 50 and list(found.positive) == [400, N]
    assert found.abs_logits.shape == (20, 16) and found.abs_logits.dtype == np.float32
    mosaics = open_mosaics(Task.of(TASK), Bank.open(files / "bank.h5", "test"), None, CPU)
    network = the_network(files)
    views = query_views(asked)
    assert len({(each.name, each.kind) for each in views.values()}) == 6 and "d" not in {views["positive/400"].name}
    stored = {**{f"positive/{size}": codes for size, codes in found.positive.items()}, "negative": found.negative}
    stored |= dict(zip(("pair_a1", "pair_a2", "pair_b1"), found.triplets))
    assert set(stored) == set(views)
    for name, each in views.items():
        shown = mosaics.items(each.labels, 0, seed=5, name=each.name, kind=each.kind)
        with torch.no_grad():
            expected = network(shown).numpy()
        clear = np.abs(expected) > 1e-4
        assert (np.unpackbits(stored[name], axis=1).astype(bool) == (expected > 0))[clear].all()
        if name == f"positive/{N}":
            assert found.abs_logits == pytest.approx(np.abs(expected[:20]), abs=1e-4)
    (shard,) = check_shards(encoded(files, tmp_path, 1))
    assert shard.identity == found.identity, "so that a partition knows its queries"


def test_another_network_another_identity(files, tmp_path):
    first = check_shards(encoded(files, tmp_path, 1))[0].identity
    (tmp_path / "b").mkdir()
    other = check_shards(encoded(files, tmp_path / "b", 1, "1.safetensors"))[0].identity
    assert first.model != other.model and first.config == other.config
    source = files / "0.safetensors", files / "bank.h5", None, tmp_path / "0-of-1"
    changed = {**SETTINGS, "settings": {**TASK, "gaussian": 0.2}}
    encode_shard(*source, tmp_path / "c.h5", saving=SAVING, **changed)
    noisier = check_shards([tmp_path / "c.h5"])[0].identity
    assert noisier.model == first.model and noisier.config != first.config


def test_shards_of_two_kinds_of_device_are_not_merged(files, tmp_path, monkeypatch):
    """Bits near 0 differ between them, so that the index would depend on which shard ran where."""
    paths = encoded(files, tmp_path, 2)
    one = check_shards(paths)[0].identity
    assert one.device == device_kind(torch.device("cpu")) and one.device.startswith("cpu ")
    assert one.precision == "float32"
    monkeypatch.setattr(encode, "device_kind", lambda device: "another GPU")
    source = files / "0.safetensors", files / "bank.h5", None, tmp_path / "1-of-2"
    encode_shard(*source, paths[1], saving=SAVING, **SETTINGS)
    with pytest.raises(
        InputError, match=r"is of device another GPU; expected device cpu \w+, as .*; encode all shards"
    ):
        check_shards(paths)


def test_a_damaged_file_of_query_codes(files, tmp_path):
    source = files / "0.safetensors", files / "bank.h5", None, files / "queries"
    encode_queries(*source, tmp_path / "codes.h5", probed=20, saving=SAVING, **SETTINGS)
    with h5py.File(tmp_path / "codes.h5", "r+") as file:
        del file["negative"]
        file["negative"] = np.zeros((5, 3), np.uint8)
    with pytest.raises(
        InputError, match=r"codes\.h5: not a file of .*codes are uint8 \(5, 3\); expected uint8 \(n, 2\)"
    ):
        QueryCodes.read(tmp_path / "codes.h5")


class Killed(BaseException):
    """In the middle of a job."""


def stopped(files, labels, output, blocks: int, monkeypatch, *, weights="0.safetensors", **changed) -> None:
    """An encoding that saves its state after each block and is killed after some."""
    step, seen = Encoding.step, []

    def counted(job):
        if len(seen) == blocks:
            raise Killed
        seen.append(job.finished_steps)
        step(job)

    with monkeypatch.context() as patch:
        patch.setattr(Encoding, "step", counted)
        saving = {**SAVING, "save_every_s": 0}
        source = files / weights, files / "bank.h5", None
        encode = encode_queries if labels.name == "queries" else encode_shard
        more = {"probed": 20} if labels.name == "queries" else {}
        with pytest.raises(Killed):
            encode(*source, labels, output, saving=saving, **more, **{**SETTINGS, **changed})


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_killed_shard_goes_on_where_it_was(files, tmp_path, monkeypatch, blocks, caplog):
    """From item 250 on, within a block: pictures and noise are those of their items after a restart, too."""
    caplog.set_level("INFO", "rehash")
    draw_labels(tmp_path / "labels", Database(5, "d", N, 900, 3), 250, N)
    source = files / "0.safetensors", files / "bank.h5", None, tmp_path / "labels"
    encode_shard(*source, tmp_path / "whole.h5", saving=SAVING, **SETTINGS)
    stopped(files, tmp_path / "labels", tmp_path / "s.h5", blocks, monkeypatch)
    assert not (tmp_path / "s.h5").exists() and len([*tmp_path.glob(".s.h5.*.state")]) == 1
    encode_shard(*source, tmp_path / "s.h5", saving=SAVING, **SETTINGS)
    assert f"going on from item {(262, 774)[blocks - 1]}" in caplog.text
    assert (tmp_path / "s.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize("blocks", [1, 2, 5])
def test_killed_queries_go_on_where_they_were(files, tmp_path, monkeypatch, blocks):
    source = files / "0.safetensors", files / "bank.h5", None, files / "queries"
    encode_queries(*source, tmp_path / "whole.h5", probed=20, saving=SAVING, **SETTINGS)
    stopped(files, files / "queries", tmp_path / "c.h5", blocks, monkeypatch)
    encode_queries(*source, tmp_path / "c.h5", probed=20, saving=SAVING, **SETTINGS)
    assert (tmp_path / "c.h5").read_bytes() == (tmp_path / "whole.h5").read_bytes()


@pytest.mark.parametrize("other", ["labels", "network", "noise", "split", "device"])
def test_a_state_is_never_continued_on_something_else(files, tmp_path, monkeypatch, other, caplog):
    """Labels of other code have the same seed, name and number."""
    caplog.set_level("INFO", logger="rehash")
    draw_labels(tmp_path / "labels", Database(5, "d", N, 900, 3), 0, N)
    weights = "1.safetensors" if other == "network" else "0.safetensors"
    changed = {"noise": {"seed": 6}, "split": {"split": "valid"}}.get(other, {})
    stopped(files, tmp_path / "labels", tmp_path / "s.h5", 2, monkeypatch)
    if other == "device":
        monkeypatch.setattr(encode, "device_kind", lambda device: "another GPU")
    if other == "labels":
        with h5py.File(tmp_path / "labels", "r+") as file:
            file["labels"][:] = file["labels"][:][::-1]
            file.attrs["checksum"] = "of others"
    source = files / weights, files / "bank.h5", None, tmp_path / "labels"
    for name in ("s.h5", "fresh.h5"):
        encode_shard(*source, tmp_path / name, saving=SAVING, **{**SETTINGS, **changed})
    assert (tmp_path / "s.h5").read_bytes() == (tmp_path / "fresh.h5").read_bytes()
    assert "going on" not in caplog.text


def test_another_split_or_seed_another_identity(files, tmp_path):
    draw(tmp_path, 1)
    source, found = (files / "0.safetensors", files / "bank.h5", None, tmp_path / "0-of-1"), set()
    for number, changed in enumerate(({}, {"split": "valid"}, {"seed": 6})):
        encode_shard(*source, tmp_path / f"{number}.h5", saving=SAVING, **{**SETTINGS, **changed})
        found.add(check_shards([tmp_path / f"{number}.h5"])[0].identity)
    assert len(found) == 3


def test_logits_that_are_no_numbers_stop_the_job():
    def broken(each, skipped):
        for block in made(each, skipped):
            block[each.labels[: len(block)] == 105, 2] = np.nan
            yield block

    job = Encoding(lists(20, 9), broken, 8)
    with pytest.raises(InputError, match="view 25 of 29: the network gives logits that are no numbers"):
        while not job.done:
            job.step()
    assert job.finished_steps == 20


def test_pictures_go_to_a_device_in_slices(monkeypatch):
    monkeypatch.setattr(views_module, "_SLICE", 100)
    pictures = np.random.default_rng(0).integers(0, 256, (23, 5, 4, 3), dtype=np.uint8)
    for images in (pictures, pictures[:0], pictures[:, :, :, 0]):
        assert (uploaded(images, CPU).numpy() == images).all()
