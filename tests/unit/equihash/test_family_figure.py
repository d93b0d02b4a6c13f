"""The figure of a family of settings, from made-up rates."""

import numpy as np
import pytest
from matplotlib.markers import CARETDOWNBASE, CARETLEFTBASE
from matplotlib.text import Text
from scipy.stats import gmean

from figure_tables import ICR, LAMBDAS, MODELS, bars, by_t, family, lines_of, only, words
from rehash.equihash.figures.family import plot_family

RUN, MEAN = 2.5, 6  # sizes of marks


def line_of_means(panel, dashes: str = "-") -> tuple[np.ndarray, np.ndarray]:
    (line,) = lines_of(panel, linestyle=dashes, marker="None")
    return line.get_data()


def of_settings(table, metric: str):
    """The values of each setting, over seeds."""
    return only(table, metric=metric).groupby("parameter_value").value


def along(line, axis: str) -> list[float]:
    return list(getattr(line, f"get_{axis}data")())


def test_lines_join_means_over_seeds():
    table = family()
    trade, recall, collisions = plot_family(table).axes
    means, rates = of_settings(table, "recall").mean(), of_settings(table, ICR).apply(gmean)
    for panel, x, y in ((trade, rates, means), (recall, means.index, means), (collisions, means.index, rates)):
        assert np.allclose(line_of_means(panel), [x, y], rtol=1e-9)
    assert (trade.get_xscale(), trade.get_yscale()) == (recall.get_xscale(), recall.get_yscale()) == ("log", "linear")
    assert (collisions.get_xscale(), collisions.get_yscale()) == ("log", "log")
    assert "collision rate" in trade.get_xlabel() and recall.get_xlabel() == "entropy weight"
    assert words(trade.texts) == [f"{value:g}" for value in LAMBDAS]


def test_each_run_is_drawn():
    table = family(LAMBDAS[:4])
    trade, recall, collisions = plot_family(table).axes
    shown = (trade, "x", ICR), (trade, "y", "recall"), (recall, "y", "recall"), (collisions, "y", ICR)
    for panel, axis, metric in shown:
        (runs,) = lines_of(panel, markersize=RUN, marker="o")
        assert sorted(along(runs, axis)) == sorted(only(table, metric=metric).value)


def test_bars_are_the_interval_of_the_mean():
    table = family(LAMBDAS[:3], seeds=4)
    _, recall, collisions = plot_family(table).axes
    for panel, metric, geometric in ((recall, "recall", False), (collisions, ICR, True)):
        expected = [(value, by_t(found, geometric=geometric)) for value, found in of_settings(table, metric)]
        assert bars(panel) == [(value, pytest.approx(ends)) for value, ends in expected]


def test_two_seeds_have_no_bar_and_one_has_its_own():
    assert not bars(plot_family(family(LAMBDAS[:3], seeds=2)).axes[1])
    table = family(LAMBDAS[:3], seeds=1)
    figure = plot_family(table)
    rows = only(table, metric=ICR).itertuples()
    assert bars(figure.axes[2]) == [(row.parameter_value, pytest.approx((row.low, row.high))) for row in rows]
    assert "one seed" in figure.get_suptitle() and "of the run" in figure.get_suptitle()
    assert not any(len(line.get_xdata()) for panel in figure.axes for line in lines_of(panel, markersize=RUN))
    assert words(figure) == [*MODELS[:1]]


def test_a_rate_of_no_collision_is_an_upper_limit():
    """The last two settings have no collision, the one before them has none in one of five runs."""
    table = family(zero_above=9)
    at = (table.metric == ICR) & (table.parameter_value == 0.04)
    expected = [gmean([*table[at & (table.seed > 0)].value, 1e-9]), 1e-10, 1e-10]
    table.loc[at & (table.seed == 0), ["value", "low", "high"]] = 0, 0, 1e-9
    figure = plot_family(table)
    trade, _, collisions = figure.axes
    for panel, axis, caret in ((trade, "x", CARETLEFTBASE), (collisions, "y", CARETDOWNBASE)):
        found, limits = lines_of(panel, markersize=MEAN, marker="o")
        assert limits.get_markerfacecolor() == "white" and along(limits, axis) == pytest.approx(expected)
        (runs,) = lines_of(panel, markersize=RUN, markerfacecolor="white")
        assert found.get_markerfacecolor() != "white" and (len(found.get_xdata()), len(runs.get_xdata())) == (8, 11)
        _, arrows = lines_of(panel, marker=caret)
        assert np.array_equal(along(arrows, axis), np.array(along(limits, axis)) / 2)
    assert "upper limit: no collision met" in words(figure)
    of_limits = [ends for place, ends in bars(collisions) if round(place, 6) in (0.04, 0.05, 0.06)]
    assert len(of_limits) == 3 and all(np.ptp(np.log10(ends)) <= 0.31 for ends in of_limits)  # arrows, no interval


@pytest.mark.parametrize(
    ("values", "scale"),
    [([0.01, 0.1], "linear"), ([0.01, 0.11], "log"), ([0, 1, 100], "linear"), ([-1, 1, 100], "linear"),
     ([3], "linear"), (["a", "b"], "linear"), (["0.01", "0.02"], "linear")],
)  # fmt: skip
def test_the_scale_of_the_parameter(values, scale):
    """Numbers may be read as text; names stand at 0, 1, ..."""
    _, recall, collisions = plot_family(family(values, seeds=2)).axes
    assert recall.get_xscale() == collisions.get_xscale() == scale
    assert np.allclose(line_of_means(recall)[0], [0, 1] if "a" in values else np.array(values, float))


def test_names_in_place_of_numbers():
    panel = plot_family(family(["soft", "hard"], seeds=2, parameter="gradient")).axes[1]
    assert words(panel.get_xticklabels()) == ["soft", "hard"] and panel.get_xlabel() == "gradient"
    several = family(["0.1, 1", "0.1, 2", "0.2, 1"], seeds=2, parameter="lambda_s, tuple_size")
    trade, recall, collisions = plot_family(several).axes
    assert words(collisions.get_xticklabels()) == words(trade.texts) == ["v0", "v1", "v2"]
    assert recall.get_xlabel() == "lambda s, tuple size"


def test_marks_of_models_stand_apart():
    figure = plot_family(family(LAMBDAS[:3], 3, models=2, sizes=(10**6, 10**7), zero_above=0))
    assert len(figure.axes) == 6 and figure.axes[3].get_title() == "10mdb, 10,000,000 items"
    first, second = (line_of_means(figure.axes[2], dashes)[0] for dashes in ("-", "--"))
    assert (first < LAMBDAS[:3]).all() and (second > LAMBDAS[:3]).all()
    assert np.allclose((first + second) / 2, LAMBDAS[:3])


def test_values_are_written_off_each_other_and_off_the_means():
    figure = plot_family(family())
    figure.canvas.draw()
    panel = figure.axes[0]
    boxes = [Text.get_window_extent(text).extents for text in panel.texts]  # without the line to the mean
    means = panel.transData.transform(np.transpose(line_of_means(panel)))
    inside = panel.get_window_extent().extents
    for place, (left, bottom, right, top) in enumerate(boxes):
        assert inside[0] < left and inside[1] < bottom and right < inside[2] and top < inside[3]
        assert not any(left < x < right and bottom < y < top for x, y in means)
        for other in boxes[place + 1 :]:
            assert left >= other[2] or other[0] >= right or bottom >= other[3] or other[1] >= top
        assert np.hypot(*(means[place] - [(left + right) / 2, (bottom + top) / 2])) < 60


def test_runs_without_a_rate_are_left_out():
    table = family(LAMBDAS[:3], seeds=3)
    table.loc[(table.metric == "recall") & (table.seed == 1) & (table.parameter_value == 0.006), "value"] = np.nan
    _, recall, collisions = plot_family(table).axes
    rest = only(table[table.seed != 1], parameter_value=0.006)
    assert line_of_means(recall)[1][1] == pytest.approx(only(rest, metric="recall").value.mean())
    assert line_of_means(collisions)[1][1] == pytest.approx(gmean(only(rest, metric=ICR).value))
