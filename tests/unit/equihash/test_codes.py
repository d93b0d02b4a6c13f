"""Fingerprints by a source of codes in the place of a hash network: encoded, indexed, compared, and planned."""

import copy
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from graphs import DEFAULT, merged
from rehash.comparison import plan as comparison
from rehash.config import validated
from rehash.datasets.layout import Split, described, write_dataset
from rehash.equihash import plan
from rehash.equihash.databases.labels import labels
from rehash.equihash.databases.queries import Queries
from rehash.equihash.evaluation.distances import measure_distances
from rehash.equihash.images.task import Task
from rehash.equihash.index.encode import encode_queries, encode_shard
from rehash.equihash.index.fingerprints import check_shards
from rehash.equihash.index.query_codes import QueryCodes, query_views
from rehash.equihash.learning.models import CodeSource, asked_model, asked_sources, open_model
from rehash.errors import InputError
from rehash.job import Saving
from small_index import evaluate, read_shard

BITS = 16
SEEN = []


def open_toy(files, settings, wanted):
    """Signs of projections on the columns of a file, times a setting."""
    SEEN.append(wanted)
    planes = torch.from_numpy(np.load(files["planes"])).to(wanted.device) * settings["times"]
    return lambda images: (images.flatten(1) - 0.5) @ planes[:, : wanted.bits]


def open_broken(files, settings, wanted):
    return lambda images: images.flatten(1)[:, :5]


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> CodeSource:
    folder = tmp_path_factory.mktemp("source")
    rng = np.random.default_rng(0)
    np.save(folder / "planes.npy", rng.normal(size=(400, BITS)).astype(np.float32))
    images = rng.integers(0, 256, (12, 20, 20), dtype=np.uint8)
    splits = {"train": Split(images[:8], np.arange(8) % 3), "test": Split(images[8:], np.arange(4) % 3)}
    write_dataset(folder / "made_on.h5", splits, name="made_on", source="", licence="", class_names=list("abc"))
    keys = {"task": "t", "model": "m", "variant": "codes"}
    return CodeSource(
        keys,
        f"{__name__}:open_toy",
        {"planes": str(folder / "planes.npy")},
        {"times": 2.0},
        str(folder / "made_on.h5"),
        BITS,
        1,
        7,
        "config: there",
    )


def changed(source: CodeSource, **values) -> CodeSource:
    return CodeSource(**{**vars(source), **values})


def expected(small, source, views: torch.Tensor) -> np.ndarray:
    """Logits of views by NumPy, in float64."""
    shown = np.clip(views.numpy().reshape(len(views), -1).astype(float), 0, 1)
    return 2 * (shown - 0.5) @ np.load(source.files["planes"]).astype(float)


def encoded(small, source, folder: Path) -> tuple[list[Path], dict]:
    """The database's fingerprints by the encoder, in two shards, and the notes of the last."""
    paths = [folder / f"{shard}.codes" for shard in range(2)]
    for shard, path in enumerate(paths):
        files, part = (source, small.bank, None, small.labels, path), {"shard": shard, "shards": 2}
        notes = encode_shard(*files, small.shown, small.compute, Saving(), **part)
    return paths, notes


def test_fingerprints_are_signs_of_the_encoders_logits_of_clipped_views(small, source, tmp_path):
    paths, notes = encoded(small, source, tmp_path)
    n = small.database.n_items
    codes, ids = map(np.concatenate, zip(*map(read_shard, check_shards(paths))))
    views = small.mosaics.items(labels(small.database, np.arange(n)), 0, seed=5, name="d", kind="database")
    assert ((views < 0) | (views > 1)).float().mean() > 0.02, "noise goes beyond black and white"
    logits = expected(small, source, views)[ids]
    clear = np.abs(logits) > 1e-3
    assert clear.mean() > 0.99 and ((np.unpackbits(codes, axis=1) == (logits > 0)) | ~clear).all()
    assert notes["digests"][source.dataset] == described(source.dataset)[2]


def test_the_opener_is_told_what_the_source_was_made_on(small, source):
    SEEN.clear()
    _, about, _, digests = open_model(source, Task.of(small.task), torch.device("cpu"))
    (wanted,) = SEEN
    assert (wanted.bits, wanted.repeat, wanted.shape, wanted.classes, wanted.seed) == (BITS, 1, (1, 20, 20), 3, 7)
    assert wanted.dataset == "made_on" and wanted.data == described(source.dataset)[2] == digests[source.dataset]
    assert about == {"keys": source.keys, "bits": BITS, "seed": 1} and set(digests) == {
        source.dataset,
        *source.files.values(),
    }


def test_views_of_bytes_are_shown_on_0_to_1(small, source, tmp_path):
    """A warped task has views of bytes, in colour."""
    task = Task("warped", (1, 1), (4, 4))
    rng = np.random.default_rng(0)
    np.save(tmp_path / "planes.npy", rng.normal(size=(48, BITS)).astype(np.float32))
    split = Split(rng.integers(0, 256, (4, 4, 4, 3), dtype=np.uint8), np.arange(4) % 2)
    write_dataset(
        tmp_path / "c.h5", {"train": split, "test": split}, name="c", source="", licence="", class_names=["a", "b"]
    )
    of = changed(source, files={"planes": str(tmp_path / "planes.npy")}, dataset=str(tmp_path / "c.h5"))
    encoder, *_ = open_model(of, task, torch.device("cpu"))
    views = torch.from_numpy(rng.integers(0, 256, (5, 3, 4, 4), dtype=np.uint8))
    wanted = 2 * (views.numpy().reshape(5, -1) / 255 - 0.5) @ np.load(tmp_path / "planes.npy").astype(float)
    assert np.allclose(encoder(views).numpy(), wanted, atol=1e-4)


def test_all_that_codes_depend_on_is_in_their_origin(small, source, tmp_path):
    """So that fingerprints of two encoders are never searched together."""
    np.save(tmp_path / "planes.npy", np.load(source.files["planes"]) + 1)
    (tmp_path / "copy.npy").write_bytes(Path(source.files["planes"]).read_bytes())
    apart = [
        source,
        changed(source, files={"planes": str(tmp_path / "planes.npy")}),
        changed(source, settings={"times": 3.0}),
        changed(source, bits=8),
        changed(source, repeat=0),
        changed(source, seed=8),
        changed(source, open=f"{__name__}:open_broken"),
    ]
    digests = [open_model(of, Task.of(small.task), torch.device("cpu"))[2] for of in apart]
    assert len(set(digests)) == len(apart)
    moved = changed(source, files={"planes": str(tmp_path / "copy.npy")})
    assert open_model(moved, Task.of(small.task), torch.device("cpu"))[2] == digests[0], "wherever its files lie"


def test_an_index_of_codes_is_asked_probed_and_evaluated(small, source, tmp_path):
    shards, _ = encoded(small, source, tmp_path)
    encode_queries(
        source, small.bank, None, small.queries, tmp_path / "q.h5", small.shown, small.compute, Saving(), probed=20
    )
    asked, queries = QueryCodes.read(tmp_path / "q.h5"), Queries.read(small.queries)
    first = next(iter(query_views(queries).values()))
    views = small.mosaics.items(first.labels[:20], 0, seed=5, name=first.name, kind="positive")
    assert np.allclose(asked.abs_logits, np.abs(expected(small, source, views)), atol=1e-3), "what is probed by"
    keys = {"task": "t", "model": "m", "variant": "codes", "seed": 1, "database": "d"}
    how = {"keys": keys, "probes": 50, "seed": 3}
    evaluate(tmp_path, shards, tmp_path / "q.h5", small.queries, small.labels, 2, **how)
    one = pd.read_csv(tmp_path / "evaluation.csv")
    assert set(one.variant) == {"codes"} and {"recall", "perfect_retrieval_rate"} <= set(one.metric)
    probes = pd.read_csv(tmp_path / "probes.csv")
    recall = probes[probes.metric == "recall"].sort_values("probes").value.to_numpy()
    assert (np.diff(recall) >= 0).all() and recall[-1] > recall[0], "flipping the least certain bits first finds more"
    buckets = pd.read_csv(tmp_path / "bucket_sizes.csv")
    whole = buckets[buckets.database_size == small.database.n_items]
    assert (whole.bucket_size * whole.buckets).sum() == small.database.n_items


def test_an_index_of_two_sources_is_refused(small, source, tmp_path):
    paths = [tmp_path / f"{shard}.codes" for shard in range(2)]
    for shard, path in enumerate(paths):
        mine, part = changed(source, settings={"times": 1.0 + shard}), {"shard": shard, "shards": 2}
        encode_shard(mine, small.bank, None, small.labels, path, small.shown, small.compute, Saving(), **part)
    with pytest.raises(InputError, match=r"is of model .*; expected model"):
        check_shards(paths)


def test_distances_of_codes_stand_beside_those_of_networks(small, source, tmp_path):
    outputs = [tmp_path / f"{name}.csv" for name in ("rates", "histogram", "statistics")]
    settings = {"task": small.task, "triplets": 1000, "seed": 4}
    notes = measure_distances([small.weights[0], source], small.bank, None, *outputs, small.compute, **settings)
    rates, histogram, _ = map(pd.read_csv, outputs)
    of = histogram[histogram.variant == "codes"]
    assert (of.bits == BITS).all() and of[of.pairs_of == "same"]["count"].sum() == 450 and set(of.seed) == {1}
    assert set(rates.variant) >= {"codes"} and len(rates.variant.unique()) == 2
    same, different = (
        np.average(part.distance, weights=part["count"]) for _, part in of.groupby("pairs_of", sort=False)
    )
    assert same < different and source.dataset in notes["digests"] and str(small.weights[0]) in notes["digests"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"open": f"{__name__}:open_broken"}, r"config: there: the encoder gives torch.float32 \(128, 5\) for 128 views; .*16 bits"),
        ({"dataset": "whole"}, "config: there: the views of the task t are 1 x 20 x 20; its codes .* dataset whole, 1 x 4 x 4"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_written(small, source, tmp_path, values, message):
    if "dataset" in values:
        split = Split(np.random.default_rng(0).integers(0, 256, (4, 4, 4), dtype=np.uint8), np.arange(4) % 2)
        values = {"dataset": str(tmp_path / "whole.h5")}
        write_dataset(
            values["dataset"], {"train": split, "test": split}, name="w", source="", licence="", class_names=["a", "b"]
        )
    before = sorted(tmp_path.iterdir())
    with pytest.raises(InputError, match=message):
        encode_shard(
            changed(source, **values),
            small.bank,
            None,
            small.labels,
            tmp_path / "o.h5",
            small.shown,
            small.compute,
            Saving(),
        )
    assert sorted(tmp_path.iterdir()) == before


GIVEN = {
    "open": "rehash.comparison.pixels:pixels",  # any function of the library
    "files": {"fit": "results/fit.npz", "more": "results/more.csv"},
    "settings": {"a": 1},
    "where": "config: comparison.sources.toy",
}


@pytest.fixture
def known(monkeypatch):
    """A comparison that knows one source."""
    asked = []

    def encoder_of(config, source, dataset, bits, repeat):
        asked.append((source, dataset, bits, repeat))
        if source != "toy":
            raise InputError(f"config: comparison.sources: unknown source '{source}'; did you mean 'toy'?")
        return copy.deepcopy(GIVEN)

    monkeypatch.setattr(comparison, "encoder_of", encoder_of)
    return asked


def config(**codes) -> dict:
    found = merged(DEFAULT)
    model = {"codes": {"source": "toy", "dataset": "mnist5k", **codes}, "bits": 24}
    found["equihash"]["models"]["digits"]["neural"] = model
    found["equihash"]["databases"]["small"] |= {"models": None, "untrained": []}
    return found


def test_codes_are_planned_as_a_run_of_their_own(known):
    found = validated(config(repeat=2))
    run = {"task": "digits", "model": "neural", "variant": "codes", "seed": "2"}
    assert known[0] == ("toy", "mnist5k", 24, 2), "checked when planning"
    assert [r for r in plan.runs(found, "digits", untrained=True) if r["model"] == "neural"] == [{**run, "seed": 2}]
    inputs = plan.encoding_inputs(found, **run, database="small")
    assert inputs == {
        "bank": "results/equihash/banks/digits5k.h5",
        "code_files": ["results/fit.npz", "results/more.csv"],
        "code_datasets": ["results/datasets/mnist5k.h5"],
    }
    params = plan.code_params(found, **run)
    assert json.loads(json.dumps(params)) == params and params["roles"] == ["fit", "more"] and params["bits"] == 24
    (opened,) = asked_sources(Inputs(code_files=["x/fit", "x/more"], code_datasets=["x/d.h5"]), [params])
    assert opened.files == {"fit": "x/fit", "more": "x/more"} and opened.dataset == "x/d.h5" and opened.seed == 2021
    assert opened.where == "config: equihash.models.digits.neural.codes, config: comparison.sources.toy"
    of_network = {**run, "model": "hash_net", "variant": "default", "seed": "3210"}
    assert plan.code_params(found, **of_network) is None and asked_model(Inputs(weights="w"), None) == "w"
    assert set(plan.encoding_inputs(found, **of_network, database="small")) == {"bank", "weights"}
    together = plan.distance_inputs(found, "digits")
    networks = [name for name in found["equihash"]["models"]["digits"] if name != "neural"]
    assert len(together["weights"]) == 2 * len(networks) and together["code_files"] == inputs["code_files"]
    assert [source["keys"]["model"] for source in plan.distance_sources(found, "digits")] == ["neural"]
    assert plan.histories(found, "digits") == plan.histories(validated(merged(DEFAULT)), "digits")
    tables = plan.compared(found, "small")
    assert sum("neural/codes/seed=2/" in path for path in tables["retrieval"]) == 1 and tables["predicted"] == []


class Inputs:
    def __init__(self, **values):
        vars(self).update(values)


def test_another_opener_is_other_code(known, monkeypatch):
    run = {"task": "digits", "model": "neural", "variant": "codes", "seed": "0"}
    found = validated(config())
    digests = {plan.encoding_digest(found, **run, script="encode_shard"), plan.distance_digest(found, "digits")}
    monkeypatch.setitem(GIVEN, "open", "rehash.comparison.projections:open_fitted")
    digests |= {plan.encoding_digest(found, **run, script="encode_shard"), plan.distance_digest(found, "digits")}
    digests.add(plan.encoding_digest(found, **{**run, "variant": "default"}, script="encode_shard"))
    assert len(digests) == 5


def test_precision_is_of_networks_alone(known):
    found = config()
    found["equihash"]["precision"] = "bfloat16"
    found = validated(found)
    assert plan.encoding_params(found, "digits", "codes", "small")["precision"] == "float32"
    assert plan.encoding_params(found, "digits", "default", "small")["precision"] == "bfloat16"


@pytest.mark.parametrize(
    ("codes", "more", "message"),
    [
        ({"source": "toi"}, {}, "config: equihash.models.digits.neural.codes: config: comparison.sources: unknown source 'toi'; did you mean 'toy'"),
        ({"dataset": "mnist5"}, {}, "neural.codes.dataset: unknown dataset 'mnist5'; did you mean 'mnist5k'"),
        ({}, {"synthetic": {"flips": 0.1, "name_bits": 8}}, "neural: has codes and synthetic; expected one of them"),
        ({}, {"import": "state.pth"}, "neural: has import and codes; expected one of them"),
        ({}, {"bits": 20}, r"models\.digits\.neural: bits is 20, and the database small needs"),
        ({"sorce": "toy"}, {}, "neural.codes: unknown key 'sorce'; did you mean 'source'"),
    ],
)  # fmt: skip
def test_mistakes_are_named_when_planning(known, codes, more, message):
    found = config(**codes)
    found["equihash"]["models"]["digits"]["neural"].update(more)
    with pytest.raises(InputError, match=message):
        validated(found)


def test_runs_that_do_not_exist_are_refused(known):
    found = validated(config())
    with pytest.raises(InputError, match=r"digits.hash_net: has no codes; its only variants are default"):
        plan.code_source(found, "digits", "hash_net", "0")
    with pytest.raises(InputError, match=r"neural.codes: is of repeat 0; expected seed=0, not 3"):
        plan.code_source(found, "digits", "neural", "3")
    with pytest.raises(InputError, match=r"neural: it is codes, not trained here; its only variant is codes"):
        plan.run_params(found, "digits", "neural", "default", "0")


def test_the_comparison_names_the_nearest_source():
    found = {"comparison": {"sources": {"cohort": {"kind": "none"}}}}
    with pytest.raises(InputError, match=r"comparison.sources: unknown source 'cohrt'; did you mean 'cohort'"):
        comparison.encoder_of(found, "cohrt", "mnist5k", 64, 0)
