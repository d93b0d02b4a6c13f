"""Figures of what an index finds and of the published rates, from made-up tables."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color
from matplotlib.markers import CARETDOWNBASE

from graphs import ROOT
from rehash.figures.equihash_retrieval import plot_published, plot_retrieval, published_table, summary_table
from rehash.figures.style import save_figure
from rehash.report import html_from_rst

MODELS = ("shannon_hamming", "hash_net", "jmlh", "hash_net_shannon", "pairs_of_bits")
SIZES = (10**6, 10**7, 10**8, 10**9)
PANELS = ["true_positive_rate", "false_positive_rate", "recall", "jaccard", "perfect_retrieval_rate", "irrelevant_collision_rate"]  # fmt: skip
FPR, ICR = PANELS[1], PANELS[5]
NAN = float("nan")


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def retrieval(models=MODELS, sizes=SIZES, seeds=1, database="10mdb", zero_below=0) -> pd.DataFrame:
    """Shares that fall with the size, small rates that grow; no false positive in databases below `zero_below`."""
    rows = []
    for m, model in enumerate(models):
        for seed in range(seeds):
            chance = np.random.default_rng([m, seed])
            for s, size in enumerate(sizes):
                keys = {
                    "task": "mnist",
                    "model": model,
                    "variant": "default",
                    "seed": 3210 + seed,
                    "database": database,
                }
                keys["database_size"] = size
                level = 0.8 - 0.1 * m - 0.05 * s
                for metric in (*PANELS, "internal_collisions"):
                    value = max(0.0, level + 0.01 * chance.normal())
                    low, high, n = value - 0.011, value + 0.013, 10_000
                    if metric in (FPR, ICR):
                        value = 10 ** (m + s - 9 + chance.normal() / 5) * (size >= zero_below)
                        low, high = value / 2, 3 * value + 2e-6 * (value == 0)
                    if metric == "internal_collisions":
                        value = float(chance.integers(2000, 9000))
                        low, high, n = value - 40, value + 50, size
                    if metric == FPR:
                        n = 9_000
                    rows.append({**keys, "metric": metric, "value": value, "low": low, "high": high, "n": n})
                for r in range(2):
                    keys_of_pairs = {**keys, "metric": f"recall_at_{r}", "value": 0.5 + r / 10 + s / 100}
                    rows.append({**keys_of_pairs, "low": 0.4, "high": 0.9, "n": 2000})
                    rows.append({**keys_of_pairs, "metric": f"fallout_at_{r}", "value": 0.0, "low": 0.0, "high": 0.0018, "n": 2000})  # fmt: skip
    return pd.DataFrame(rows)


def of(table: pd.DataFrame, **values) -> pd.DataFrame:
    """Rows that have these values."""
    for column, value in values.items():
        table = table[table[column] == value]
    return table


def by_t(values) -> tuple[float, float]:
    """Student's 95% interval, by scipy."""
    return scipy.stats.t.interval(0.95, len(values) - 1, np.mean(values), scipy.stats.sem(values))


def marks(panel, marker: str) -> list:
    """What was drawn with this marker and without a line, if it has points."""
    return [
        line for line in panel.lines
        if line.get_marker() == marker and line.get_linestyle() == "None" and len(line.get_xdata())
    ]  # fmt: skip


def decades(line) -> np.ndarray:
    """Where marks stand, as logarithms."""
    return np.log10(np.asarray(line.get_xdata(), float))


def joined(panel) -> list:
    return [line for line in panel.lines if line.get_linestyle() != "None"]


def bars(panel) -> list[tuple[float, float]]:
    """Ends of all vertical bars."""
    found = []
    for collection in panel.collections:
        if isinstance(collection, LineCollection):
            found += [tuple(sorted(segment[:, 1])) for segment in collection.get_segments()]
    return sorted(found)


def words(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


# --- retrieval


def test_a_line_a_model_with_the_runs_own_intervals():
    table = retrieval()
    figure = plot_retrieval(table)
    assert len(figure.axes) == 6
    for panel, metric in zip(figure.axes, PANELS):
        assert panel.get_title() == metric.replace("_", " ") and panel.get_xscale() == "log"
        assert len(joined(panel)) == 5
        for model, line, marker in zip(MODELS, joined(panel), "os^Dv"):
            rows = of(table, metric=metric, model=model)
            (points,) = marks(panel, marker)
            for drawn in (line, points):
                assert np.allclose(drawn.get_ydata(), rows.value, rtol=1e-12)
                assert np.abs(decades(drawn) - np.log10(SIZES)).max() < 0.2
            assert same_color(points.get_color(), line.get_color())
        rows = of(table, metric=metric)
        assert np.allclose(bars(panel), sorted(zip(rows.low, rows.high)), rtol=1e-9)
    assert len({line.get_linestyle() for line in joined(figure.axes[0])}) == 4  # and two sorts of dashes
    assert len({str(line._dash_pattern) for line in joined(figure.axes[0])}) == 5
    assert words(figure) == list(MODELS)
    assert "10,000 positive and 9,000 negative queries" in figure.get_suptitle()
    assert figure.get_suptitle().endswith("one seed, no spread over seeds; bar: 95% interval of the run")


def test_what_counts_is_logarithmic_and_shares_are_whole():
    axes = plot_retrieval(retrieval()).axes
    assert [panel.get_yscale() for panel in axes] == ["linear", "log", "linear", "linear", "linear", "log"]
    assert all(axes[place].get_ylim() == (-0.03, 1.03) for place in (0, 2, 3, 4))
    rows = of(retrieval(), metric=FPR)
    bottom, top = axes[1].get_ylim()
    assert bottom <= rows.low.min() < 10 * bottom and top / 10 < rows.high.max() <= top
    assert np.log10([bottom, top]) == pytest.approx(np.log10([bottom, top]).round())


def test_marks_of_models_stand_apart_in_the_order_of_the_legend():
    panel = plot_retrieval(retrieval()).axes[2]
    places = np.array([decades(marks(panel, marker)[0]) for marker in "os^Dv"])
    assert np.allclose(np.diff(places, axis=0), 0.06)
    assert np.allclose(places[2], np.log10(SIZES))  # the middle one
    assert [tick.get_text() for tick in panel.get_xticklabels()][::-1] == ["1M", "10M", "100M", "1B"]
    two = plot_retrieval(retrieval(MODELS[:2])).axes[2]
    places = np.array([decades(marks(two, marker)[0]) for marker in "os"])
    assert np.allclose(places[1] - places[0], 0.08) and np.allclose(places.mean(axis=0), np.log10(SIZES))


def test_near_sizes_share_a_tick_and_have_less_room():
    panel = plot_retrieval(retrieval(MODELS[:2], (1000, 10**6, 1_050_000, 10**9))).axes[0]
    assert sorted(panel.get_xticks()) == [1000, 1_050_000, 10**9]
    assert {tick.get_text() for tick in panel.get_xticklabels()} == {"1k", "1.05M", "1B"}
    places = np.array([decades(marks(panel, marker)[0]) for marker in "os"])
    assert np.allclose(places[1] - places[0], 0.08 * np.log10(1.05))


def test_one_size_gives_points_and_no_line():
    figure = plot_retrieval(retrieval(MODELS[:2], (20_000,)))
    for panel in figure.axes:
        (points,) = marks(panel, "o")
        assert len(points.get_xdata()) == 1
        assert [tick.get_text() for tick in panel.get_xticklabels()] == ["20k"]
        assert panel.get_xlim() == pytest.approx((20_000 / 10**0.5, 20_000 * 10**0.5))
    assert [handle.get_linestyle() for handle in figure.legends[0].legend_handles] == ["None", "None"]


def test_zeros_that_count_are_upper_limits():
    table = retrieval(MODELS[:2], zero_below=10**7)
    figure = plot_retrieval(table)
    for place, metric in ((1, FPR), (5, ICR)):
        panel = figure.axes[place]
        for model, marker in zip(MODELS, "os"):
            rows = of(table, metric=metric, model=model)
            found, limit = marks(panel, marker)
            assert np.allclose(found.get_ydata(), rows.value[1:]) and found.get_markerfacecolor() != "white"
            assert limit.get_ydata() == pytest.approx([2e-6]) and limit.get_markerfacecolor() == "white"
            arrows = [line for line in panel.lines if line.get_marker() == CARETDOWNBASE]
            assert len(arrows) == 2 and all(np.allclose(arrow.get_ydata(), 1e-6) for arrow in arrows)
        for line in joined(panel):
            assert np.isnan(line.get_ydata()).tolist() == [True, False, False, False]
    assert words(figure) == [*MODELS[:2], "none counted: upper limit"]
    zero = table.assign(value=table.value.where(table.metric != "recall", 0.0))
    (points,) = marks(plot_retrieval(zero).axes[2], "o")  # a recall of zero is a recall
    assert np.array_equal(points.get_ydata(), [0, 0, 0, 0]) and points.get_markerfacecolor() != "white"


def test_nothing_but_upper_limits():
    panel = plot_retrieval(retrieval(MODELS[:1], (20_000,), zero_below=10**9).replace(1e-6, 0)).axes[5]
    assert panel.get_ylim() == pytest.approx((1e-7, 1e-5))
    table = retrieval(MODELS[:1], (20_000,))
    table.loc[table.metric == FPR, ["value", "low", "high"]] = [0.0, 0.0, 6e-6]
    assert plot_retrieval(table).axes[1].get_ylim() == pytest.approx((1e-7, 1e-5))  # not one decade
    table.loc[table.metric == FPR, ["value", "low", "high"]] = [0.5, 1e-9, 1.0]
    assert plot_retrieval(table).axes[1].get_ylim() == pytest.approx((1e-3, 1.5))


def test_means_over_three_seeds_have_the_interval_of_the_mean():
    table = retrieval(MODELS[:2], seeds=3)
    figure = plot_retrieval(table)
    for panel, metric in zip(figure.axes, PANELS):
        expected = []
        for model, marker in zip(MODELS, "os"):
            groups = [found.value for _, found in of(table, metric=metric, model=model).groupby("database_size")]
            if metric in (FPR, ICR):
                means = [scipy.stats.gmean(group) for group in groups]
                expected += [tuple(np.exp(by_t(np.log(group)))) for group in groups]
            else:
                means = [np.mean(group) for group in groups]
                expected += [by_t(group) for group in groups]
            (points,) = marks(panel, marker)
            assert np.allclose(points.get_ydata(), means, rtol=1e-12)
        assert np.allclose(bars(panel), sorted(expected), rtol=1e-9)
    title = "mean of 3 seeds, bar: 95% interval of the mean; rates on logarithmic axes: geometric mean"
    assert figure.get_suptitle().endswith(title)


def test_a_mean_with_an_upper_limit_is_one():
    table = retrieval(MODELS[:1], (20_000,), seeds=3)
    rows = table.index[table.metric == FPR]
    table.loc[rows, ["value", "low", "high"]] = [[0, 0, 4e-4], [1e-3, 5e-4, 2e-3], [1e-2, 5e-3, 2e-2]]
    (limit,) = marks(plot_retrieval(table).axes[1], "o")
    assert limit.get_markerfacecolor() == "white"
    assert limit.get_ydata() == pytest.approx([(4e-4 * 1e-3 * 1e-2) ** (1 / 3)])


def test_two_seeds_are_each_drawn():
    table = retrieval(MODELS[:2], seeds=2)
    figure = plot_retrieval(table)
    panel = figure.axes[2]
    rows = of(table, metric="recall", model=MODELS[1])
    drawn = marks(panel, "s")
    assert [points.get_ydata().tolist() for points in drawn] == [
        of(rows, seed=seed).value.tolist() for seed in (3210, 3211)
    ]
    assert np.allclose(decades(drawn[1]) - decades(drawn[0]), 0.04)
    assert len(bars(panel)) == 16 and len(joined(panel)) == 4
    assert "2 seeds, each drawn; bar: 95% interval of the run" in figure.get_suptitle()
    assert len(words(figure)) == 2


def test_a_size_that_only_one_of_three_seeds_has():
    table = retrieval(MODELS[:1], seeds=3)
    table = table[(table.database_size < 10**9) | (table.seed == 3212)]
    panel = plot_retrieval(table).axes[2]
    row = of(table, metric="recall", database_size=10**9).iloc[0]
    assert marks(panel, "o")[0].get_ydata()[-1] == row.value
    assert any(np.allclose(ends, (row.low, row.high)) for ends in bars(panel)) and len(bars(panel)) == 4


def test_variants_and_databases_are_named_where_there_are_several():
    table = retrieval(MODELS[:2], SIZES[:1])
    other = of(table, model=MODELS[0]).assign(variant="lambda_s=1")
    elsewhere = of(table, model=MODELS[1]).assign(database="small", database_size=1000)
    figure = plot_retrieval(pd.concat([table, other, elsewhere]))
    assert words(figure) == [f"{MODELS[0]}, default", f"{MODELS[1]}, 10mdb", f"{MODELS[0]}, lambda_s=1", f"{MODELS[1]}, small"]  # fmt: skip
    assert "database 10mdb, small" in figure.get_suptitle()
    assert [len(marks(figure.axes[0], marker)) for marker in "os^D"] == [1, 1, 1, 1]


def test_metrics_that_were_not_measured_and_values_that_rounding_moved():
    table = retrieval(MODELS[:2])
    table = table[(table.metric != FPR)].reset_index(drop=True)
    at = table.metric == "jaccard"
    table.loc[at, "value"] = NAN
    recall = table.metric == "recall"
    table.loc[recall, "low"] = table.value[recall] + 1e-16
    figure = plot_retrieval(table)
    for place in (1, 3):
        assert figure.axes[place].texts[0].get_text() == "not measured" and not figure.axes[place].lines
    assert "no negative queries" in figure.get_suptitle()
    assert len(marks(figure.axes[2], "o")) == 1


def test_retrieval_in_cells():
    table = retrieval(MODELS[:2], zero_below=10**7)
    cells = summary_table(table)
    assert cells.model.tolist() == [MODELS[0]] * 4 + [MODELS[1]] * 4
    assert cells["items"].tolist() == ["1,000,000", "10,000,000", "100,000,000", "1,000,000,000"] * 2
    row, rows = cells.iloc[1], of(table, model=MODELS[0], database_size=10**7).set_index("metric")
    assert (row.database, row.seeds, row["positive queries"], row["negative queries"]) == (
        "10mdb",
        1,
        "10,000",
        "9,000",
    )
    recall, rate, count = rows.loc["recall"], rows.loc[FPR], rows.loc["internal_collisions"]
    assert row.recall == f"{recall.value:.3f} ({recall.low:.3f} to {recall.high:.3f})"
    assert row["false positive rate"] == f"{rate.value:.3g} ({rate.low:.3g} to {rate.high:.3g})"
    assert row["internal collisions"] == f"{count.value:,.0f} ({count.low:,.0f} to {count.high:,.0f})"
    assert cells["irrelevant collision rate"][0] == "at most 2e-06"
    for metric, cell in (("recall at 1", "0.630 (0.400 to 0.900)"), ("fallout at 0", "at most 0.0018")):
        assert cells[metric].tolist() == ["", "", "", cell] * 2


def test_pairs_of_views_stand_with_the_largest_size_that_has_them():
    table = retrieval(MODELS[:1])
    table = table[~table.metric.str.contains("_at_") | (table.database_size == 10**7)]
    assert summary_table(table)["recall at 0"].tolist() == ["", "0.510 (0.400 to 0.900)", "", ""]


def test_several_seeds_in_cells():
    table = retrieval(MODELS[:1], SIZES[:1], seeds=3)
    rows = table.index[table.metric == "internal_collisions"]
    table.loc[rows, ["value", "low", "high"]] = [[0, 0, 7], [1, 0, 9], [1, 0, 9]]
    row = summary_table(table).iloc[0]
    recall, rate = of(table, metric="recall").value, of(table, metric=FPR).value
    low, high = by_t(recall)
    assert row.recall == f"{recall.mean():.3f} ({low:.3f} to {high:.3f})" and row.seeds == 3
    low, high = np.exp(by_t(np.log(rate)))
    assert row["false positive rate"] == f"{scipy.stats.gmean(rate):.3g} ({low:.3g} to {high:.3g})"
    assert row["internal collisions"].startswith(f"at most {7 ** (1 / 3):.0f} (")
    one = summary_table(table[table.seed == 3211]).iloc[0]
    assert one["internal collisions"] == "1 (0 to 9)"


# --- published

PUBLISHED = {
    "shannon_hamming": (0.48, 0.472, 0.433, 0.315),
    "shannon_hamming_groups": (0.467, 0.466, 0.458, 0.427),
    "hash_net_20": (0.267, 0.193, 0.113, 0.051),
    "hash_net_15": (0.287, 0.179, 0.083, 0.029),
    "hash_net_10": (0.118, 0.037, 0.01, 0.002),
}


def published(ours=0, seeds=1, digits=0) -> pd.DataFrame:
    """The README's rates, beside `ours` of the same models and `digits` of other ones."""
    rows = []
    for place, (model, rates) in enumerate(PUBLISHED.items()):
        for size, rate in zip(SIZES, rates):
            keys = {"task": "openimages", "model": model, "database_size": size, "published": rate}
            for seed in range(seeds) if place < ours else ():
                value = rate + 0.01 * (seed + 1) ** 2 * (place + 1)
                rows.append({**keys, "database": "1bdb", "variant": "default", "seed": seed, **run(value, 10**6)})
                rows[-1]["status"] = "outside" if seed else "inside"
            if place >= ours:
                rows.append({**keys, "status": "not run"})
    for place in range(digits):
        for seed in range(seeds):
            keys = {"task": "digits", "database": "small", "model": MODELS[place], "variant": "default", "seed": seed}
            value = 0.6 - 0.1 * place + 0.02 * seed**2
            rows.append({**keys, "database_size": 20_000, **run(value, 2000), "status": "no published value"})
    columns = ["database", "variant", "seed", "published", "value", "low", "high", "n", "why"]
    return pd.DataFrame(rows).reindex(columns=["task", "model", "database_size", "status", *columns])


def run(value: float, n: int) -> dict:
    return {"value": value, "low": value - 0.02, "high": value + 0.03, "n": n}


def test_published_rates_are_open_and_in_percent():
    figure = plot_published(published())
    (panel,) = figure.axes
    assert len(panel.lines) == 5 and not bars(panel)
    for line, rates, marker in zip(panel.lines, PUBLISHED.values(), "os^Dv"):
        assert np.allclose(line.get_ydata(), 100 * np.array(rates)) and np.array_equal(line.get_xdata(), SIZES)
        assert line.get_markerfacecolor() == "white" and line.get_marker() == marker
    assert len({str(line._dash_pattern) for line in panel.lines}) == 5
    assert "not run" in figure.get_suptitle() and "error below 0.1 points" in figure.get_suptitle()
    assert words(figure) == [*(f"{model}, openimages" for model in PUBLISHED), "open: published"]
    assert panel.get_ylim()[0] < 0 < 48 < panel.get_ylim()[1]


def test_published_lines_ascend_whatever_the_order_of_the_rows():
    (panel,) = plot_published(published().iloc[::-1]).axes
    assert np.array_equal(panel.lines[0].get_xdata(), SIZES)
    assert np.allclose(panel.lines[-1].get_ydata(), 100 * np.array(PUBLISHED["shannon_hamming"]))


def test_ours_beside_the_published_have_their_markers():
    table = published(ours=2, digits=2)
    figure = plot_published(table)
    (panel,) = figure.axes
    for model, marker, theirs in zip(PUBLISHED, "os", panel.lines):
        rows = of(table, model=model, task="openimages")
        (points,) = marks(panel, marker)
        assert np.allclose(points.get_ydata(), 100 * rows.value) and points.get_markerfacecolor() != "white"
        assert np.allclose(decades(points) - np.log10(rows.database_size), 0.07)
        assert same_color(points.get_color(), theirs.get_color()) and np.allclose(
            theirs.get_ydata(), 100 * rows.published
        )
    measured = table.dropna(subset="value")
    assert np.allclose(bars(panel), sorted(zip(100 * measured.low, 100 * measured.high)))
    assert words(figure) == [*(f"{model}, openimages" for model in PUBLISHED), "shannon_hamming, digits", "hash_net, digits",
                             "open: published", "filled: ours"]  # fmt: skip
    looks = [handle.get_markerfacecolor() == "white" for handle in figure.legends[0].legend_handles]
    assert looks == [False, False, True, True, True, False, False, True, False]
    places = [decades(marks(panel, marker)[0])[0] - np.log10(20_000) for marker in "PX"]
    assert places == pytest.approx([-0.035, 0.035])
    assert "2,000 to 1,000,000 queries" in figure.get_suptitle() and "one seed" in figure.get_suptitle()


def test_several_seeds_of_ours():
    table = published(ours=1, seeds=3)
    figure = plot_published(table)
    groups = [100 * found.value for _, found in of(table, model="shannon_hamming").groupby("database_size")]
    (points,) = marks(figure.axes[0], "o")
    assert np.allclose(points.get_ydata(), [np.mean(group) for group in groups])
    assert np.allclose(bars(figure.axes[0]), sorted(map(by_t, groups)))
    assert figure.get_suptitle().endswith("ours: mean of 3 seeds, bar: 95% interval of the mean")
    assert len(figure.axes[0].lines) == 5 + 1 + 1 + 2  # published, ours, its marks, their caps
    assert len(marks(plot_published(published(ours=1, seeds=2)).axes[0], "o")) == 2


def test_variants_of_ours_have_markers_of_their_own():
    table = published(ours=1)
    other = of(table, model="shannon_hamming").assign(variant="lambda_s=1", published=NAN)
    assert words(plot_published(pd.concat([table, other])))[5:7] == [
        "shannon_hamming, default, openimages",
        "shannon_hamming, lambda_s=1, openimages",
    ]


def test_without_published_rates_only_ours_are_drawn():
    figure = plot_published(published(digits=1).query("task == 'digits'"))
    assert words(figure) == ["shannon_hamming, digits", "filled: ours"] and marks(figure.axes[0], "o")
    assert figure.get_suptitle().startswith("perfect retrieval: ours, 2,000 queries")


def test_rates_that_cannot_be_compared_say_why():
    table = published(ours=1, digits=1)
    assert "NOT COMPARABLE" not in plot_published(table).get_suptitle()
    apart = table.assign(
        status=table.status.where(table.published.isna(), "not comparable"),
        why=pd.Series("another task and metric", table.index).where(table.published.notna()),
    )
    assert plot_published(apart).get_suptitle().endswith("NOT COMPARABLE with ours: another task and metric")
    assert set(published_table(apart).query("task == 'openimages'").status) == {"not comparable"}


def test_published_in_cells():
    cells = published_table(published(ours=1, digits=1))
    assert cells["items"].tolist() == [f"{size:,}" for size in SIZES] * 5 + ["20,000"]
    assert cells["published (%)"].tolist()[:4] == ["48.0", "47.2", "43.3", "31.5"]
    first, fifth, last = cells.iloc[0], cells.iloc[4], cells.iloc[-1]
    assert (first.task, first.model, first.database) == ("openimages", "shannon_hamming", "1bdb")
    assert (first["ours (%)"], first.queries, first.seeds) == ("49.00 (47.00 to 52.00)", "1,000,000", "1")
    assert first.status == "inside"
    assert (fifth["ours (%)"], fifth.status, fifth.queries, fifth.seeds, fifth.database) == (
        "not run",
        "not run",
        "",
        "",
        "",
    )
    assert (last.task, last["published (%)"], last.status) == ("digits", "none", "no published value")
    cells = published_table(published(ours=1, seeds=3))
    low, high = by_t([49, 52, 57])
    assert cells["ours (%)"][0] == f"{158 / 3:.2f} ({low:.2f} to {high:.2f})" and cells.seeds[0] == "3"
    assert cells.status[0] == "inside (1), outside (2)" and len(cells) == 20


# --- files

FIGURES = {
    "five models": lambda: plot_retrieval(retrieval(seeds=3, zero_below=10**7)),
    "one size": lambda: plot_retrieval(retrieval(MODELS[:1], (20_000,), zero_below=10**9)),
    "published": lambda: plot_published(published(ours=5, digits=3)),
    "published, long names": lambda: plot_published(
        published(digits=1).assign(model=lambda t: t.model + "_" + "x" * 40)
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_laid_out(name):
    figure = FIGURES[name]()
    figure.draw_without_rendering()
    legend, whole = figure.legends[0].get_window_extent(), figure.bbox
    assert whole.x0 <= legend.x0 and legend.x1 <= whole.x1
    assert all(panel.get_xlabel() and panel.get_ylabel() for panel in figure.axes)
    assert min(panel.get_window_extent().width for panel in figure.axes) > 150
    for panel in figure.axes:
        texts = sorted(text.get_window_extent().extents.tolist() for text in panel.get_xticklabels())
        assert all(left[2] < right[0] for left, right in pairwise(texts))


def test_a_figure_is_written_the_same_twice(tmp_path):
    for name in ("a.pdf", "b.pdf"):
        save_figure(plot_published(published(ours=1)), tmp_path / name)
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()


@pytest.mark.parametrize("study", ["retrieval", "perfect_retrieval"])
def test_captions_are_sound(study):
    page = html_from_rst((ROOT / "workflow" / "report" / f"equihash_{study}.rst").read_text())
    assert "What to see" in page and "Against the published" in page
