"""What the report's first page says: verdicts by hand-made tables whose answer is plain, and no sentence with a hole."""

import doctest

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import figure_tables
from rehash import headlines
from rehash.comparison import headlines as comparison
from rehash.equihash import headlines as equihash
from rehash.hash_encoders import headlines as encoders
from rehash.hash_encoders.phase_chart import CRITICAL, NEITHER, SUFFICIENT, UNDER
from rehash.headlines import FAILS, HOLDS, MEASURED, PART, UNKNOWN, UNSHOWN, together
from toys import capacity_table, property_row, varied_table


def whole(headline: dict) -> dict:
    """The headline, whose sentences have no hole."""
    assert set(headline) == {"claimed", "found", "verdict"} and headline["found"].endswith((".", "%"))
    said = headline["claimed"] + headline["found"]
    assert not any(hole in said for hole in ("nan", "None", "{", "()", "  "))
    return headline


def test_the_examples_of_the_words():
    failed, tried = doctest.testmod(headlines)
    assert failed == 0 and tried > 5


def test_a_claim_of_several_parts_holds_only_if_all_do():
    assert together([HOLDS, HOLDS]) == HOLDS and together([HOLDS, UNSHOWN]) == together([PART, FAILS]) == PART
    assert together([UNSHOWN, FAILS]) == FAILS and together([UNKNOWN, UNKNOWN]) == UNKNOWN


def test_the_capacity_study_in_words():
    """Redundancy is 3 / width; K-NN at width 40 is 0.7, 0.71, 0.72 before and 0.2 more after training."""
    found = whole(encoders.capacity_headline(capacity_table()))
    assert found["verdict"] == HOLDS
    assert "100.0 ± 0.0% in a layer of 3 and 7.5 ± 0.0% in a layer of 40 units" in found["found"]
    assert (
        "91.0 ± 1.0% of the test inputs, and of 71.0 ± 1.0% before training (difference +20.0 points" in found["found"]
    )
    worse = encoders.capacity_headline(capacity_table(knn=((0.3, 0.5), (0.9, 0.7))))
    assert worse["verdict"] == PART, "codes are unique, but training makes them group worse"
    same = encoders.capacity_headline(capacity_table(widths=(40,), knn=((0.7, 0.705),)))
    assert same["verdict"] == UNSHOWN and "in a layer of 40 units" in whole(same)["found"]
    assert whole(encoders.capacity_headline(capacity_table(repeats=1)))["verdict"] == UNKNOWN
    assert encoders.capacity_headline(capacity_table().assign(knn=np.nan)) is None, "every network diverged"


def test_an_interval_in_words_is_students():
    apart = np.array([0.1, 0.12, 0.17])
    low, high = stats.t.interval(0.95, 2, apart.mean(), stats.sem(apart))
    said = headlines.points(pd.Series([0.2, 0.3, 0.4]), pd.Series([0.2, 0.3, 0.4]) + apart)
    assert said == f" (difference +13.0 points, 95% interval {100 * low:+.1f} to {100 * high:+.1f}, 3 networks)"


def test_a_study_in_words_changes_in_whatever_direction():
    for values in ((0.2, 0.8), (0.8, 0.2)):
        table = varied_table("sample_size", "sample_size", (10, 3000), "knn", values)
        found = whole(encoders.study_headline(table))
        assert found["verdict"] == HOLDS and "from sample size 10 to 3,000" in found["found"]
    assert encoders.study_headline(varied_table("sample_size", "sample_size", (10,), "knn", (0.2,))) is None


@pytest.mark.parametrize(
    ("regimes", "verdict"),
    [((UNDER, CRITICAL, SUFFICIENT), HOLDS), ((UNDER, CRITICAL, SUFFICIENT, NEITHER), PART), ((UNDER,), PART)],
)
def test_the_phase_chart_in_words(regimes, verdict):
    table = pd.DataFrame({"dataset": "d", "regime": regimes, "decided": True, "n": 3})
    assert whole(encoders.phase_chart_headline(table))["verdict"] == verdict
    assert encoders.phase_chart_headline(table.assign(decided=False))["verdict"] == UNSHOWN
    assert encoders.phase_chart_headline(table.assign(n=1))["verdict"] == UNKNOWN


def test_published_values_are_told_apart_and_split_ones_are_one():
    rows = [property_row(metric=metric, x=3, published_dataset="mnist", verdict=verdict) for metric, verdict in
            (("kmeans_train", "split unknown"), ("kmeans_test", "split unknown"), ("knn", "inside"))]  # fmt: skip
    found = encoders.published_values(pd.DataFrame(rows))
    assert found.value.nunique() == 2 and found.status.eq("inside").sum() == 1


@pytest.mark.parametrize("seeds", [1, 3])
def test_fingerprints_in_words(seeds):
    found = whole(equihash.distances_headline(*figure_tables.distances(models=2, seeds=seeds)))
    assert found["verdict"] == HOLDS and "shannon_hamming" in found["found"] and "hash_net" in found["found"]
    many = whole(equihash.distances_headline(*figure_tables.distances(models=6, seeds=1)))
    assert "2 more are in the table of numbers" in many["found"]
    histogram, rates, statistics = figure_tables.distances(models=1, seeds=seeds)
    trained = rates[rates.variant != "untrained"]
    swapped = {"recall_at_0": "fallout_at_0", "fallout_at_0": "recall_at_0"}
    against = equihash.distances_headline(histogram, trained.replace({"metric": swapped}), statistics)
    assert against["verdict"] == FAILS, "views of two things share fingerprints, those of one do not"
    whole(equihash.probes_headline(figure_tables.probes(seeds=seeds)))
    whole(equihash.retrieval_headline(figure_tables.retrieval(seeds=seeds), pd.DataFrame()))


def test_published_rates_in_words():
    none = whole(equihash.perfect_retrieval_headline(figure_tables.published(ours=0)))
    assert none["verdict"] == "None of the published rates can be judged here" and "20 not run" in none["found"]
    table = figure_tables.published(ours=0).assign(status="inside")
    assert equihash.perfect_retrieval_headline(table)["verdict"] == HOLDS
    assert equihash.perfect_retrieval_headline(table.assign(status="outside"))["verdict"] == FAILS
    assert equihash.perfect_retrieval_headline(table.assign(published=np.nan)) is None, "a database of one's own"


def test_the_comparison_names_the_best_the_worst_and_the_most_unique():
    rows = [{"dataset": "d", "source": name, "title": name.upper(), "bits": 16, "repeat": r, "redundancy": redundancy,
             "map": value + 0.01 * r} for name, value, redundancy in
            (("a", 0.2, 0.5), ("b", 0.9, 0.4), ("c", 0.5, 0.0), ("d", 0.6, 0.3)) for r in (0, 1)]  # fmt: skip
    found = whole(comparison.trade_headline(pd.DataFrame(rows)))
    assert "best with codes of B (0.905 ± 0.007), D (0.605 ± 0.007) and C" in found["found"]
    assert "and A (0.205 ± 0.007) the worst" in found["found"] and "those of C: 0.0 ± 0.0%" in found["found"]
    assert found["verdict"] == MEASURED and comparison.trade_headline(pd.DataFrame(rows).assign(bits=0)) is None
