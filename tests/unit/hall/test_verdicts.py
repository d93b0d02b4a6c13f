"""Claims against hand-computed values and scipy's intervals."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rehash.verdicts import CHANGES, HOLDS, NOTHING, SINGLE, against_predicted, compared, compared_runs, difference

NAMES = ("before", "after")


def by_repeat(*values: float) -> pd.Series:
    return pd.Series(values, range(len(values)), dtype=float)


# ---------------------------------------------------------------------------------------------------------------------
# Values over repeats


def test_a_claim_tells_both_means_their_spread_and_the_interval_of_the_difference():
    """By hand: differences 0.3, 0.5 and 0.4, their deviation 0.1, so half an interval is 4.3027 * 0.1 / sqrt(3)."""
    claim = compared(by_repeat(0.1, 0.2, 0.3), by_repeat(0.4, 0.7, 0.7), "The rate", NAMES)
    text = "The rate is 0.200 ± 0.100 (n = 3) before and 0.600 ± 0.173 (n = 3) after"
    assert claim == {"verdict": HOLDS[0], "text": f"{text}; difference +0.400 (95% interval +0.152 to +0.648)."}


@pytest.mark.parametrize(
    ("start", "end", "place"),
    [
        ((0.1, 0.2, 0.3), (0.4, 0.7, 0.7), 0),
        ((0.4, 0.7, 0.7), (0.1, 0.2, 0.3), 2),
        ((0.0, 0.1), (0.3, 0.6), 1),  # means 0.4 apart, deviations 0.07 and 0.21, but two pairs leave 0 inside
        ((0, 1, 2, 3), (0.1, 1.11, 2.1, 3.1), 1),  # the paired interval is around 0.1, but deviations are 1.3
        ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5), 1),
        ((0.5, 0.5, 0.5), (0.6, 0.6, 0.6), 0),  # no spread at all
        ((0, 1), (1, 3), 1),  # neither
    ],
)
def test_a_difference_has_to_pass_both_rules(start, end, place):
    start, end = by_repeat(*start), by_repeat(*end)
    for rises, verdicts in ((True, HOLDS), (False, HOLDS), (True, CHANGES)):
        claim = compared(start, end, "It", NAMES, rises=rises, verdicts=verdicts)
        assert claim["verdict"] == verdicts[place if rises else 2 - place]


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two to eight repeats of two values that may differ."""
    rng = np.random.default_rng(seed)
    n, apart = rng.integers(2, 9), rng.normal(0, 3)
    return rng.normal(0, 1, n), rng.normal(apart, 1, n)


def test_verdicts_and_intervals_are_scipys():
    said = set()
    for seed in range(40):
        start, end = drawn(seed)
        test, apart = stats.ttest_rel(end, start), np.mean(end) - np.mean(start)
        beyond = test.pvalue < 0.05 and abs(apart) > np.std(start, ddof=1) + np.std(end, ddof=1)
        claim = compared(by_repeat(*start), by_repeat(*end), "It", NAMES, verdicts=CHANGES)
        assert claim["verdict"] == CHANGES[1 if not beyond else 0 if apart > 0 else 2]
        low, high = test.confidence_interval(0.95)
        assert claim["text"].endswith(f"; difference {apart:+.3f} (95% interval {low:+.3f} to {high:+.3f}).")
        said.add(claim["verdict"])
    assert said == set(CHANGES), "the cases tell a verdict from its opposite"


def test_values_are_paired_by_repeat_and_not_by_place():
    """Repeat 2 has no end and repeat 9 no start, and repeat 3 diverged: none of them counts, in the means either."""
    start = pd.Series({0: 0.1, 1: 0.2, 2: 99.0, 3: 0.3, 4: 0.3})
    end = pd.Series({4: 0.7, 9: -99.0, 3: float("nan"), 1: 0.7, 0: 0.4})
    assert compared(start, end, "It", NAMES) == compared(
        by_repeat(0.1, 0.2, 0.3), by_repeat(0.4, 0.7, 0.7), "It", NAMES
    )


def test_one_repeat_has_no_spread_and_none_no_claim():
    one = compared(by_repeat(0.25), by_repeat(0.75), "It", NAMES)
    assert one == {"verdict": SINGLE, "text": "It is 0.250 (n = 1) before and 0.750 (n = 1) after."}
    assert compared(by_repeat(0.25, np.nan), by_repeat(np.nan, 0.75), "It", NAMES) is None
    assert compared(by_repeat(), by_repeat(0.75), "It", NAMES) is None


def test_a_small_difference_is_not_told_as_none():
    pairs = pd.DataFrame({"start": [0.0, 0.0, 0.0], "end": [0.0002, 0.0003, 0.0004]})
    assert difference(pairs) == "; difference +3e-04 (95% interval +5e-05 to +0.001)."
    pairs = pd.DataFrame({"start": [1.0, 2.0], "end": [1.0, 2.0]})
    assert difference(pairs, "change") == "; change +0.000 (95% interval +0.000 to +0.000)."


# ---------------------------------------------------------------------------------------------------------------------
# Single runs with intervals of their own


def runs(*rows: tuple[float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["value", "low", "high"])


@pytest.mark.parametrize(
    ("start", "end", "place"),
    [
        ((0.2, 0.1, 0.3), (0.5, 0.4, 0.6), 0),
        ((0.5, 0.4, 0.6), (0.2, 0.1, 0.3), 2),
        ((0.2, 0.1, 0.3), (0.35, 0.25, 0.45), 1),
        ((0.2, 0.1, 0.3), (0.4, 0.3, 0.5), 1),  # they touch
        ((0.2, 0.1, 0.3), (0.2, 0.15, 0.25), 1),
    ],
)
def test_one_seed_is_judged_by_the_two_intervals(start, end, place):
    for rises, verdicts in ((True, HOLDS), (False, HOLDS), (True, CHANGES)):
        claim = compared_runs(runs(start), runs(end), "It", NAMES, rises=rises, verdicts=verdicts)
        expected = verdicts[place if rises else 2 - place]
        assert claim["verdict"] == expected.replace("the spread", "both 95% intervals") != expected
    ends = [f"{value:.3g} (95% interval {low:.3g} to {high:.3g})" for value, low, high in (start, end)]
    assert claim["text"] == f"It is {ends[0]} before and {ends[1]} after (one seed)."


def test_several_seeds_are_judged_by_their_spread_and_not_by_their_intervals():
    start = runs((0.1, 0.0, 1.0), (0.2, 0.0, 1.0), (0.3, 0.0, 1.0))
    end = runs((0.4, 0.0, 1.0), (0.7, 0.0, 1.0), (0.7, 0.0, 1.0))
    assert compared_runs(start, end, "It", NAMES) == compared(start.value, end.value, "It", NAMES)
    assert compared_runs(start, end, "It", NAMES)["verdict"] == HOLDS[0]
    lone = compared_runs(start, end[:1], "It", NAMES)
    assert lone["verdict"] == SINGLE, "one seed of one of the two is compared with the same seed of the other"


def test_a_run_without_a_value_makes_no_claim():
    known, unknown = runs((0.2, 0.1, 0.3)), runs((np.nan, np.nan, np.nan))
    for pair in ((known, unknown), (unknown, known), (known, runs()), (runs(), known)):
        assert compared_runs(*pair, "It", NAMES) is None
    assert compared_runs(known, runs((0.9, np.nan, np.nan)), "It", NAMES)["verdict"] == NOTHING.replace(
        "the spread", "both 95% intervals"
    ), "without an interval, nothing is beyond it"


# ---------------------------------------------------------------------------------------------------------------------
# Against theory


def predictions(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["name", "found", "low", "high", "predicted"])


def test_predicted_values_are_counted_and_the_farthest_off_for_its_interval_is_told():
    rows = predictions(
        ("a", 0.5, 0.4, 0.6, 0.45),  # a quarter of the interval away
        ("b", 100.0, 50.0, 150.0, 160.0),  # 0.6 of it, outside
        ("c", 1e-6, 0.0, 2e-6, 2e-6),  # half of it, on its very end
        ("d", 0.5, np.nan, 0.6, 0.5),  # not known
        ("e", np.nan, 0.4, 0.6, 0.5),
    )
    claim = against_predicted(rows, "The model")
    assert claim == {
        "verdict": "2 of 3 predicted values inside",
        "text": "The model: 2 of 3 predicted values lie in the 95% interval of what was found. The one farthest off "
        "for its interval is b: found 100 (50 to 150), predicted 160.",
    }


def test_an_interval_of_no_width_is_far_from_nothing():
    exact = ("exact", 1.0, 1.0, 1.0, 1.0)
    assert against_predicted(predictions(exact), "It")["verdict"] == "1 of 1 predicted values inside"
    found = against_predicted(predictions(exact, ("near", 0.5, 0.4, 0.6, 0.51)), "It")
    assert found["verdict"] == "2 of 2 predicted values inside" and "is near: found 0.5" in found["text"]
    off = against_predicted(predictions(("near", 0.5, 0.4, 0.6, 0.51), ("off", 1.0, 1.0, 1.0, 0.9)), "It")
    assert off["verdict"] == "1 of 2 predicted values inside" and "is off: found 1 (1 to 1)" in off["text"]


def test_nothing_predicted_makes_no_claim():
    assert against_predicted(predictions(), "It") is None
    assert against_predicted(predictions(("a", 0.5, 0.4, 0.6, np.nan)), "It") is None
