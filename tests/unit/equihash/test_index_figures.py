"""Figures of bucket sizes and of multi-probing, from made-up tables."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import same_color
from scipy import stats

from figure_tables import (
    MODELS,
    band,
    bars,
    buckets,
    by_t,
    joined,
    lines_of,
    only,
    points,
    probes,
    query_buckets,
    words,
)
from rehash.equihash.figures.index import plot_bucket_sizes, plot_probes
from rehash.equihash.figures.query_buckets import plot_query_buckets
from rehash.equihash.results import query_buckets_summary


def counts(rows: pd.DataFrame) -> dict[int, int]:
    return dict(zip(rows.bucket_size, rows.buckets))


# --- bucket sizes


def test_numbers_of_buckets_beside_the_labels_expected():
    table = buckets()
    figure = plot_bucket_sizes(table)
    (panel,) = figure.axes
    *lines, ideal = joined(panel)
    for model, line, alone, marker in zip(MODELS[:2], lines, lines_of(panel, linestyle="None"), "os", strict=True):
        assert points(line) == counts(only(table, model=model)) and points(alone) == {9: 2, 40: 1}
        assert line.get_marker() == alone.get_marker() == marker and alone.get_markersize() < line.get_markersize()
        assert same_color(alone.get_color(), line.get_color())
        assert {6, 10} <= set(line.get_xdata()) - set(points(line))  # no line from 5 to 9 to 40
        assert 0 in line.get_markevery() and max(line.get_markevery()) < len(line.get_xdata())
    first, second = lines
    assert first.get_linestyle() != second.get_linestyle() and first.get_markevery() != second.get_markevery()
    assert points(ideal) == {1: 2500, 2: 1250, 3: 7.25, 4: 0.5}
    assert (ideal.get_color(), ideal.get_linestyle(), ideal.get_marker()) == ("black", ":", ".")
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log") and not panel.collections
    assert words(figure) == [*MODELS[:2], "labels, expected: one bucket a label"]
    assert words(plot_bucket_sizes(only(table, variant="default"))) == [*MODELS[:2]]
    assert figure.get_suptitle() == "task mnist: buckets of the index by their size\none seed, no spread over seeds"


def test_buckets_of_three_seeds():
    table = buckets(seeds=3)
    figure = plot_bucket_sizes(table)
    (panel,) = figure.axes
    for model, line, spread in zip(MODELS[:2], joined(panel)[:2], panel.collections, strict=True):
        groups = only(table, model=model).groupby("bucket_size").buckets
        assert points(line) == pytest.approx((groups.sum() / 3).to_dict()) and points(line)[40] == pytest.approx(1 / 3)
        assert band(spread) == {b: (groups.min()[b], groups.max()[b]) for b in (1, 2, 3, 4, 5, 9)}
        assert len(spread.get_paths()) == 2  # none between 5 and 9
    assert figure.get_suptitle().endswith("mean of 3 seeds, band: from the least to the largest")


def test_buckets_of_two_seeds_are_each_drawn():
    table = buckets(1, seeds=2)
    figure = plot_bucket_sizes(table)
    *lines, _ = joined(figure.axes[0])
    assert [points(line) for line in lines] == [counts(only(table, model=MODELS[0], seed=seed)) for seed in (0, 1)]
    one, _ = joined(plot_bucket_sizes(buckets(1)).axes[0])
    assert lines[0].get_linewidth() < one.get_linewidth() and not figure.axes[0].collections
    assert figure.get_suptitle().endswith("2 seeds, each drawn") and len(words(figure)) == 2


def test_a_panel_a_database_and_size():
    databases = (("10mdb", 10**7), ("10mdb", 10**6), ("small", 1000), ("small", 100_000))
    table = buckets(databases=databases)
    figure = plot_bucket_sizes(table[(table.model != MODELS[0]) | (table.database_size != 1000)])
    titles = ["small, 1,000 items", "small, 100,000 items", "10mdb, 1,000,000 items", "10mdb, 10,000,000 items"]
    assert words(panel.title for panel in figure.axes) == titles
    assert figure.axes[0].get_subplotspec().get_gridspec().ncols == 2
    line, ideal = joined(figure.axes[0])  # the second model keeps its marker
    assert line.get_marker() == "s" and points(line)[1] == 500 and points(ideal)[1] == 250
    five = plot_bucket_sizes(buckets(databases=(*databases, ("other", 50))))
    assert [panel.get_visible() for panel in five.axes] == [True] * 5 + [False]


def test_each_database_has_its_reference():
    first, second = buckets(databases=(("a", 100),)), buckets(databases=(("b", 100),))
    second.loc[second.model == "labels", "buckets"] = 77.0
    ideals = [joined(panel)[-1] for panel in plot_bucket_sizes(pd.concat([first, second])).axes]
    assert [points(ideal)[1] for ideal in ideals] == [25, 77] and len(ideals[0].get_xdata()) == 4  # its own rows alone


@pytest.mark.parametrize(("most", "expected"), [(40, {"1", "10"}), (9, {"1", "2", "5"})])
def test_sizes_of_buckets_are_in_plain_numbers(most, expected):
    figure = plot_bucket_sizes(buckets().query("bucket_size <= @most"))
    figure.draw_without_rendering()
    least, largest = figure.axes[0].get_xlim()
    shown = words(tick for tick in figure.axes[0].get_xticklabels() if least <= tick.get_position()[0] <= largest)
    assert expected <= set(shown) and "$" not in "".join(shown)


# --- what queries retrieve


def test_bars_of_queries_by_what_they_retrieve():
    table = query_buckets()
    figure = plot_query_buckets(table)
    (panel,) = figure.axes
    assert [tick.get_text().replace("\n", " ") for tick in panel.get_xticklabels()] == [
        "0",
        "1",
        "2 to 9",
        "10 to 99",
        "100 to 999",
        "1,000 to 9,999",
    ]
    found = [[bar.get_height() for bar in panel.containers[place]] for place in (0, 3)]
    missed = [[bar.get_height() for bar in panel.containers[place]] for place in (1, 4)]
    assert found == [pytest.approx([0, 0.2, part, 0, 0, 0]) for part in (0.099, 0.119)]
    assert missed == [pytest.approx([0.6, part, 0, 0, 0, 0.001], abs=1e-12) for part in (0.1, 0.08)]
    assert [bar.get_y() for bar in panel.containers[1]] == pytest.approx([0, 0.2, 0.099, 0, 0, 0])
    ends = stats.binomtest(600, 1000).proportion_ci(0.95, "exact")
    assert (round(0 - 0.2, 9), (pytest.approx(ends.low), pytest.approx(ends.high))) in bars(panel)
    assert words(figure) == [*MODELS[:2], "a relevant item among them", "no relevant item"]
    assert figure.get_suptitle().endswith("1,000 positive queries retrieves\nintervals: of one seed its own, at 95%")


def test_queries_of_several_seeds():
    (panel,) = plot_query_buckets(query_buckets(1, seeds=2)).axes
    assert next(bar.get_height() for bar in panel.containers[1]) == pytest.approx(0.595)
    assert bars(panel)[0] == (0, (0.59, 0.6)), "from the one to the other"
    figure = plot_query_buckets(query_buckets(1, seeds=4))
    assert bars(figure.axes[0])[0] == (0, pytest.approx(by_t([0.6, 0.59, 0.58, 0.57])))
    assert figure.get_suptitle().endswith("intervals: of more seeds that of their mean, at 95%")


def test_a_number_for_each_bar():
    row = query_buckets_summary(query_buckets(1)).iloc[0]
    assert row["positive queries"] == "1,000" and row["0 items"] == "0.600" and row["1 item"] == "0.300, 0.200 found"
    assert row["2 to 9 items"] == "0.099, 0.099 found" and row["1,000 to 9,999 items"] == "0.001"
    assert row["10,000 or more items"] == "0.000" and row["negative queries, 0 items"] == "0.900"
    (none,) = query_buckets_summary(only(query_buckets(1), asked="negative")).to_dict("records")
    assert (none["0 items"], none["positive queries"], none["negative queries, 0 items"]) == ("none", "0", "0.900")


def test_a_database_that_was_asked_nothing_says_so():
    nothing = query_buckets(1)[:0]
    assert words(plot_query_buckets(nothing).axes[0].texts) == ["Not measured: the database was asked no queries."]
    assert query_buckets_summary(nothing).empty
    figure = plot_query_buckets(only(query_buckets(1), asked="negative"))
    assert words(figure.axes[0].texts) == ["not measured"] and "of no positive queries" in figure.get_suptitle()


# --- multi-probing


def test_recall_and_precision_against_probes():
    table = probes()
    figure = plot_probes(table)
    for panel, metric in zip(figure.axes, ("recall", "precision"), strict=True):
        assert panel.get_title() == f"{metric}, 10mdb, 10,000 items"
        assert panel.get_xscale() == "log" and panel.get_ylim() == (-0.03, 1.03)
        assert panel.get_xlim()[0] < 1 and panel.get_xlim()[1] > 1000
        for model, line, spread, marker in zip(MODELS[:2], panel.lines, panel.collections, "os", strict=True):
            rows = only(table, model=model, metric=metric).dropna(subset="value").set_index("probes")
            drawn, ends = points(line), band(spread)
            assert {1000, 100, *range(3, 20)} <= set(drawn) and min(drawn) == rows.index[0]
            assert drawn == pytest.approx(rows.value[list(drawn)].to_dict())
            assert set(drawn) <= set(ends) and ends[100] == pytest.approx((rows.low[100], rows.high[100]))
            assert line.get_marker() == marker and 0 in line.get_markevery() and 6 <= len(line.get_markevery()) <= 7
            assert same_color(line.get_color(), spread.get_facecolor()[0][:3])
        first, second = (set(line.get_xdata()[line.get_markevery()]) for line in panel.lines)
        assert len(first & second) <= 2 and panel.lines[0].get_linestyle() != panel.lines[1].get_linestyle()
    figure.draw_without_rendering()
    ticks = [tick for tick in figure.axes[0].get_xticklabels() if 1 <= tick.get_position()[0] <= 1000]
    assert words(ticks) == ["1", "10", "100", "1,000"]
    assert words(figure) == [*MODELS[:2]] and "500 queries" in figure.get_suptitle()
    assert figure.get_suptitle().endswith("one seed, no spread over seeds; band of a run: its 95% interval")


def test_probes_of_three_seeds():
    table = probes(seeds=3)
    figure = plot_probes(table)
    for panel, metric in zip(figure.axes, ("recall", "precision")):
        for model, line, spread in zip(MODELS[:2], panel.lines, panel.collections, strict=True):
            values = only(table, model=model, metric=metric, probes=10).value
            assert points(line)[10] == pytest.approx(values.mean()) and band(spread)[10] == pytest.approx(by_t(values))
    assert figure.get_suptitle().endswith("mean of 3 seeds, band: 95% interval of the mean")


def test_probes_of_two_seeds_are_each_drawn():
    table = probes(1, seeds=2)
    panel = plot_probes(table).axes[0]
    assert [points(line)[10] for line in panel.lines] == only(table, metric="recall", probes=10).value.tolist()
    assert len(panel.collections) == 2
    assert panel.lines[0].get_linewidth() < plot_probes(probes(1)).axes[0].lines[0].get_linewidth()


def test_a_row_of_panels_a_database_and_size():
    table = probes(1, databases=(("10mdb", 10**7), ("small", 1000)), most=10)
    figure = plot_probes(table.assign(value=table.value.where(table.database == "small", 0.1)))
    names = ("small, 1,000 items", "10mdb, 10,000,000 items")
    titles = [f"{metric}, {name}" for name in names for metric in ("recall", "precision")]
    assert words(panel.title for panel in figure.axes) == titles
    assert points(figure.axes[2].lines[0]) == dict.fromkeys(range(1, 11), 0.1)


def test_where_nothing_is_retrieved_and_where_there_is_one_probe():
    table = probes(1, most=1)
    table.loc[table.metric == "precision", ["value", "low", "high"]] = np.nan
    recall, precision = plot_probes(table).axes
    assert words(precision.texts) == ["nothing retrieved"] and not precision.lines
    assert points(recall.lines[0]) == {1: 0.4} and recall.lines[0].get_markevery() == [0] and not recall.texts


def test_a_model_keeps_its_looks_where_it_has_no_row():
    table = probes()
    panel = plot_probes(table[(table.model == MODELS[1]) | (table.metric == "recall")]).axes[1]
    assert [line.get_marker() for line in panel.lines] == ["s"]
