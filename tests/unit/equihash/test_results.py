"""The report's tables of numbers, as text cells, from made-up tables."""

import numpy as np
import pandas as pd
from scipy.stats import gmean

from figure_tables import (
    FPR,
    ICR,
    MODELS,
    SIZES,
    buckets,
    by_t,
    checkpoints,
    diagnostics,
    distances,
    family,
    only,
    probes,
    published,
    retrieval,
    training,
    with_variant,
)
from rehash.equihash import results
from rehash.equihash.evaluation.comparison import found_and_predicted

NO_PREDICTIONS = found_and_predicted([])  # a database without synthetic fingerprints


def cell(values, form: str = ".3f", *, geometric: bool = False) -> str:
    """The mean of several seeds and its interval, written out."""
    low, high = by_t(values, geometric=geometric)
    return f"{(gmean if geometric else np.mean)(values):{form}} ({low:{form}} to {high:{form}})"


def own(row, form: str = ".3f") -> str:
    """The value of one run and its interval, written out."""
    return f"{row.value:{form}} ({row.low:{form}} to {row.high:{form}})"


def test_views():
    table = pd.DataFrame([("mnist", "test", 48_000, 10**9)], columns=["task", "split", "pictures", "labels"])
    assert results.views_summary(table).iloc[0].tolist() == ["mnist", "test", "48,000", "1,000,000,000"]


def test_spectra_at_some_frequencies():
    table = pd.DataFrame({"frequency": range(1, 31), "power_mean": np.pi, "power_sd": 1e-9 / 3})
    cells = results.perlin_summary(table)
    assert cells.frequency.tolist() == [1, 2, 5, 10, 20]
    assert set(cells.power_mean) == {"3.14"} and set(cells.power_sd) == {"3.33e-10"}


def test_training_is_of_each_seeds_last_step():
    table = training(1, 3)
    table = table[(table.seed != 2) | (table.step <= 50_000)].assign(precision_at_2=np.nan)
    cells = results.training_summary(table)
    assert cells[["model", "split"]].to_numpy().tolist() == [[MODELS[0], split] for split in ("train", "valid")]
    ends = [only(table, split="valid", seed=seed, step=step) for seed, step in ((0, 10**5), (1, 10**5), (2, 50_000))]
    row, last = cells.iloc[1], pd.concat(ends)
    assert row["worst triple of bits, share of 3 bits"] == cell(last.entropy_worst_3 / 3)
    assert row["median distance, same label (bits)"].startswith(f"{last.same_distance_median.mean():.1f} (")
    assert (row.step, row.seeds, row.pairs) == ("50,000 to 100,000", 3, "1,000")
    assert row["precision within distance 2"] == "none"


def test_diagnostics_at_the_last_evaluation():
    first, second = results.diagnostics_summary(*diagnostics(2, 3)).itertuples(index=False)
    columns = results.diagnostics_summary(*diagnostics(2, 3)).columns
    row = dict(zip(columns, first))
    assert row["largest element"] == cell([2.0, 3.0, 4.0], ".3g") and row["step"] == "6,000"
    assert row["clipped elements of the gradient, share"] == "0 (0 to 0)"
    norms = [cell([2.0, 3.0, 4.0], ".3g"), cell([0.2, 0.3, 0.4], ".3g")]
    assert row["norm of the gradient of terms"] == f"hamming {norms[0]}; shannon {norms[1]}"
    assert dict(zip(columns, second))["norm of the gradient of pairs"].startswith("pairs of one label 4 (")


def test_metrics_of_each_step():
    table = checkpoints(1, 1)
    found = results.checkpoints_summary(table)
    assert found.step.tolist() == ["0", "1,000", "5,000"] * 2 and "recall at 0" not in found
    rows = only(table, metric="recall", database_size=10**7)
    assert found.recall[3:].tolist() == [own(row) for row in rows.itertuples()]
    assert found["false positive rate"].iloc[-1] == "at most 2e-06"


def test_distances():
    tables = distances()
    _, rates, statistics = tables
    cells = results.distances_summary(*tables)
    assert cells.model.tolist() == [name for name in MODELS[:3] for _ in range(2)]
    assert cells.network.tolist() == ["trained", "untrained"] * 3 and set(cells.seeds) == {3}
    row, mine = cells.iloc[4], only(rates, model=MODELS[2], variant="default").set_index("metric").value
    assert row["recall, r = 1"] == cell(mine["recall_at_1"], ".3g")
    ends = mine["fallout_at_3"].agg(["mean", "min", "max"])
    assert row["fallout, r = 3"] == "{:.3g} ({:.3g} to {:.3g})".format(*ends)
    mine = only(statistics, model=MODELS[2], variant="default", pairs_of="different")
    assert row["different labels: mean distance (bits)"] == cell(mine["mean"], ".2f")
    assert row["deviation (bits)"] == cell(mine.deviation, ".2f")
    assert row["from Binomial(k, ½) (total variation)"] == cell(mine.binomial)
    one = [only(table, seed=0, variant="default") for table in tables]
    high = only(one[1], metric="fallout_at_0", model=MODELS[0]).high.item()
    assert results.distances_summary(*one)["fallout, r = 0"][0] == f"0 (0 to {high:.3g})"


def test_families():
    table = family([0.01, 0.5], seeds=3, zero_above=1)
    counts = [10.0, 0, 1000, 0, 100_000, 0]  # the values of each seed
    count = only(table, metric=ICR).assign(metric="internal_collisions", value=counts, high=7.0)
    cells = results.family_summary(pd.concat([table, count]))
    assert cells["entropy weight"].tolist() == ["0.01", "0.5"] and set(cells.seeds) == {3}
    (_, first), (_, second) = cells.iterrows()
    assert first.recall == cell(only(table, metric="recall", parameter_value=0.01).value)
    rates = only(table, metric=ICR, parameter_value=0.01).value
    assert first["irrelevant collision rate"] == cell(rates, ".2g", geometric=True)
    assert second["irrelevant collision rate"].startswith("at most 1e-10")
    assert first["internal collisions"].startswith("1,000 (")
    assert second["internal collisions"].startswith("at most 7 (")
    assert "perfect retrieval rate" in cells and first.database == "10mdb, 10,000,000 items"


def test_a_family_of_one_seed():
    table = family([0.01], seeds=1)
    assert results.family_summary(table).recall[0] == own(only(table, metric="recall").iloc[0])
    none = results.family_summary(family([0.01], seeds=1, zero_above=0))
    assert none["irrelevant collision rate"][0] == "at most 1e-10"


def test_bucket_sizes():
    """Of the second row of the larger size, and of the labels."""
    cells = results.bucket_sizes_summary(buckets(databases=(("10mdb", 10_000), ("10mdb", 1000))))
    assert cells.model.tolist() == [*MODELS[:2], "labels, expected"] * 2
    assert cells.database.tolist() == ["10mdb"] * 6 and cells.seeds.tolist() == [1, 1, ""] * 2
    found = {1: 10_000, 2: 1000, 3: 100, 4: 10, 5: 1, 9: 2, 40: 1}
    expected = {1: 250, 2: 125, 3: 7.25, 4: 0.5, 5: 0.499}  # it ends where less than half a bucket is expected
    for place, sizes, largest in ((3, found, "40"), (2, expected, "4")):
        row, count, items = cells.iloc[place], sum(sizes.values()), sum(size * n for size, n in sizes.items())
        assert (row["items"], row.buckets, row.largest) == (f"{items:,.0f}", f"{count:,.0f}", largest)
        assert row["items in a bucket, mean"] == f"{items / count:.2f}"
        assert row["share of items alone in their bucket"] == f"{sizes[1] / items:.3f}"


def test_bucket_sizes_of_several_seeds():
    row = results.bucket_sizes_summary(buckets(seeds=3)).iloc[0]
    totals = [sum(10_000 // 10**b + 7 * seed for b in range(5)) + 3 + seed for seed in range(3)]
    assert row.buckets == cell(totals, ",.0f")
    assert row.seeds == 3 and row.largest.startswith("41 (39 to 43)") and " to " in row["items"]


def test_probes():
    cells = results.probes_summary(probes(databases=(("10mdb", 10_000), ("small", 1000)), most=150))
    assert cells.model.tolist() == [*MODELS[:2]] * 2 and set(cells.queries) == {"500"} and set(cells.seeds) == {1}
    assert cells.database.tolist() == ["10mdb, 10,000 items"] * 2 + ["small, 1,000 items"] * 2
    counts = ("1 probe", "10 probes", "100 probes")
    assert list(cells)[4:] == [f"{metric}, {count}" for metric in ("recall", "precision") for count in counts]
    assert cells["recall, 1 probe"][0] == "0.400 (0.380 to 0.430)"
    assert cells["precision, 100 probes"][0] == "0.700 (0.680 to 0.730)"
    assert cells["precision, 1 probe"].tolist()[:2] == ["0.900 (0.880 to 0.930)", "none"]
    assert results.probes_summary(probes(seeds=3))["recall, 1 probe"][0] == cell([0.4, 0.42, 0.48])
    several = results.probes_summary(with_variant(probes(1)))
    assert "recall, 1,000 probes" in several
    assert several.model.tolist() == ["shannon_hamming, default", "shannon_hamming, lambda=1"]


def test_retrieval():
    """Metrics of pairs of views stand with the largest size."""
    table = retrieval(2, zero_below=10**7)
    cells = results.retrieval_summary(table, NO_PREDICTIONS)
    assert cells.model.tolist() == [MODELS[0]] * 4 + [MODELS[1]] * 4
    assert cells["items"].tolist() == [f"{size:,}" for size in SIZES] * 2
    row, rows = cells.iloc[1], only(table, model=MODELS[0], database_size=10**7).set_index("metric")
    keys = ["database", "seeds", "positive queries", "negative queries"]
    assert row[keys].tolist() == ["10mdb", 1, "10,000", "9,000"]
    for metric, form in (("recall", ".3f"), (FPR, ".3g"), ("internal_collisions", ",.0f")):
        assert row[metric.replace("_", " ")] == own(rows.loc[metric], form)
    assert cells["irrelevant collision rate"][0] == "at most 2e-06"
    for metric, expected in (("recall at 1", "0.630 (0.610 to 0.660)"), ("fallout at 0", "at most 0.0018")):
        assert cells[metric].tolist() == ["", "", "", expected] * 2


def test_pairs_of_views_stand_with_the_largest_size_that_has_them():
    table = retrieval(1)
    table = table[~table.metric.str.contains("_at_") | (table.database_size == 10**7)]
    cells = results.retrieval_summary(table, NO_PREDICTIONS)
    assert cells["recall at 0"].tolist() == ["", "0.510 (0.490 to 0.540)", "", ""]


def test_retrieval_of_several_seeds():
    table = retrieval(1, SIZES[:1], seeds=3)
    rows = table.index[table.metric == "internal_collisions"]
    table.loc[rows, ["value", "low", "high"]] = [[0, 0, 7], [1, 0, 9], [1, 0, 9]]
    row = results.retrieval_summary(table, NO_PREDICTIONS).iloc[0]
    assert row.recall == cell(only(table, metric="recall").value) and row.seeds == 3
    assert row["false positive rate"] == cell(only(table, metric=FPR).value, ".3g", geometric=True)
    assert row["internal collisions"].startswith(f"at most {7 ** (1 / 3):.0f} (")
    one = results.retrieval_summary(only(table, seed=1), NO_PREDICTIONS)
    assert one["internal collisions"][0] == "1 (0 to 9)"


def test_perfect_retrieval():
    cells = results.perfect_retrieval_summary(published(ours=1, digits=1)).set_index("model")
    assert cells["items"].tolist() == [f"{size:,}" for size in SIZES] * 5 + ["20,000"]
    assert cells["published (%)"].tolist()[:4] == ["48.0", "47.2", "43.3", "31.5"]
    ours = ["natural", "natural_1b", "1,000,000", "48.0", "49.00 (47.00 to 52.00)", "1,000,000", "1", "inside"]
    others = ["natural", "", "1,000,000", "46.7", "not run", "", "", "not run"]
    assert cells.loc["shannon_hamming"].iloc[0].tolist() == ours
    assert cells.loc["shannon_hamming_groups"].iloc[0].tolist() == others
    assert cells.iloc[-1][["task", "published (%)", "status"]].tolist() == ["digits", "none", "no published value"]


def test_perfect_retrieval_of_several_seeds():
    cells = results.perfect_retrieval_summary(published(ours=1, seeds=3))
    assert cells["ours (%)"][0] == cell([49, 52, 57], ".2f") and cells.seeds[0] == "3"
    assert cells.status[0] == "inside (1), outside (2)" and len(cells) == 20


def test_published_rates_that_cannot_be_compared():
    table = published(ours=1, digits=1)
    apart = table.assign(status=table.status.where(table.published.isna(), "not comparable"))
    cells = only(results.perfect_retrieval_summary(apart), task="natural")
    assert set(cells.status) == {"not comparable"}


def test_claims_of_published_rates():
    """Of the made-up table: 4 sizes of one model are run and inside, the 16 others are not run."""
    (claim,) = results.perfect_retrieval_claims(published(ours=1, digits=1))
    assert claim["verdict"] == "4 of 20 published rates inside"
    assert claim["text"] == "Published rates: 16 not run, 4 inside."
    other_seed = published(ours=1).iloc[[0]].assign(seed=2, status="outside")
    assert other_seed.value.notna().all()
    (claim,) = results.perfect_retrieval_claims(pd.concat([published(ours=1), other_seed]))
    assert claim["verdict"] == "3 of 20 published rates inside", "one is outside with another seed"
    assert claim["text"] == "Published rates: 16 not run, 3 inside, 1 inside and outside."
    apart = published(ours=1).assign(status="not comparable", why="another task")
    (claim,) = results.perfect_retrieval_claims(apart)
    assert claim["verdict"] == "No published rate is compared"
    assert claim["text"] == "Published rates: 20 not comparable; another task."
    assert results.perfect_retrieval_claims(apart.assign(published=np.nan)) == []
