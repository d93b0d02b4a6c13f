"""Several seeds of a network: their means and lines, words for both, and a legend of several networks."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from figure_tables import by_t
from rehash.figures.seeds import add_legend
from rehash.series import range_words, seed_lines, seed_mean, seed_words, spread_words


def test_means_over_seeds_have_students_interval_from_three_on():
    assert seed_mean([0.1, 0.4, 0.7]) == pytest.approx((0.4, *by_t([0.1, 0.4, 0.7])))
    assert seed_mean([0.1, np.nan, 0.4, 0.7]) == pytest.approx((0.4, *by_t([0.1, 0.4, 0.7])))
    mean, low, high = seed_mean([0.1, np.nan, 0.3])
    assert mean == pytest.approx(0.2) and np.isnan([low, high]).all()
    values = [1e-6, 1e-4, 1e-5]
    assert seed_mean(values, geometric=True) == pytest.approx((1e-5, *by_t(values, geometric=True)))


@pytest.mark.parametrize(
    ("values", "words"),
    [([], "none"), ([np.nan], "none"), ([0.25], "0.250"), ([0.25, 0.75], "0.500 (0.250 to 0.750)"),
     ([0.2, 0.5, 0.8], "0.500 (-0.245 to 1.245)"), ([0.5, np.nan, 0.7], "0.600 (0.500 to 0.700)")],
)  # fmt: skip
def test_seeds_in_words(values, words):
    assert seed_words(values) == words


@pytest.mark.parametrize(
    ("counts", "words"),
    [([1, 1], "one seed, no spread over seeds"), ([2, 2], "2 seeds, each drawn"), ([1, 2], "1 to 2 seeds, each drawn"),
     ([5, 5], "mean of 5 seeds, bar: 95% interval of the mean"),
     ([1, 4], "mean of 1 to 4 seeds, bar: 95% interval of the mean; fewer than 3: each drawn")],
)  # fmt: skip
def test_what_is_drawn_of_seeds_in_words(counts, words):
    assert spread_words(counts, "bar") == words


@pytest.mark.parametrize(
    ("values", "words"),
    [([], ""), ([np.nan], ""), ([1000.0], "1,000"), ([2000, 1000, np.nan], "1,000 to 2,000"), ([5, 5], "5")],
)
def test_ranges_in_words(values, words):
    assert range_words(pd.Series(values, dtype=float)) == words


def test_lines_of_seeds():
    table = pd.DataFrame(
        [(2, 0, 0.0, 0.0, 0.5), (1, 0, 0.2, 0.1, 0.3), (1, 1, 0.8, 0.7, 0.9), (2, 1, np.nan, np.nan, np.nan)],
        columns=["x", "seed", "value", "low", "high"],
    )
    first, second = seed_lines(table, "x")
    ascending = {"x": [1, 2], "value": [0.2, 0], "low": [0.1, 0], "high": [0.3, 0.5], "limit": [False] * 2}
    assert first.to_dict("list") == ascending
    assert second.x.tolist() == [1] and second.value.tolist() == [0.8]
    counted, _ = seed_lines(table, "x", counted=True)
    assert counted.value.tolist() == [0.2, 0.5] and counted.limit.tolist() == [False, True]
    third = pd.concat([table, table[:2].assign(seed=2, value=[0.4, 0.5])])
    (line,) = seed_lines(third, "x")
    assert line.value.tolist() == pytest.approx([1.5 / 3, 0.2]) and not line.limit.any()
    assert (line.low[0], line.high[0]) == pytest.approx(by_t([0.2, 0.8, 0.5])) and np.isnan(line.low[1])
    (line,) = seed_lines(third, "x", counted=True)
    assert line.value.tolist() == pytest.approx([0.08 ** (1 / 3), 0.2**0.5]) and line.limit.tolist() == [False, True]
    assert seed_lines(table[3:], "x") == []


def test_a_lone_run_among_means_keeps_its_interval():
    rows = [(1, seed, 0.1 * seed, 0.0, 1.0) for seed in (1, 2, 3)] + [(2, 3, 0.6, 0.5, 0.9)]
    (line,) = seed_lines(pd.DataFrame(rows, columns=["x", "seed", "value", "low", "high"]), "x")
    assert line.iloc[1].tolist() == [2, 0.6, 0.5, 0.9, False]


@pytest.mark.parametrize(("letters", "columns"), [(3, 4), (40, 2), (300, 1)])
def test_a_legend_has_the_columns_that_there_is_room_for(letters, columns):
    figure = plt.figure(figsize=(7, 3))
    add_legend(figure, [plt.Line2D([], [], label="x" * letters)] * 5)
    assert figure.legends[0]._ncols == columns
