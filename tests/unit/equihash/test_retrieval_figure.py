"""Figures of what an index finds and of the published rates, from made-up tables."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from matplotlib.markers import CARETDOWNBASE
from scipy.stats import gmean

from figure_tables import (
    FPR,
    ICR,
    MODELS,
    PANELS,
    PUBLISHED,
    SIZES,
    bars,
    by_t,
    ends_of_bars,
    joined,
    lines_of,
    marks,
    only,
    published,
    retrieval,
    with_variant,
    words,
)
from rehash.equihash.figures.retrieval import plot_published, plot_retrieval

MARKERS = "os^Dv"
DECADES = np.log10(SIZES)


def decades(*lines) -> np.ndarray:
    """Where the points of some lines stand, as logarithms, a row a line."""
    return np.log10(np.array([line.get_xdata() for line in lines], float))


def places(panel, markers: str) -> np.ndarray:
    """Where the first marks of each of these markers stand."""
    return decades(*(marks(panel, marker)[0] for marker in markers))


def hollow(line) -> bool:
    return line.get_markerfacecolor() == "white"


def with_rates(table: pd.DataFrame, metric: str, rates) -> pd.DataFrame:
    """The table with other values and intervals of a metric."""
    table.loc[table.metric == metric, ["value", "low", "high"]] = rates
    return table


# --- retrieval


def test_a_line_a_model_with_the_runs_own_intervals():
    table = retrieval()
    figure = plot_retrieval(table)
    for panel, metric in zip(figure.axes, PANELS, strict=True):
        assert panel.get_title() == metric.replace("_", " ") and panel.get_xscale() == "log"
        for model, line, marker in zip(MODELS[:5], joined(panel), MARKERS, strict=True):
            (points,) = marks(panel, marker)
            for drawn in (line, points):
                assert np.allclose(drawn.get_ydata(), only(table, metric=metric, model=model).value, rtol=1e-12)
                assert np.abs(decades(drawn) - DECADES).max() < 0.2
            assert same_color(points.get_color(), line.get_color())
        rows = only(table, metric=metric)
        assert np.allclose(ends_of_bars(panel), sorted(zip(rows.low, rows.high)), rtol=1e-9)
    assert len({line.get_linestyle() for line in joined(figure.axes[0])}) == 4  # and two sorts of dashes
    assert len({str(line._dash_pattern) for line in joined(figure.axes[0])}) == 5
    assert words(figure) == [*MODELS[:5]] and "10,000 positive and 9,000 negative queries" in figure.get_suptitle()
    assert figure.get_suptitle().endswith("one seed, no spread over seeds; bar: 95% interval of the run")


def test_a_database_that_is_asked_its_items_has_a_row_more():
    """Of rates of these queries, and of mean sizes, which may be 0 or thousands."""
    table = retrieval(2)
    recall = table[table.metric == "recall"]
    sizes = recall.assign(metric="items_retrieved", value=[0, 0.5, 3, 4000] * 2, low=0, high=5000)
    assert len(plot_retrieval(pd.concat([table, sizes])).axes) == 6, "of labels, whose sizes stand in the table"
    rates = [recall.assign(metric=metric) for metric in ("own_item_rate", "alone_in_bucket_rate")]
    axes = plot_retrieval(pd.concat([table, *rates, sizes])).axes
    titles = ["own item rate", "alone in bucket rate", "items retrieved"]
    assert [panel.get_title() for panel in axes[6:]] == titles and len(axes) == 9
    assert marks(axes[7], "s")[0].get_ydata().tolist() == only(recall, model=MODELS[1]).value.tolist()
    assert marks(axes[8], "o")[0].get_ydata().tolist() == [0, 0.5, 3, 4000]
    assert axes[7].get_ylim() == (-0.03, 1.03) and axes[8].get_ylim()[0] == 0 and axes[8].get_ylim()[1] > 5000


def test_what_counts_is_logarithmic_and_shares_are_whole():
    table = retrieval()
    axes = plot_retrieval(table).axes
    assert [panel.get_yscale() for panel in axes] == ["linear", "log", "linear", "linear", "linear", "log"]
    assert all(axes[place].get_ylim() == (-0.03, 1.03) for place in (0, 2, 3, 4))
    rows, (bottom, top) = only(table, metric=FPR), axes[1].get_ylim()
    assert bottom <= rows.low.min() < 10 * bottom and top / 10 < rows.high.max() <= top
    assert np.log10([bottom, top]) == pytest.approx(np.log10([bottom, top]).round())


def test_marks_of_models_stand_apart_in_the_order_of_the_legend():
    panel = plot_retrieval(retrieval()).axes[2]
    found = places(panel, MARKERS)
    assert np.allclose(np.diff(found, axis=0), 0.06) and np.allclose(found[2], DECADES)  # the middle one
    assert words(panel.get_xticklabels())[::-1] == ["1M", "10M", "100M", "1B"]
    found = places(plot_retrieval(retrieval(2)).axes[2], "os")
    assert np.allclose(found[1] - found[0], 0.08) and np.allclose(found.mean(axis=0), DECADES)


def test_near_sizes_share_a_tick_and_have_less_room():
    panel = plot_retrieval(retrieval(2, (1000, 10**6, 1_050_000, 10**9))).axes[0]
    assert dict(zip(words(panel.get_xticklabels()), panel.get_xticks())) == {
        "1k": 1000,
        "1.05M": 1_050_000,
        "1B": 10**9,
    }
    assert np.allclose(np.diff(places(panel, "os"), axis=0), 0.08 * np.log10(1.05))


def test_one_size_gives_points_and_no_line():
    figure = plot_retrieval(retrieval(2, (20_000,)))
    for panel in figure.axes:
        (points,) = marks(panel, "o")
        assert len(points.get_xdata()) == 1 and words(panel.get_xticklabels()) == ["20k"]
        assert panel.get_xlim() == pytest.approx((20_000 / 10**0.5, 20_000 * 10**0.5))
    assert [handle.get_linestyle() for handle in figure.legends[0].legend_handles] == ["None", "None"]


def test_zeros_that_count_are_upper_limits():
    table = retrieval(2, zero_below=10**7)
    figure = plot_retrieval(table)
    for place, metric in ((1, FPR), (5, ICR)):
        panel = figure.axes[place]
        for model, marker in zip(MODELS[:2], "os"):
            found, limit = marks(panel, marker)
            assert np.allclose(found.get_ydata(), only(table, metric=metric, model=model).value[1:])
            assert limit.get_ydata() == pytest.approx([2e-6]) and hollow(limit) and not hollow(found)
        assert np.allclose([arrow.get_ydata() for arrow in lines_of(panel, marker=CARETDOWNBASE)], [[1e-6], [1e-6]])
        for line in joined(panel):
            assert np.isnan(line.get_ydata()).tolist() == [True, False, False, False]
    assert words(figure) == [*MODELS[:2], "none counted: upper limit"]
    (points,) = marks(plot_retrieval(with_rates(table, "recall", [0, 0, 0.1])).axes[2], "o")
    assert points.get_ydata().tolist() == [0, 0, 0, 0] and not hollow(points)  # a recall of zero is a recall


@pytest.mark.parametrize(
    ("rates", "limits"),
    [([0, 0, 2e-6], (1e-7, 1e-5)), ([0, 0, 6e-6], (1e-7, 1e-5)), ([0.5, 1e-9, 1.0], (1e-3, 1.5))],
)
def test_a_logarithmic_axis_has_two_decades_and_few_below_its_least_value(rates, limits):
    table = retrieval(1, (20_000,))
    for metric, place in ((FPR, 1), (ICR, 5)):
        assert plot_retrieval(with_rates(table, metric, rates)).axes[place].get_ylim() == pytest.approx(limits)


def test_means_over_three_seeds_have_the_interval_of_the_mean():
    table = retrieval(2, seeds=3)
    figure = plot_retrieval(table)
    for panel, metric in zip(figure.axes, PANELS):
        geometric = metric in (FPR, ICR)
        groups = only(table, metric=metric).groupby(["model", "database_size"]).value
        for model, marker in zip(MODELS[:2], "os"):
            (points,) = marks(panel, marker)
            assert np.allclose(points.get_ydata(), groups.apply(gmean if geometric else np.mean)[model], rtol=1e-12)
        assert np.allclose(ends_of_bars(panel), sorted(groups.apply(by_t, geometric=geometric)), rtol=1e-9)
    title = "mean of 3 seeds, bar: 95% interval of the mean; rates on logarithmic axes: geometric mean"
    assert figure.get_suptitle().endswith(title)


def test_a_mean_with_an_upper_limit_is_one():
    rates = [[0, 0, 4e-4], [1e-3, 5e-4, 2e-3], [1e-2, 5e-3, 2e-2]]
    panel = plot_retrieval(with_rates(retrieval(1, (20_000,), seeds=3), FPR, rates)).axes[1]
    (limit,) = marks(panel, "o")
    assert hollow(limit) and limit.get_ydata() == pytest.approx([gmean([4e-4, 1e-3, 1e-2])])


def test_two_seeds_are_each_drawn():
    table = retrieval(2, seeds=2)
    figure = plot_retrieval(table)
    panel, rows = figure.axes[2], only(table, metric="recall", model=MODELS[1])
    drawn = marks(panel, "s")
    assert [line.get_ydata().tolist() for line in drawn] == [only(rows, seed=seed).value.tolist() for seed in (0, 1)]
    assert np.allclose(np.diff(decades(*drawn), axis=0), 0.04)
    assert len(bars(panel)) == 16 and len(joined(panel)) == 4 and len(words(figure)) == 2
    assert "2 seeds, each drawn; bar: 95% interval of the run" in figure.get_suptitle()


def test_a_size_that_only_one_of_three_seeds_has():
    table = retrieval(1, seeds=3)
    panel = plot_retrieval(table[(table.database_size < 10**9) | (table.seed == 2)]).axes[2]
    row = only(table, metric="recall", database_size=10**9, seed=2).iloc[0]
    assert marks(panel, "o")[0].get_ydata()[-1] == row.value
    assert len(bars(panel)) == 4 and any(np.allclose(ends, (row.low, row.high)) for ends in ends_of_bars(panel))


def test_databases_are_named_where_there_are_several():
    table = with_variant(retrieval(2, SIZES[:1]))
    elsewhere = only(table, model=MODELS[1]).assign(database="small", database_size=1000)
    figure = plot_retrieval(pd.concat([table, elsewhere]))
    assert words(figure) == [
        "shannon_hamming, default",
        "hash_net, 10mdb",
        "shannon_hamming, lambda=1",
        "hash_net, small",
    ]
    assert "database 10mdb, small" in figure.get_suptitle()
    assert [len(marks(figure.axes[0], marker)) for marker in "os^D"] == [1, 1, 1, 1]


def test_metrics_that_were_not_measured_and_values_that_rounding_moved():
    table = with_rates(retrieval(2).query("metric != @FPR"), "jaccard", np.nan)
    recall = table.metric == "recall"
    table.loc[recall, "low"] = table.value[recall] + 1e-16
    figure = plot_retrieval(table)
    for place in (1, 3):
        assert words(figure.axes[place].texts) == ["not measured"] and not figure.axes[place].lines
    assert "no negative queries" in figure.get_suptitle() and len(marks(figure.axes[2], "o")) == 1


# --- published


def test_published_rates_are_open_and_in_percent():
    """Lines ascend whatever the order of the rows."""
    figure, backwards = plot_published(published()), plot_published(published().iloc[::-1])
    (panel,) = figure.axes
    lines = zip(PUBLISHED.values(), panel.lines, backwards.axes[0].lines[::-1], MARKERS, strict=True)
    for rates, line, same, marker in lines:
        assert np.allclose([line.get_ydata(), same.get_ydata()], 100 * np.array(rates))
        assert line.get_xdata().tolist() == same.get_xdata().tolist() == [*SIZES]
        assert hollow(line) and line.get_marker() == marker
    assert len({str(line._dash_pattern) for line in panel.lines}) == 5 and not bars(panel)
    assert "not run" in figure.get_suptitle() and "error below 0.1 points" in figure.get_suptitle()
    assert words(figure) == [*(f"{model}, natural" for model in PUBLISHED), "open: published"]
    assert panel.get_ylim()[0] < 0 < 48 < panel.get_ylim()[1]


def test_ours_beside_the_published_have_their_markers():
    table = published(ours=2, digits=2)
    figure = plot_published(table)
    (panel,) = figure.axes
    for model, marker, theirs in zip(PUBLISHED, "os", panel.lines):
        rows = only(table, model=model, task="natural")
        (ours,) = marks(panel, marker)
        assert np.allclose([ours.get_ydata(), theirs.get_ydata()], 100 * rows[["value", "published"]].T)
        assert np.allclose(decades(ours) - DECADES, 0.07) and not hollow(ours)
        assert same_color(ours.get_color(), theirs.get_color())
    measured = 100 * table.dropna(subset="value")[["low", "high"]]
    assert np.allclose(ends_of_bars(panel), sorted(zip(measured.low, measured.high)))
    networks = [*(f"{model}, natural" for model in PUBLISHED), "shannon_hamming, digits", "hash_net, digits"]
    assert words(figure) == [*networks, "open: published", "filled: ours"]
    looks = [hollow(handle) for handle in figure.legends[0].legend_handles]
    assert looks == [False, False, True, True, True, False, False, True, False]
    assert places(panel, "PX")[:, 0] - np.log10(20_000) == pytest.approx([-0.035, 0.035])
    assert "2,000 to 1,000,000 queries" in figure.get_suptitle() and "one seed" in figure.get_suptitle()


def test_several_seeds_of_ours():
    table = published(ours=1, seeds=3)
    figure = plot_published(table)
    groups = (100 * only(table, model=MODELS[0]).set_index("database_size").value).groupby(level=0)
    (points,) = marks(figure.axes[0], "o")
    assert np.allclose(points.get_ydata(), groups.mean())
    assert np.allclose(ends_of_bars(figure.axes[0]), sorted(groups.apply(by_t)))
    assert figure.get_suptitle().endswith("ours: mean of 3 seeds, bar: 95% interval of the mean")
    assert len(figure.axes[0].lines) == 5 + 1 + 1 + 2  # published, ours, its marks, their caps
    assert len(marks(plot_published(published(ours=1, seeds=2)).axes[0], "o")) == 2


def test_without_published_rates_only_ours_are_drawn():
    figure = plot_published(only(published(digits=1), task="digits"))
    assert words(figure) == ["shannon_hamming, digits", "filled: ours"] and marks(figure.axes[0], "o")
    assert figure.get_suptitle().startswith("perfect retrieval: ours, 2,000 queries")


def test_rates_that_cannot_be_compared_say_why():
    table = published(ours=1, digits=1)
    assert "NOT COMPARABLE" not in plot_published(table).get_suptitle()
    apart = table.assign(why=np.where(table.published.notna(), "another task and metric", None))
    assert plot_published(apart).get_suptitle().endswith("NOT COMPARABLE with ours: another task and metric")
