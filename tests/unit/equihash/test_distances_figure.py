"""The figure of Hamming distances, from made-up histograms and rates."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from matplotlib.markers import CARETDOWNBASE

from figure_tables import (
    BITS,
    MODELS,
    bars,
    by_t,
    distances,
    ends_of_bars,
    lines_of,
    marks,
    only,
    with_variant,
    words,
)
from rehash.equihash.evaluation.retrieval import distance_statistics
from rehash.equihash.figures.distances import plot_distances


def seen(model: int = 0, seeds: int = 3):
    """The three panels of a model, its rows of the histogram, and its rates: recall, and the trained fallout."""
    name, (histogram, rates, statistics) = MODELS[model], distances(model + 1, seeds)
    panels = plot_distances(histogram, rates, statistics).axes[3 * model :]
    recall, fallout = (only(rates[rates.metric.str.startswith(metric)], model=name) for metric in ("recall", "fallout"))
    return panels[:3], only(histogram, model=name), recall, only(fallout, variant="default")


def shares(histogram: pd.DataFrame, pairs_of: str, variant: str) -> np.ndarray:
    """Of the pairs at each distance, (seeds, BITS + 1)."""
    rows = only(histogram, pairs_of=pairs_of, variant=variant).sort_values(["seed", "distance"])
    counts = rows["count"].to_numpy().reshape(-1, BITS + 1)
    return counts / counts.sum(axis=1, keepdims=True)


def test_histograms_are_shares_of_pairs_beside_the_binomial():
    (panel, *_), histogram, *_ = seen(1)
    drawn = [step.get_data().values for step in panel.patches]
    variants = ("untrained", "default", "default")  # a faint outline, the filled area and its outline
    expected = [shares(histogram, kind, state).mean(axis=0) for kind in ("same", "different") for state in variants]
    assert np.allclose(drawn, expected)
    assert {(*step.get_data().edges[[0, -1]],) for step in panel.patches} == {(-0.5, BITS + 0.5)}
    (line,) = panel.lines
    assert np.allclose(line.get_ydata(), [comb(BITS, d) / 2**BITS for d in range(BITS + 1)], atol=0)
    assert np.array_equal(line.get_xdata(), range(BITS + 1))
    assert panel.get_yscale() == "function" and panel.get_ylim()[0] == 0 and panel.get_ylim()[1] > np.max(drawn)
    looks = [(step.get_linestyle(), step.get_hatch()) for step in panel.patches if step.get_linewidth() == 1.2]
    assert looks == [("-", ""), ("--", "////")]


def test_pairs_of_items_are_an_outline_of_their_own():
    histogram, rates, _ = distances(1, 1)
    items = only(histogram, pairs_of="different", variant="default").assign(pairs_of="items")
    items["count"] *= 50
    histogram = pd.concat([histogram, items], ignore_index=True)
    statistics = distance_statistics(histogram)
    figure = plot_distances(histogram, rates, statistics)
    panel = figure.axes[0]
    (outline,) = [step for step in panel.patches if step.get_linestyle() == "-."]
    assert np.allclose(outline.get_data().values, items["count"] / items["count"].sum())
    told = panel.texts[0].get_text().splitlines()
    assert len(told) == 3 and told[1].startswith("items of different labels") and "(1,000,000 pairs)" in told[1]
    assert words(figure)[:3] == [
        "same label, trained",
        "different labels, trained",
        "items of different labels, trained",
    ]


def test_bands_of_histograms_are_the_interval_of_the_mean():
    (panel, *_), histogram, *_ = seen(0, 4)
    corners = panel.collections[1].get_paths()[0].vertices
    left, right = (set(corners[corners[:, 0] == edge, 1]) for edge in (31.5, 32.5))
    assert sorted(left & right) == pytest.approx(by_t(shares(histogram, "different", "default")[:, 32]))
    assert len(panel.collections) == 2


def test_two_seeds_have_an_outline_each():
    (panel, *_), histogram, *_ = seen(0, 2)
    assert not panel.collections and len(panel.patches) == 8  # of each kind: untrained, the mean, two seeds
    drawn = [patch.get_data().values for patch in panel.patches[2:4]]
    assert np.allclose(drawn, shares(histogram, "same", "default"))


def test_rates_are_drawn_with_their_intervals_and_joined_by_means():
    (_, panel, _), _, recall, _ = seen(1)
    assert panel.get_ylim() == (-0.03, 1.03) and panel.get_xticks().tolist() == [0, 1, 2, 3]
    for variant, dashes, marker in (("default", "-", "o"), ("untrained", "--", "s")):
        mine = only(recall, variant=variant)
        (line,), (points,) = lines_of(panel, linestyle=dashes), lines_of(panel, linestyle="None", marker=marker)
        assert np.allclose(line.get_ydata(), mine.groupby("metric").value.mean())
        assert sorted(points.get_ydata()) == sorted(mine.value)
        assert np.abs(points.get_xdata() - np.tile(range(4), 3)).max() < 0.5
    assert ends_of_bars(panel) == sorted(zip(recall.low, recall.high))


def test_marks_of_seeds_stand_apart_and_lines_in_their_middle():
    (_, panel, _), *_ = seen(0, 5)
    places = np.concatenate([line.get_xdata() for line in lines_of(panel, linestyle="None")])
    assert np.diff(np.sort(places)).min() > 0.05 and len(places) == 40
    (line,), (points,) = lines_of(panel, linestyle="-"), lines_of(panel, linestyle="None", marker="o")
    assert np.allclose(line.get_xdata(), points.get_xdata().astype(float).reshape(5, 4).mean(axis=0))


def test_a_fallout_of_zero_is_an_upper_limit():
    (_, _, panel), _, _, fallout = seen(0)
    (limits,) = marks(panel, "o")
    assert fallout.value.eq(0).all() and panel.get_yscale() == "log"
    assert sorted(limits.get_ydata()) == sorted(fallout.high) and limits.get_markerfacecolor() == "white"
    assert panel.get_ylim() == pytest.approx((1e-5, 1e-3)) and 1e-4 < fallout.high.min() < 2e-4
    assert np.allclose(lines_of(panel, marker=CARETDOWNBASE)[0].get_ydata(), fallout.high / 2)
    assert all(np.isnan(line.get_ydata()).all() for line in lines_of(panel, linestyle="-"))


def test_a_fallout_above_zero_is_a_point():
    (_, _, panel), _, _, fallout = seen(2)
    (found,), (line,) = marks(panel, "o"), lines_of(panel, linestyle="-")
    assert fallout.value.gt(0).all() and found.get_markerfacecolor() != "white"
    assert sorted(found.get_ydata()) == sorted(fallout.value)
    assert np.allclose(line.get_ydata(), fallout.groupby("metric").value.mean())


def test_a_network_that_gives_one_code_to_all_is_drawn():
    histogram, rates, _ = distances(1, 1, 500)
    one = histogram.assign(count=np.where(histogram.distance == 0, 500, 0))
    figure = plot_distances(one, rates.assign(value=1.0, low=0.99, high=1.0), distance_statistics(one))
    assert figure.axes[2].get_ylim() == pytest.approx((0.1, 1.5)) and figure.axes[0].get_ylim()[1] > 1


def test_models_without_an_untrained_network_and_models_of_several_variants():
    """The first model has an untrained network and two variants, the second has neither."""
    tables = [table[(table.model == MODELS[0]) | (table.variant == "default")] for table in distances(2, 1, 500)]
    figure = plot_distances(*map(with_variant, tables))
    names = ["shannon_hamming, default", "hash_net", "shannon_hamming, lambda=1"]
    assert words(panel.title for panel in figure.axes[::3]) == names
    assert [len(panel.patches) for panel in figure.axes[::3]] == [6, 4, 6]
    assert [len(lines_of(panel, linestyle="--")) for panel in figure.axes[1::3]] == [1, 0, 1]
    assert "500 pairs" in figure.get_suptitle() and "one seed" in figure.get_suptitle()


def test_metrics_that_are_no_rates_of_pairs_are_not_drawn():
    """A database's table of retrieval has others."""
    histogram, rates, statistics = distances(1, 1, 500)
    more = pd.concat([rates, rates[:1].assign(metric="recall", n=10**9)])
    with_others, without = (plot_distances(histogram, table, statistics) for table in (more, rates))
    assert with_others.get_suptitle() == without.get_suptitle()
    assert bars(with_others.axes[1]) == bars(without.axes[1])


def test_a_database_without_pairs_of_views_shows_its_pairs_of_items():
    histogram, rates, _ = distances(1, 1, 500)
    items = only(histogram, pairs_of="different").assign(pairs_of="items")
    none = histogram.assign(count=0)
    rates = rates.assign(value=np.nan, low=0.0, high=1.0, n=0)
    both = pd.concat([none, items])
    figure = plot_distances(both, rates, distance_statistics(both))
    panel, *others = figure.axes
    assert len(panel.patches) == 2 and "items of different labels" in words(panel.texts)[0], "trained and untrained"
    assert [words(each.texts) for each in others] == [["not measured"]] * 2
    assert "of pairs of items; no pairs of views" in figure.get_suptitle()
    assert not any("rates" in text or "same" in text for text in words(figure.legends[0].get_texts()))
    figure = plot_distances(none, rates, distance_statistics(none))
    assert words(figure.axes[0].texts) == ["Not measured: the database has no pairs of views and none of items."]


def test_what_distances_come_to():
    """Counts that are exactly binomial, and pairs that are all equal."""
    keys = {"task": "t", "model": "m", "variant": "default", "seed": 1, "bits": 8}
    rows = [{**keys, "pairs_of": "different", "distance": d, "count": 3 * comb(8, d)} for d in range(9)]
    found = distance_statistics(pd.DataFrame([*rows, {**keys, "pairs_of": "same", "distance": 0, "count": 10}]))
    assert list(found) == [*keys, "pairs_of", "pairs", "mean", "deviation", "binomial"]
    different, same = found.iloc[0], found.iloc[1]
    assert (different.pairs, same.pairs, same["mean"], same.deviation) == (768, 10, 0, 0)
    assert (different["mean"], different.deviation) == pytest.approx((4, 2**0.5))
    assert different.binomial == pytest.approx(0, abs=1e-12) and same.binomial == pytest.approx(1 - 2**-8)


def test_the_panel_says_how_unrelated_pairs_lie():
    (panel, *_), histogram, *_ = seen(0, 1)
    rows = only(histogram, pairs_of="different", variant="default")
    values = np.repeat(rows.distance, rows["count"])
    (text,) = words(panel.texts)
    assert f"different labels {values.mean():.1f} ± {values.std(ddof=0):.1f}" in text
    assert "Binomial(64, ½) 32.0 ± 4.0" in text


def test_codes_are_named_as_such_and_nothing_is_called_trained_that_was_not():
    """A source of codes has no untrained twin, and may itself be untrained."""
    tables = [table[table.variant == "default"].assign(variant="codes") for table in distances(1, 1)]
    figure = plot_distances(*tables)
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "same label, codes" in legend and not any("trained" in text for text in legend)
    assert [panel.get_title() for panel in figure.axes[:2]] == [f"{MODELS[0]} (codes)", f"recall, {MODELS[0]} (codes)"]
    both = [pd.concat([table, mine.assign(model="neural")]) for table, mine in zip(distances(1, 1), tables)]
    legend = [text.get_text() for text in plot_distances(*both).legends[0].get_texts()]
    assert {"same label, trained or codes", "rates, untrained"} <= set(legend)
