"""A network on a small database against a Python dictionary; distances and families as tables."""

from collections import Counter
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rehash.equihash.databases.labels import Database
from rehash.equihash.databases.labels import labels as labels_of
from rehash.equihash.databases.queries import Queries, draw_queries
from rehash.equihash.evaluation import counts as counts_module
from rehash.equihash.evaluation.comparison import collect_family
from rehash.equihash.evaluation.counts import check_counts, evaluate_partition
from rehash.equihash.evaluation.distances import measure_distances
from rehash.equihash.evaluation.retrieval import distance_statistics
from rehash.equihash.evaluation.summary import evaluate_index
from rehash.errors import InputError
from rehash.seeds import stream
from small_index import build, describe, evaluate, places, random_codes

KEYS = {"task": "t", "model": "m", "variant": "default", "seed": 1, "database": "d"}


def evaluated(small, folder: Path, partitions: int) -> list[Path]:
    """The counts of all partitions; tables beside them."""
    folder.mkdir(exist_ok=True)
    files = small.shards, small.codes, small.queries, small.labels
    return evaluate(folder, *files, partitions, keys=KEYS, probes=30, seed=5)


def test_evaluation_is_what_a_dictionary_says(small, tmp_path):
    """Every metric of a network, of the whole database and of its first 400 items, by brute force."""
    evaluated(small, tmp_path, 3)
    table = pd.read_csv(tmp_path / "evaluation.csv")
    assert list(table) == "task model variant seed database database_size metric value low high n".split()

    def logits_of(labels: np.ndarray, kind: str, name: str = "d") -> np.ndarray:
        return small.logits(small.mosaics.items(labels, 0, seed=5, name=name, kind=kind)).numpy()

    def fingerprints(*shown) -> list[tuple[bool, ...]]:
        return [tuple(row) for row in (logits_of(*shown) > 0).tolist()]

    labels, asked = labels_of(small.database, np.arange(1500)), Queries.read(small.queries)
    codes, strangers = fingerprints(labels, "database"), fingerprints(asked.negative, "negative")
    sizes, asked_buckets = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("bucket_sizes", "query_buckets"))
    for size in (400, 1500):
        found = table[table.database_size == size].set_index("metric")
        buckets = {code: set(items) for code, items in places(codes[:size]).items()}
        assert 5 < len(buckets) < 250
        expected = Counter(map(len, buckets.values()))
        mine = sizes[sizes.database_size == size]
        assert dict(zip(mine.bucket_size, mine.buckets)) == expected
        collisions = sum(labels[a] != labels[b] for bucket in buckets.values() for a, b in combinations(bucket, 2))
        assert found.value["internal_collisions"] == collisions > 50
        pool = 500
        differ = 1 - (1 / pool + (1 - 1 / pool) / 900)
        icr = 2 * collisions / (size * (size - 1)) / differ
        assert found.value["irrelevant_collision_rate"] == pytest.approx(icr, rel=1e-12)
        positive = asked.positive[size][0]
        hits = wanted = answered = perfect = complete = sound = 0
        jaccard, retrieved = [], Counter()
        for label, code in zip(positive, fingerprints(positive, "positive", f"d {size}")):
            relevant, bucket = set(np.flatnonzero(labels[:size] == label)), buckets.get(code, set())
            hits, wanted = hits + len(relevant & bucket), wanted + len(relevant)
            answered, perfect = answered + bool(bucket), perfect + (relevant == bucket)
            complete, sound = complete + (relevant <= bucket), sound + (bucket <= relevant)
            retrieved["found" if relevant & bucket else "missed", len(bucket)] += 1
            jaccard.append(len(relevant & bucket) / len(relevant | bucket))
        assert 0 < hits < wanted
        assert found.value["recall"] == pytest.approx(hits / wanted, rel=1e-12)
        assert found.value["true_positive_rate"] == answered / 70
        assert found.value["perfect_retrieval_rate"] == perfect / 70
        assert found.value["complete_retrieval_rate"] == complete / 70 > perfect / 70
        assert found.value["sound_retrieval_rate"] == sound / 70
        total = sum(n * count for (_, n), count in retrieved.items())
        assert found.value["items_retrieved"] == pytest.approx(total / 70, rel=1e-12)
        retrieved.update(("negative", len(buckets.get(code, ()))) for code in strangers)
        mine = asked_buckets[asked_buckets.database_size == size]
        assert dict(zip(zip(mine.asked, mine.retrieved), mine.queries)) == retrieved
        assert found.value["jaccard"] == pytest.approx(np.mean(jaccard), rel=1e-12)
        assert found.value["false_positive_rate"] == sum(code in buckets for code in strangers) / 60
    assert (table.low <= table.value).all() and (table.value <= table.high).all()

    pairs = pd.read_csv(tmp_path / "distances.csv")
    kinds = {"pair_a1": 0, "pair_a2": 0, "pair_b1": 1}
    a1, a2, b1 = (fingerprints(asked.pairs[:, column], kind) for kind, column in kinds.items())
    for kind, metric, other in (("same", "recall", a2), ("different", "fallout", b1)):
        distances = [sum(x != y for x, y in zip(*both)) for both in zip(a1, other)]
        counts = pairs[pairs.pairs_of == kind].set_index("distance")["count"]
        assert counts[counts > 0].to_dict() == Counter(distances) and (pairs.bits == 8).all()
        for r in range(4):
            assert found.value[f"{metric}_at_{r}"] == np.mean([d <= r for d in distances])
    drawn = stream(5, "equihash", "item pairs", "d").integers(1500, size=(2000, 2)).tolist()
    distances = Counter(sum(x != y for x, y in zip(codes[a], codes[b])) for a, b in drawn if labels[a] != labels[b])
    counts = pairs[pairs.pairs_of == "items"].set_index("distance")["count"]
    assert counts[counts > 0].to_dict() == distances and 1900 < counts.sum() < 2000

    probed = pd.read_csv(tmp_path / "probes.csv").set_index(["metric", "probes"]).value
    positive = asked.positive[1500][0][:20]
    got = np.zeros((3, 30))
    for label, logits in zip(positive, logits_of(positive, "positive", "d 1500")):
        order = sorted(product([False, True], repeat=8), key=lambda flips: sum(abs(logits[np.array(flips)]).tolist()))
        mine = set(np.flatnonzero(labels == label))
        for rank, flips in enumerate(order[:30]):
            bucket = buckets.get(tuple(((logits > 0) ^ np.array(flips)).tolist()), set())
            got[:, rank] += len(bucket & mine), len(bucket), 0
        got[2] += len(mine)
    hits, retrieved = got[:2].cumsum(axis=1)
    for t in (1, 2, 10, 30):
        assert probed["recall", t] == pytest.approx(hits[t - 1] / got[2, 0])
        assert probed["precision", t] == pytest.approx(hits[t - 1] / retrieved[t - 1])


def test_the_number_of_partitions_changes_no_table(small, tmp_path, monkeypatch):
    """Nor how many queries are probed at once."""
    tables = []
    for partitions, probed in ((1, 1000), (4, 7)):
        monkeypatch.setattr(counts_module, "_PROBED", probed)
        folder = tmp_path / str(partitions)
        evaluated(small, folder, partitions)
        tables.append({path.name: path.read_bytes() for path in folder.glob("*.csv")})
    assert len(tables[0]) == 5 and tables[0] == tables[1]


def test_files_that_do_not_fit_together(small, tmp_path):
    whole, three = evaluated(small, tmp_path, 2), evaluated(small, tmp_path / "three", 3)
    codes, queries, labels = small.codes, small.queries, small.labels
    partition, half, foreign = (tmp_path / name for name in ("partition_0.h5", "half.h5", "foreign.h5"))
    half.write_bytes(partition.read_bytes()[:500])
    small.encode(queries, foreign, 1)
    other, few = describe(Database(5, "other", 200, 900, 2), tmp_path), {"positives": 5, "negatives": 5}
    for name, of in (("otherq", other), ("fewer", labels)):
        draw_queries(of, tmp_path / f"{name}.h5", **few, pairs=1, seed=9)
    for words, message in [
        ((partition, foreign, queries, labels), r"/foreign\.h5: is of model \w+; expected model \w+, as .*partition_0"),
        (
            (partition, codes, tmp_path / "otherq.h5", labels),
            r"otherq\.h5: queries of .*'other'.*expected those of .*'d'",
        ),
        ((partition, codes, queries, other), r"queries\.h5: queries of .*'d'.*expected .*'other'"),
        (
            (partition, codes, tmp_path / "fewer.h5", labels),
            r"codes\.h5: fingerprints of other queries than .*fewer\.h5",
        ),
        ((half, codes, queries, labels), r"half\.h5: not a partition of an index, or damaged"),
        ((partition, partition, queries, labels), r"_0\.h5: not a file of fingerprints of queries, or damaged"),
    ]:
        with pytest.raises(InputError, match=message):
            evaluate_partition(*words, tmp_path / "out.h5", probes=3)
    assert not (tmp_path / "out.h5").exists()
    (tmp_path / "twin.h5").write_bytes(whole[1].read_bytes())
    for counts, message in [
        ([], "no counts; expected those of all partitions"),
        (whole[:1], "the counts of partition 1 of 2 are missing"),
        ([*whole, tmp_path / "twin.h5"], r"twin\.h5: is of partition 1, as .*counts_1\.h5 is; expected each once"),
        ([whole[0], three[1]], r"three/counts_1\.h5: is of 3 partitions; expected 2, as .*counts_0\.h5"),
        ([whole[0], codes], r"codes\.h5: not a file of counts, or damaged"),
    ]:
        with pytest.raises(InputError, match=message):
            check_counts(counts)
    settings = {"keys": {}, "probes": 3, "item_pairs": 5, "seed": 9}
    index = sorted(tmp_path.glob("partition_*.h5"))
    strange = build(tmp_path / "strange", random_codes(1500, 1), 1, 2)
    for words, message in [
        ((tmp_path / "fewer.h5", index, labels), r"codes\.h5: fingerprints of other queries than .*fewer\.h5"),
        ((queries, index[:1], labels), r"partition 1 is missing; expected those from 0 to 1"),
        ((queries, strange, labels), r"strange/partition_0\.h5: is of model m.*; expected model \w+.*counts_0\.h5 is"),
        ((queries, index, other), r"queries\.h5: queries of .*'d'.*expected .*'other'"),
    ]:
        with pytest.raises(InputError, match=message):
            evaluate_index(whole, codes, *words, {}, **settings)


def test_distances_of_networks_are_counted(small, tmp_path):
    outputs = [tmp_path / f"{name}.csv" for name in ("rates", "histogram", "statistics")]
    settings = {"task": small.task, "triplets": 1000, "seed": 4}
    notes = measure_distances(small.weights, small.bank, None, *outputs, small.compute, **settings)
    assert notes["triplets"] == 450  # 900 labels, each once
    rates, histogram, statistics = map(pd.read_csv, outputs)
    assert list(rates) == "task model variant seed metric value low high n".split()
    assert rates.seed.unique().tolist() == [1, 2] and (rates.n == 450).all()
    for seed, table in histogram.groupby("seed"):
        for labels, metric in (("same", "recall"), ("different", "fallout")):
            pairs = table[table.pairs_of == labels].set_index("distance")["count"]
            assert pairs.sum() == 450 and list(pairs.index) == list(range(9))
            of_seed = rates[rates.seed == seed].set_index("metric").value
            for radius in range(4):
                assert of_seed[f"{metric}_at_{radius}"] == pairs[pairs.index <= radius].sum() / 450
        same, different = (table[table.pairs_of == labels] for labels in ("same", "different"))
        assert np.average(same.distance, weights=same["count"]) < np.average(
            different.distance, weights=different["count"]
        )
    pd.testing.assert_frame_equal(statistics, distance_statistics(histogram), check_exact=True)


def test_a_network_of_other_views_is_refused(small, tmp_path):
    outputs = [tmp_path / f"{name}.csv" for name in ("rates", "histogram", "statistics")]
    settings = {"task": {**small.task, "grid": [2, 2]}, "triplets": 10, "seed": 4}
    with pytest.raises(
        InputError, match=r"0\.safetensors: its network takes views of 1 x 20 x 20; the task's are 1 x 40 x 20"
    ):
        measure_distances(small.weights, small.bank, None, *outputs, small.compute, **settings)
    assert not list(tmp_path.iterdir())


def test_a_family_says_which_value_each_run_has(tmp_path):
    paths = []
    for variant in ("alpha=0.1+tuple_size=2", "alpha=0.5+tuple_size=2"):
        rows = [{"task": "t", "model": "m", "variant": variant, "seed": 1, "metric": "recall", "value": 0.5}]
        paths.append(tmp_path / f"{variant}.csv")
        pd.DataFrame(rows).to_csv(paths[-1], index=False)
    variants = ("alpha=0.1+tuple_size=2", "alpha=0.5+tuple_size=2")
    one = dict(zip(variants, ({"alpha": 0.1}, {"alpha": 0.5})))
    collect_family(paths, tmp_path / "family.csv", family="f", parameters=one)
    table = pd.read_csv(tmp_path / "family.csv")
    assert list(table)[:6] == ["task", "model", "variant", "family", "parameter", "parameter_value"]
    assert table.parameter.unique().tolist() == ["alpha"] and table.parameter_value.tolist() == [0.1, 0.5]
    two = {variant: {"alpha": value, "beta_every": 1} for variant, value in zip(variants, (0.1, 0.5))}
    collect_family(paths, tmp_path / "family.csv", family="f", parameters=two)
    table = pd.read_csv(tmp_path / "family.csv")
    assert table.parameter.unique().tolist() == ["alpha, beta_every"]
    assert table.parameter_value.tolist() == ["0.1, 1", "0.5, 1"]
