"""Figures of bucket sizes and of multi-probing, from made-up tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.colors import same_color

from graphs import ROOT
from rehash.figures.equihash_index import (
    add_legend,
    bucket_table,
    plot_bucket_sizes,
    plot_probes,
    probe_table,
    range_words,
    seed_lines,
)
from rehash.figures.style import save_figure
from rehash.report import html_from_rst

MODELS = ("shannon_hamming", "hash_net", "jmlh", "hash_net_shannon", "pairs_of_bits")
NAN = float("nan")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def buckets(models=MODELS[:2], seeds=1, databases=(("10mdb", 10_000),)) -> pd.DataFrame:
    """Most buckets are small, sizes 1 to 5 follow each other, some stand alone; and the labels' expected numbers."""
    rows = []
    for database, size in databases:
        keys = {"task": "mnist", "database": database, "database_size": size}
        for m, model in enumerate(models):
            for seed in range(seeds):
                counts = {b: size // (10 ** (b - 1) * (m + 1)) + 7 * seed for b in range(1, 6)} | {
                    9: 2 + seed,
                    40 + seed: 1,
                }
                for b, n in counts.items():
                    rows.append({**keys, "model": model, "variant": "default", "seed": seed, "bucket_size": b, "buckets": n})  # fmt: skip
        for b, n in ((1, size / 4), (2, size / 8), (3, 7.25), (4, 0.5), (5, 0.499)):
            rows.append({**keys, "model": "labels", "variant": "expected", "seed": NAN, "bucket_size": b, "buckets": n})
    return pd.DataFrame(rows)


def probes(models=MODELS[:2], seeds=1, databases=(("10mdb", 10_000),), most=1000) -> pd.DataFrame:
    """Recall that rises and precision that falls, and has no value for the second model's first two probes."""
    t = np.arange(1, most + 1)
    tables = []
    for database, size in databases:
        for m, model in enumerate(models):
            for seed in range(seeds):
                keys = {"task": "mnist", "model": model, "variant": "default", "seed": seed, "database": database}
                keys["database_size"] = size
                found = {"recall": (0.4 - 0.05 * m + 0.02 * seed**2) * t**0.1}
                found["precision"] = np.where((t < 3) & (m == 1), NAN, 0.9 - 0.1 * np.log10(t) - 0.03 * seed**2)
                for metric, value in found.items():
                    part = {"probes": t, "metric": metric, "value": value, "low": value - 0.02, "high": value + 0.03}
                    tables.append(pd.DataFrame({**keys, **part, "n": 500}))
    return pd.concat(tables, ignore_index=True)


def of(table: pd.DataFrame, **values) -> pd.DataFrame:
    """Rows that have these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def by_t(values) -> tuple[float, float]:
    """Student's 95% interval, by scipy."""
    return scipy.stats.t.interval(0.95, len(values) - 1, np.mean(values), scipy.stats.sem(values))


def points(line) -> dict[float, float]:
    """The points of a line that are there."""
    x, y = (np.asarray(values, float) for values in line.get_data())
    return dict(zip(x[~np.isnan(y)].tolist(), y[~np.isnan(y)].tolist()))


def joined(panel) -> list:
    return [line for line in panel.lines if line.get_linestyle() != "None"]


def single(panel) -> list:
    return [line for line in panel.lines if line.get_linestyle() == "None"]


def band(collection) -> dict[float, tuple[float, float]]:
    """Ends of a band, by where they are."""
    corners = np.concatenate([path.vertices for path in collection.get_paths()])
    return {x: (corners[corners[:, 0] == x, 1].min(), corners[corners[:, 0] == x, 1].max()) for x in set(corners[:, 0])}


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


# --- lines of seeds


def test_lines_of_seeds():
    table = pd.DataFrame(
        [(2, 0, 0.0, 0.0, 0.5), (1, 0, 0.2, 0.1, 0.3), (1, 1, 0.8, 0.7, 0.9), (2, 1, NAN, NAN, NAN)],
        columns=["x", "seed", "value", "low", "high"],
    )
    first, second = seed_lines(table, "x")
    assert first.to_dict("list") == {
        "x": [1, 2],
        "value": [0.2, 0],
        "low": [0.1, 0],
        "high": [0.3, 0.5],
        "limit": [False] * 2,
    }
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


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], ""), ([NAN], ""), ([1000.0], "1,000"), ([2000, 1000, NAN], "1,000 to 2,000"), ([5, 5], "5")],
)
def test_ranges_in_words(values, expected):
    assert range_words(pd.Series(values, dtype=float)) == expected


@pytest.mark.parametrize(("letters", "columns"), [(3, 4), (40, 2), (300, 1)])
def test_a_legend_has_the_columns_that_there_is_room_for(letters, columns):
    figure = plt.figure(figsize=(7, 3))
    add_legend(figure, [plt.Line2D([], [], label="x" * letters)] * 5)
    assert figure.legends[0]._ncols == columns


# --- bucket sizes


def test_numbers_of_buckets_beside_the_labels_expected():
    table = buckets()
    figure = plot_bucket_sizes(table)
    (panel,) = figure.axes
    first, second, ideal = joined(panel)
    for line, alone, model, marker in zip((first, second), single(panel), MODELS, "os"):
        rows = of(table, model=model)
        assert points(line) == dict(zip(rows.bucket_size, rows.buckets)) and line.get_marker() == marker
        assert points(alone) == {9: 2, 40: 1} and alone.get_markersize() < line.get_markersize()
        assert same_color(alone.get_color(), line.get_color()) and alone.get_marker() == marker
        x, y = line.get_data()
        assert np.isnan(y[list(x).index(6)]) and np.isnan(y[list(x).index(10)])  # no line from 5 to 9 to 40
        assert 0 in line.get_markevery() and max(line.get_markevery()) < len(x)
    assert first.get_linestyle() != second.get_linestyle() and first.get_markevery() != second.get_markevery()
    assert points(ideal) == {1: 2500, 2: 1250, 3: 7.25, 4: 0.5}
    assert (ideal.get_color(), ideal.get_linestyle(), ideal.get_marker()) == ("black", ":", ".")
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "log")
    assert panel.get_title() == "10mdb, 10,000 items" and not panel.collections
    assert words(figure) == ["shannon_hamming", "hash_net", "labels, expected: one bucket a label"]
    assert figure.get_suptitle() == "task mnist: buckets of the index by their size\none seed, no spread over seeds"


def test_buckets_of_three_seeds():
    table = buckets(seeds=3)
    figure = plot_bucket_sizes(table)
    (panel,) = figure.axes
    for model, line, spread in zip(MODELS, joined(panel), panel.collections):
        rows = of(table, model=model)
        sums = rows.groupby("bucket_size").buckets.sum()
        assert points(line) == pytest.approx((sums / 3).to_dict())
        assert points(line)[40] == pytest.approx(1 / 3)
        expected = {
            b: (found.min(), found.max()) for b, found in rows.groupby("bucket_size").buckets if len(found) == 3
        }
        assert sorted(expected) == [1, 2, 3, 4, 5, 9] and band(spread) == expected
        assert len(spread.get_paths()) == 2  # none between 5 and 9
    assert len(panel.collections) == 2
    assert figure.get_suptitle().endswith("mean of 3 seeds, band: from the least to the largest")


def test_buckets_of_two_seeds_are_each_drawn():
    table = buckets(MODELS[:1], seeds=2)
    figure = plot_bucket_sizes(table)
    (panel,) = figure.axes
    first, second, _ = joined(panel)
    for line, seed in ((first, 0), (second, 1)):
        rows = of(table, model=MODELS[0], seed=seed)
        assert points(line) == dict(zip(rows.bucket_size, rows.buckets))
    (one, _) = joined(plot_bucket_sizes(buckets(MODELS[:1])).axes[0])
    assert first.get_linewidth() < one.get_linewidth() and not panel.collections
    assert figure.get_suptitle().endswith("2 seeds, each drawn") and len(words(figure)) == 2


def test_a_panel_a_database_and_size():
    databases = (("10mdb", 10**7), ("10mdb", 10**6), ("small", 1000), ("small", 100_000))
    table = buckets(databases=databases)
    gone = (table.model == MODELS[0]) & (table.database_size == 1000)
    figure = plot_bucket_sizes(table[~gone])
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == ["small, 1,000 items", "small, 100,000 items", "10mdb, 1,000,000 items", "10mdb, 10,000,000 items"]
    assert figure.axes[0].get_subplotspec().get_gridspec().ncols == 2
    line, ideal = joined(figure.axes[0])
    assert line.get_marker() == "s" and points(line)[1] == 500 and points(ideal)[1] == 250
    five = plot_bucket_sizes(buckets(databases=(*databases, ("other", 50))))
    assert [panel.get_visible() for panel in five.axes] == [True] * 5 + [False]


def test_each_database_has_its_reference():
    first, second = buckets(databases=(("a", 100),)), buckets(databases=(("b", 100),))
    second.loc[second.model == "labels", "buckets"] = 77.0
    figure = plot_bucket_sizes(pd.concat([first, second]))
    assert [points(joined(panel)[-1])[1] for panel in figure.axes] == [25, 77]
    assert len(joined(figure.axes[0])[-1].get_xdata()) == 4  # its own rows alone


def test_without_a_reference():
    figure = plot_bucket_sizes(of(buckets(), variant="default"))
    assert words(figure) == ["shannon_hamming", "hash_net"]


def test_sizes_of_buckets_are_in_plain_numbers():
    few = buckets().query("bucket_size < 10")
    for table, expected in ((buckets(), {"1", "10"}), (few, {"1", "2", "5", "10"})):
        figure = plot_bucket_sizes(table)
        figure.draw_without_rendering()
        least, most = figure.axes[0].get_xlim()
        ticks = zip(figure.axes[0].get_xticks(), figure.axes[0].get_xticklabels())
        shown = {tick.get_text() for place, tick in ticks if least <= place <= most}
        assert expected - {"10"} <= shown and all("$" not in text for text in shown)


def test_buckets_in_cells():
    cells = bucket_table(buckets(databases=(("10mdb", 10_000), ("10mdb", 1000))))
    assert cells.model.tolist() == [*MODELS[:2], "labels, expected"] * 2
    assert cells.database.tolist() == ["10mdb"] * 6 and cells.seeds.tolist() == [1, 1, ""] * 2
    row, ideal = cells.iloc[3], cells.iloc[2]
    items, count = 10_000 + 2 * 1000 + 3 * 100 + 4 * 10 + 5 * 1 + 9 * 2 + 40, 10_000 + 1000 + 100 + 10 + 1 + 2 + 1
    assert (row["items"], row.buckets) == (f"{items:,}", f"{count:,}")
    assert (row["items in a bucket, mean"], row.largest) == (f"{items / count:.2f}", "40")
    assert row["share of items alone in their bucket"] == f"{10_000 / items:.3f}"
    items, count = 250 + 2 * 125 + 3 * 7.25 + 4 * 0.5 + 5 * 0.499, 250 + 125 + 7.25 + 0.5 + 0.499
    assert (ideal["items"], ideal.buckets, ideal.largest) == (f"{items:,.0f}", f"{count:,.0f}", "4")
    assert ideal["items in a bucket, mean"] == f"{items / count:.2f}"
    assert ideal["share of items alone in their bucket"] == f"{250 / items:.3f}"


def test_buckets_of_several_seeds_in_cells():
    row = bucket_table(buckets(seeds=3)).iloc[0]
    totals = [sum(10_000 // 10**b + 7 * seed for b in range(5)) + 3 + seed for seed in range(3)]
    low, high = by_t(totals)
    assert row.buckets == f"{np.mean(totals):,.0f} ({low:,.0f} to {high:,.0f})"
    assert row.seeds == 3 and row.largest.startswith("41 (39 to 43)") and " to " in row["items"]


# --- multi-probing


def test_recall_and_precision_against_probes():
    table = probes()
    figure = plot_probes(table)
    assert len(figure.axes) == 2
    for panel, metric in zip(figure.axes, ("recall", "precision")):
        assert panel.get_title() == f"{metric}, 10mdb, 10,000 items"
        assert panel.get_xscale() == "log" and panel.get_ylim() == (-0.03, 1.03)
        assert panel.get_xlim()[0] < 1 and panel.get_xlim()[1] > 1000
        assert len(panel.lines) == len(panel.collections) == 2
        for model, line, spread, marker in zip(MODELS, panel.lines, panel.collections, "os"):
            rows = of(table, model=model, metric=metric).dropna(subset="value").set_index("probes")
            drawn = points(line)
            assert {1000, 100, *range(3, 20)} <= set(drawn) and min(drawn) == rows.index[0]
            assert drawn == pytest.approx(rows.value[list(drawn)].to_dict())
            ends = band(spread)
            assert set(drawn) <= set(ends) and ends[100] == pytest.approx((rows.low[100], rows.high[100]))
            assert line.get_marker() == marker and 0 in line.get_markevery() and 6 <= len(line.get_markevery()) <= 7
            assert same_color(line.get_color(), spread.get_facecolor()[0][:3])
        first, second = (set(line.get_xdata()[line.get_markevery()]) for line in panel.lines)
        assert len(first & second) <= 2 and panel.lines[0].get_linestyle() != panel.lines[1].get_linestyle()
    figure.draw_without_rendering()
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels() if 1 <= tick.get_position()[0] <= 1000] == ["1", "10", "100", "1,000"]  # fmt: skip
    assert words(figure) == list(MODELS[:2]) and "500 queries" in figure.get_suptitle()
    assert figure.get_suptitle().endswith("one seed, no spread over seeds; band of a run: its 95% interval")


def test_probes_of_three_seeds():
    table = probes(seeds=3)
    figure = plot_probes(table)
    for panel, metric in zip(figure.axes, ("recall", "precision")):
        for model, line, spread in zip(MODELS, panel.lines, panel.collections):
            values = of(table, model=model, metric=metric, probes=10).value
            assert points(line)[10] == pytest.approx(values.mean())
            assert band(spread)[10] == pytest.approx(by_t(values))
    assert figure.get_suptitle().endswith("mean of 3 seeds, band: 95% interval of the mean")


def test_probes_of_two_seeds_are_each_drawn():
    table = probes(MODELS[:1], seeds=2)
    panel = plot_probes(table).axes[0]
    assert [points(line)[10] for line in panel.lines] == of(table, metric="recall", probes=10).value.tolist()
    assert len(panel.collections) == 2
    assert panel.lines[0].get_linewidth() < plot_probes(probes(MODELS[:1])).axes[0].lines[0].get_linewidth()


def test_a_row_of_panels_a_database_and_size():
    table = probes(MODELS[:1], databases=(("10mdb", 10**7), ("small", 1000)), most=10)
    figure = plot_probes(table.assign(value=table.value.where(table.database == "small", 0.1)))
    titles = [panel.get_title() for panel in figure.axes]
    assert titles == [
        f"{metric}, {name} items"
        for name in ("small, 1,000", "10mdb, 10,000,000")
        for metric in ("recall", "precision")
    ]
    assert points(figure.axes[2].lines[0]) == dict.fromkeys(range(1, 11), 0.1)


def test_where_nothing_is_retrieved_and_where_there_is_one_probe():
    table = probes(MODELS[:1], most=1)
    table.loc[table.metric == "precision", ["value", "low", "high"]] = NAN
    recall, precision = plot_probes(table).axes
    assert precision.texts[0].get_text() == "nothing retrieved" and not precision.lines
    assert points(recall.lines[0]) == {1: 0.4} and recall.lines[0].get_markevery() == [0] and not recall.texts


def test_a_model_keeps_its_looks_where_it_has_no_row():
    table = probes(MODELS[:2])
    panel = plot_probes(table[(table.model == MODELS[1]) | (table.metric == "recall")]).axes[1]
    assert [line.get_marker() for line in panel.lines] == ["s"]


def test_probes_in_cells():
    table = probes(databases=(("10mdb", 10_000), ("small", 1000)), most=150)
    cells = probe_table(table)
    assert cells.model.tolist() == list(MODELS[:2]) * 2 and cells.queries.tolist() == ["500"] * 4
    assert cells.database.tolist() == ["10mdb, 10,000 items"] * 2 + ["small, 1,000 items"] * 2
    names = [
        f"{metric}, {count}" for metric in ("recall", "precision") for count in ("1 probe", "10 probes", "100 probes")
    ]
    assert list(cells)[4:] == names and set(cells.seeds) == {1}
    assert cells["recall, 1 probe"][0] == "0.400 (0.380 to 0.430)"
    assert cells["precision, 100 probes"][0] == "0.700 (0.680 to 0.730)"
    assert cells["precision, 1 probe"].tolist()[:2] == ["0.900 (0.880 to 0.930)", "none"]
    values = [0.4, 0.42, 0.48]
    low, high = by_t(values)
    cell = probe_table(probes(seeds=3))["recall, 1 probe"][0]
    assert cell == f"{np.mean(values):.3f} ({low:.3f} to {high:.3f})"
    assert "recall, 1,000 probes" in probe_table(probes(MODELS[:1]))


def test_variants_are_named_where_there_are_several():
    table = probes(MODELS[:1], most=10)
    several = pd.concat([table, table.assign(variant="lambda_s=1")])
    names = [f"{MODELS[0]}, default", f"{MODELS[0]}, lambda_s=1"]
    assert words(plot_probes(several)) == names and probe_table(several).model.tolist() == names
    table = buckets(MODELS[:1])
    other = of(table, model=MODELS[0]).assign(variant="lambda_s=1")
    assert words(plot_bucket_sizes(pd.concat([table, other])))[:2] == names


# --- files

FOUR = tuple(("10mdb", 10**n) for n in (6, 7, 8, 9))
FIGURES = {
    "buckets": lambda: plot_bucket_sizes(buckets(MODELS, 3, FOUR)),
    "buckets of one": lambda: plot_bucket_sizes(buckets(MODELS[:1])),
    "probes": lambda: plot_probes(probes(MODELS, 1, FOUR)),
    "probes of one": lambda: plot_probes(probes(MODELS[:1])),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_laid_out(name):
    figure = FIGURES[name]()
    figure.draw_without_rendering()
    legend, whole = figure.legends[0].get_window_extent(), figure.bbox
    assert whole.x0 <= legend.x0 and legend.x1 <= whole.x1
    for panel in figure.axes:
        box = panel.get_window_extent()
        assert box.width > 150 and panel.get_xlabel()
        label = panel.yaxis.label.get_window_extent()
        assert box.y0 - 15 < label.y0 and label.y1 < box.y1 + 15


def test_a_figure_is_written_the_same_twice(tmp_path):
    for name in ("a.pdf", "b.pdf"):
        save_figure(plot_bucket_sizes(buckets(seeds=3)), tmp_path / name)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


@pytest.mark.parametrize("study", ["bucket_sizes", "probes"])
def test_captions_are_sound(study):
    page = html_from_rst((ROOT / "workflow" / "report" / f"equihash_{study}.rst").read_text())
    assert "What to see" in page and "Against the published" in page
