"""The wing's figures of training, distances and families, from made-up tables."""

from functools import cache
from math import comb

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.collections import LineCollection
from matplotlib.markers import CARETDOWNBASE, CARETLEFTBASE
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from graphs import ROOT
from rehash.figures.equihash_distances import distance_statistics, plot_distances
from rehash.figures.equihash_distances import summary_table as distance_cells
from rehash.figures.equihash_family import plot_family
from rehash.figures.equihash_family import summary_table as family_cells
from rehash.figures.equihash_training import plot_training, seed_mean, seed_words, spread_words
from rehash.figures.equihash_training import summary_table as training_cells
from rehash.figures.style import save_figure
from rehash.intervals import clopper_pearson
from rehash.report import html_from_rst

MODELS = ("shannon_hamming", "hash_net", "jmlh", "hash_net_shannon", "pairs_of_bits", "discrete")
STEPS = 20
BITS = 64
ICR = "irrelevant_collision_rate"


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def training(models: int = 3, seeds: int = 5, steps: int = STEPS) -> pd.DataFrame:
    """Curves that rise as training's do; precision has no value at first, where nothing is found."""
    rows = []
    for model, name in enumerate(MODELS[:models]):
        for seed in range(seeds):
            chance = np.random.default_rng([model, seed])
            for i in range(steps + 1):
                part = 1 - np.exp(-5 * i / STEPS)
                for split in ("train", "valid"):
                    level = (0.9 - 0.12 * model - 0.05 * (split == "valid")) * part + 0.02 * chance.normal()
                    level = min(max(level, 0.0), 1.0)
                    rows.append(
                        {"task": "mnist", "model": name, "variant": "default", "seed": 3210 + seed, "step": 5000 * i,
                         "split": split, "recall_at_0": level**3, "recall_at_1": level**2, "recall_at_2": level**1.5,
                         "precision_at_0": np.nan if i < 3 else 0.99 - 0.05 * model * (1 - part),
                         "precision_at_1": 0.9, "precision_at_2": np.nan if i < 2 else 0.95 - 0.08 * model,
                         "same_distance_median": 20 * (1 - part) + model, "different_distance_median": 10 + 22 * part,
                         **{f"entropy_worst_{n}": n * min(1, 0.4 + 0.58 * part + 0.01 * chance.normal()) for n in (1, 2, 3, 4)},
                         "distinct_codes": min(1.0, 0.2 + 0.8 * part - 0.03 * model), "pairs": 1000,
                         "loss": 100 * (1 - part) if split == "train" else np.nan}
                    )  # fmt: skip
    return pd.DataFrame(rows)


@cache
def distances(models: int = 3, seeds: int = 3, pairs: int = 20_000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Histograms and rates of trained and untrained networks."""
    bars, rates = [], []
    for model, name in enumerate(MODELS[:models]):
        for seed in range(seeds):
            for variant in ("default", "untrained"):
                chance = np.random.default_rng([model, seed, variant == "default"])
                spread = 1 + 0.6 * model if variant == "default" else 2
                same = np.minimum(
                    chance.geometric(0.5 - 0.07 * model if variant == "default" else 0.12, pairs) - 1, BITS
                )
                p = chance.beta(200 / spread**2, 200 / spread**2 * (1 if variant == "default" else 2), pairs)
                different = np.where(chance.random(pairs) < 0.002 * model, same[::-1], chance.binomial(BITS, p))
                keys = {"task": "mnist", "model": name, "variant": variant, "seed": seed}
                for kind, found in (("same", same), ("different", different)):
                    counts = np.bincount(found, minlength=BITS + 1)
                    bars += [
                        {**keys, "pairs_of": kind, "distance": d, "count": n, "bits": BITS}
                        for d, n in enumerate(counts)
                    ]
                    metric = "recall" if kind == "same" else "fallout"
                    rates += [
                        {**keys, "metric": f"{metric}_at_{r}", **rate(counts[: r + 1].sum(), pairs)} for r in range(4)
                    ]
    return pd.DataFrame(bars), pd.DataFrame(rates)


def rate(hits: int, n: int) -> dict:
    low, high = clopper_pearson(int(hits), n)
    return {"value": hits / n, "low": low, "high": high, "n": n}


def family(
    values,
    seeds: int = 5,
    models=("shannon_hamming",),
    databases=(("10mdb", 10_000_000),),
    parameter="entropy_weight",
    zero_above: float = np.inf,
) -> pd.DataFrame:
    """Recall falls and collisions fall as a value rises; no collision from the place `zero_above` on."""
    rows = []
    for database, size in databases:
        for m, model in enumerate(models):
            for place, value in enumerate(values):
                for seed in range(seeds):
                    chance = np.random.default_rng([m, place, seed])
                    part = place / max(1, len(values) - 1)
                    icr = 10 ** (-4 - 5 * part + 0.2 * chance.normal() + m) * (place < zero_above)
                    recall = 0.6 - 0.3 * part**2 + 0.02 * chance.normal() - 0.1 * m
                    found = {
                        "recall": (recall, recall - 0.001, recall + 0.001),
                        ICR: (icr, 0.5 * icr, 2 * icr + 1e-10),
                        "perfect_retrieval_rate": (0.9 * recall, 0.9 * recall - 0.001, 0.9 * recall + 0.001),
                    }
                    rows += [
                        {
                            "task": "mnist",
                            "family": "lambda",
                            "model": model,
                            "variant": f"v{place}",
                            "seed": 3210 + seed,
                            "parameter": parameter,
                            "parameter_value": value,
                            "metric": metric,
                            "value": x,
                            "low": low,
                            "high": high,
                            "n": 1_000_000,
                            "database": database,
                            "database_size": size,
                        }
                        for metric, (x, low, high) in found.items()
                    ]
    return pd.DataFrame(rows)  # fmt: skip


def lines_of(panel, **properties) -> list:
    """Lines of a panel that have these properties (by the names of their getters)."""
    return [
        line for line in panel.lines if all(getattr(line, f"get_{key}")() == value for key, value in properties.items())
    ]


def by_t(values) -> tuple[float, float]:
    """Student's 95% interval, by scipy."""
    return scipy.stats.t.interval(0.95, len(values) - 1, np.mean(values), scipy.stats.sem(values))


def bars_of(panel, axis: int = 1) -> dict[float, tuple[float, float]]:
    """Ends of the vertical (axis 1) or horizontal bars of a panel, by where they stand, without NaN."""
    found = {}
    for bars in panel.collections:
        if isinstance(bars, LineCollection):
            for segment in bars.get_segments():
                if len(segment) == 2 and not np.isnan(segment).any() and np.ptp(segment[:, axis]) > 0:
                    found[round(float(segment[0, 1 - axis]), 9)] = tuple(sorted(segment[:, axis]))
    return found


# --- seeds


def test_means_over_seeds_have_students_interval_from_three_on():
    assert seed_mean([0.1, 0.4, 0.7]) == pytest.approx((0.4, *by_t([0.1, 0.4, 0.7])))
    assert seed_mean([0.1, np.nan, 0.4, 0.7]) == pytest.approx((0.4, *by_t([0.1, 0.4, 0.7])))
    mean, low, high = seed_mean([0.1, np.nan, 0.3])
    assert mean == pytest.approx(0.2) and np.isnan([low, high]).all()
    values = [1e-6, 1e-4, 1e-5]
    assert seed_mean(values, geometric=True) == pytest.approx((1e-5, *np.power(10, by_t([-6, -4, -5]))))


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


# --- training

METRICS = {0: ("recall_at_0", 1), 1: ("precision_at_0", 1), 2: ("entropy_worst_1", 1), 3: ("distinct_codes", 1),
           4: ("recall_at_2", 1), 5: ("precision_at_2", 1), 6: ("entropy_worst_3", 3)}  # fmt: skip


def test_training_draws_means_over_seeds_of_each_split():
    table = training(3, 5)
    axes = plot_training(table).axes
    for place, (metric, most) in METRICS.items():
        panel = axes[place]
        means = table.groupby(["split", "model", "step"])[metric].mean() / most
        for split, dashes in (("valid", "-"), ("train", "--")):
            drawn = lines_of(panel, linestyle=dashes)
            assert len(drawn) == 3
            for model, line in zip(MODELS, drawn):
                expected = means[split, model]
                assert np.array_equal(line.get_xdata(), expected.index)
                assert np.allclose(line.get_ydata(), expected, rtol=1e-12, equal_nan=True)
        widths = {line.get_linestyle(): line.get_linewidth() for line in panel.lines}
        assert widths["--"] < widths["-"] and panel.get_ylim() == (-0.03, 1.03)


def test_training_draws_median_distances_of_both_kinds_on_validation():
    table = training(2, 3)
    panel = plot_training(table).axes[7]
    assert len(panel.lines) == 4 and panel.get_ylabel() == "Hamming distance (bits)"
    for metric, dashes in (("same_distance_median", "-"), ("different_distance_median", "-.")):
        means = table[table.split == "valid"].groupby(["model", "step"])[metric].mean()
        for model, line in zip(MODELS, lines_of(panel, linestyle=dashes)):
            assert np.allclose(line.get_ydata(), means[model])
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["same label", "different labels"]


def test_training_bands_are_the_interval_of_the_mean():
    table = training(2, 4)
    panel = plot_training(table).axes[0]
    assert len(panel.collections) == 2
    values = table[(table.split == "valid") & (table.model == MODELS[1]) & (table.step == 50_000)].recall_at_0
    corners = panel.collections[1].get_paths()[0].vertices
    assert sorted(set(corners[corners[:, 0] == 50_000][:, 1])) == pytest.approx(by_t(values))


def test_training_draws_each_of_two_seeds():
    table = training(1, 2)
    figure = plot_training(table)
    panel = figure.axes[0]
    assert not panel.collections and "2 seeds, each drawn" in figure.get_suptitle()
    rows = table[table.split == "valid"].pivot(index="step", columns="seed", values="recall_at_0")
    solid = lines_of(panel, linestyle="-")
    assert len(solid) == 2 and all(np.array_equal(line.get_ydata(), rows[seed]) for line, seed in zip(solid, rows))
    (one,) = lines_of(plot_training(training(1, 1)).axes[0], linestyle="-")
    assert solid[0].get_linewidth() < one.get_linewidth()


def test_training_leaves_gaps_and_marks_what_stands_alone():
    table = training(1, 3).reset_index(drop=True)
    table["precision_at_0"] = np.nan
    at = table[(table.split == "valid") & (table.step == 35_000)].index
    table.loc[at[:2], "precision_at_0"] = [0.5, 0.7]
    figure = plot_training(table)
    (line,) = lines_of(figure.axes[1], linestyle="-")
    there = np.flatnonzero(~np.isnan(line.get_ydata()))
    assert line.get_xdata()[there].tolist() == [35_000] and line.get_ydata()[there] == pytest.approx([0.6])
    assert there[0] in line.get_markevery() and line.get_marker() == "o"
    (whole,) = lines_of(figure.axes[0], linestyle="-")
    assert whole.get_markevery() == list(range(0, 21, 2))
    (train,) = lines_of(figure.axes[0], linestyle="--")
    assert not train.get_markevery()
    assert {panel.get_xlim() for panel in figure.axes} == {figure.axes[0].get_xlim()}


def test_training_says_where_no_pair_is_ever_found():
    panel = plot_training(training(1, 1).assign(precision_at_2=np.nan)).axes[5]
    assert not panel.lines and panel.texts[0].get_text() == "no pair within this distance"


def test_six_models_differ_in_grey_and_variants_are_named():
    figure = plot_training(training(6, 1, steps=3))
    drawn = lines_of(figure.axes[0], linestyle="-")
    assert [line.get_markevery() for line in drawn] == [[0, 1, 2, 3]] * 6
    assert len({line.get_marker() for line in drawn}) == 6 and len({line.get_color() for line in drawn}) == 6
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == [*MODELS, "validation", "training"]
    table = training(2, 1, steps=2)
    other = table[table.model == MODELS[0]].assign(variant="lambda=1")
    names = [text.get_text() for text in plot_training(pd.concat([table, other])).legends[0].get_texts()]
    assert names[:3] == [f"{MODELS[0]}, default", MODELS[1], f"{MODELS[0]}, lambda=1"]


def test_a_model_keeps_its_looks_where_it_has_no_row():
    table = training(3, 1, steps=4)
    table = table[(table.model != MODELS[1]) | (table.split == "train")]
    panel = plot_training(table).axes[7]
    assert [line.get_marker() for line in lines_of(panel, linestyle="-")] == ["o", "^"]


def test_training_in_cells_is_of_each_seeds_last_step():
    table = training(1, 3)
    table = table[(table.seed != 3212) | (table.step <= 50_000)].assign(precision_at_2=np.nan)
    cells = training_cells(table)
    assert cells.model.tolist() == [MODELS[0]] * 2 and cells.split.tolist() == ["train", "valid"]
    row = cells[cells.split == "valid"].iloc[0]
    valid = table[table.split == "valid"]
    last = [
        valid[(valid.seed == seed) & (valid.step == step)]
        for seed, step in ((3210, 100_000), (3211, 100_000), (3212, 50_000))
    ]
    last = pd.concat(last)
    low, high = by_t(last.entropy_worst_3 / 3)
    assert (
        row["worst triple of bits, share of 3 bits"]
        == f"{last.entropy_worst_3.mean() / 3:.3f} ({low:.3f} to {high:.3f})"
    )
    assert row.step == "50,000 to 100,000" and row.seeds == 3 and row.pairs == "1,000"
    assert row["precision within distance 2"] == "none"
    assert row["median distance, same label (bits)"].startswith(f"{last.same_distance_median.mean():.1f} (")


# --- distances


def seen(model: int = 0, seeds: int = 3, **settings):
    """The three panels of a model, and its rows of both tables."""
    histogram, rates = distances(model + 1, seeds, **settings)
    figure = plot_distances(histogram, rates)
    name = MODELS[model]
    return figure.axes[3 * model : 3 * model + 3], histogram[histogram.model == name], rates[rates.model == name]


def shares(histogram: pd.DataFrame, pairs_of: str, variant: str) -> np.ndarray:
    """(seeds, 65)."""
    rows = histogram[(histogram.pairs_of == pairs_of) & (histogram.variant == variant)]
    counts = rows.sort_values(["seed", "distance"])["count"].to_numpy().reshape(-1, BITS + 1)
    return counts / counts.sum(axis=1, keepdims=True)


def test_histograms_are_shares_of_pairs_beside_the_binomial():
    (panel, *_), histogram, _ = seen(1)
    steps = [patch for patch in panel.patches if isinstance(patch, StepPatch)]
    drawn = [step.get_data().values for step in steps]
    expected = [
        shares(histogram, kind, state).mean(axis=0)
        for kind in ("same", "different")
        for state in ("untrained", "default", "default")
    ]
    assert len(drawn) == len(expected) and all(np.allclose(a, b) for a, b in zip(drawn, expected))
    assert all(step.get_data().edges[0] == -0.5 and step.get_data().edges[-1] == BITS + 0.5 for step in steps)
    (line,) = panel.lines
    assert np.allclose(line.get_ydata(), [comb(BITS, d) / 2**BITS for d in range(BITS + 1)], atol=0)
    assert np.array_equal(line.get_xdata(), range(BITS + 1))
    assert panel.get_yscale() == "function" and panel.get_ylim()[0] == 0 and panel.get_ylim()[1] > max(map(max, drawn))
    looks = [(step.get_linestyle(), step.get_hatch()) for step in steps if step.get_linewidth() == 1.2]
    assert looks == [("-", ""), ("--", "////")]


def test_bands_of_histograms_are_the_interval_of_the_mean():
    (panel, *_), histogram, _ = seen(0, 4)
    _, different = panel.collections
    corners = different.get_paths()[0].vertices
    left, right = (set(corners[corners[:, 0] == edge, 1]) for edge in (31.5, 32.5))
    assert sorted(left & right) == pytest.approx(by_t(shares(histogram, "different", "default")[:, 32]))


def test_two_seeds_have_an_outline_each():
    (panel, *_), histogram, _ = seen(0, 2)
    assert not panel.collections
    drawn = [patch.get_data().values for patch in panel.patches]
    assert len(drawn) == 8  # of each kind: untrained, the mean, two seeds
    assert all(np.allclose(a, b) for a, b in zip(drawn[2:4], shares(histogram, "same", "default")))


def test_rates_are_drawn_with_their_intervals_and_joined_by_means():
    (_, panel, _), _, rates = seen(1)
    recall = rates[rates.metric.str.startswith("recall")]
    assert panel.get_ylim() == (-0.03, 1.03) and panel.get_xticks().tolist() == [0, 1, 2, 3]
    for variant, dashes in (("default", "-"), ("untrained", "--")):
        mine = recall[recall.variant == variant]
        (line,) = lines_of(panel, linestyle=dashes)
        assert np.allclose(line.get_ydata(), mine.groupby("metric").value.mean())
        (points,) = lines_of(panel, linestyle="None", marker="o" if variant == "default" else "s")
        assert sorted(points.get_ydata()) == sorted(mine.value)
        assert np.abs(points.get_xdata() - np.tile(range(4), 3)).max() < 0.5
    ends = set(bars_of(panel).values())
    assert ends == {(row.low, row.high) for row in recall.itertuples()}


def test_marks_of_seeds_stand_apart_and_lines_in_their_middle():
    (_, panel, _), *_ = seen(0, 5)
    places = np.concatenate([line.get_xdata() for line in lines_of(panel, linestyle="None")])
    assert np.diff(np.sort(places)).min() > 0.05 and len(places) == 40
    (line,) = lines_of(panel, linestyle="-")
    (points,) = lines_of(panel, linestyle="None", marker="o")
    assert np.allclose(line.get_xdata(), points.get_xdata().astype(float).reshape(5, 4).mean(axis=0))


def test_a_fallout_of_zero_is_an_upper_limit():
    (_, _, panel), _, rates = seen(0)
    fallout = rates[rates.metric.str.startswith("fallout") & (rates.variant == "default")]
    assert fallout.value.eq(0).all() and panel.get_yscale() == "log"
    points = [line for line in lines_of(panel, linestyle="None", marker="o") if len(line.get_ydata())]
    (limits,) = points
    assert sorted(limits.get_ydata()) == sorted(fallout.high) and limits.get_markerfacecolor() == "white"
    assert panel.get_ylim() == pytest.approx((1e-5, 1e-3)) and 1e-4 < fallout.high.min() < 2e-4
    carets = [line for line in panel.lines if line.get_marker() == CARETDOWNBASE]
    assert carets and np.allclose(carets[0].get_ydata(), fallout.high / 2)
    assert all(np.isnan(line.get_ydata()).all() for line in lines_of(panel, linestyle="-"))


def test_a_fallout_above_zero_is_a_point():
    (_, _, panel), _, rates = seen(2)
    fallout = rates[rates.metric.str.startswith("fallout") & (rates.variant == "default")]
    assert fallout.value.gt(0).all()
    points = [line for line in lines_of(panel, linestyle="None", marker="o") if len(line.get_ydata())]
    assert sorted(points[0].get_ydata()) == sorted(fallout.value) and points[0].get_markerfacecolor() != "white"
    (line,) = lines_of(panel, linestyle="-")
    assert np.allclose(line.get_ydata(), fallout.groupby("metric").value.mean())


def test_a_network_that_gives_one_code_to_all_is_drawn():
    histogram, rates = distances(1, 1, 500)
    one = histogram.assign(count=np.where(histogram.distance == 0, 500, 0))
    figure = plot_distances(one, rates.assign(value=1.0, low=0.99, high=1.0))
    assert figure.axes[2].get_ylim() == pytest.approx((0.1, 1.5)) and figure.axes[0].get_ylim()[1] > 1


def test_models_without_an_untrained_network_and_models_of_several_variants():
    histogram, rates = distances(2, 1, 500)
    other = [table[table.variant == "default"].assign(variant="b") for table in (histogram, rates)]
    keep = [table[(table.model == MODELS[0]) | (table.variant == "default")] for table in (histogram, rates)]
    figure = plot_distances(*(pd.concat([a, b[b.model == MODELS[0]]]) for a, b in zip(keep, other)))
    assert [panel.get_title() for panel in figure.axes[::3]] == [f"{MODELS[0]}, default", MODELS[1], f"{MODELS[0]}, b"]
    assert [len(panel.patches) for panel in figure.axes[::3]] == [6, 4, 6]
    assert [len(lines_of(panel, linestyle="--")) for panel in figure.axes[1::3]] == [1, 0, 1]
    assert "500 pairs" in figure.get_suptitle() and "one seed" in figure.get_suptitle()


def test_what_distances_come_to():
    """Counts that are exactly binomial, and pairs that are all equal."""
    keys = {"task": "t", "model": "m", "variant": "default", "seed": 1, "bits": 8}
    rows = [{**keys, "pairs_of": "different", "distance": d, "count": 3 * comb(8, d)} for d in range(9)]
    rows += [{**keys, "pairs_of": "same", "distance": 0, "count": 10}]
    found = distance_statistics(pd.DataFrame(rows)).set_index("pairs_of")
    different, same = found.loc["different"], found.loc["same"]
    assert (different.pairs, same.pairs) == (768, 10)
    assert (different["mean"], different.deviation) == pytest.approx((4, 2**0.5))
    assert different.binomial == pytest.approx(0, abs=1e-12) and same.binomial == pytest.approx(1 - 2**-8)
    assert (same["mean"], same.deviation) == (0, 0)


def test_the_panel_says_how_unrelated_pairs_lie():
    (panel, *_), histogram, _ = seen(0, 1)
    rows = histogram[(histogram.pairs_of == "different") & (histogram.variant == "default")]
    values = np.repeat(rows.distance, rows["count"])
    text = panel.texts[0].get_text()
    assert f"different labels {values.mean():.1f} ± {values.std(ddof=0):.1f}" in text
    assert "Binomial(64, ½) 32.0 ± 4.0" in text


def test_distances_in_cells():
    histogram, rates = distances(3, 3)
    cells = distance_cells(histogram, rates)
    assert cells.model.tolist() == [name for name in MODELS[:3] for _ in range(2)]
    assert cells.network.tolist() == ["trained", "untrained"] * 3 and set(cells.seeds) == {3}
    mine = rates[(rates.model == MODELS[2]) & (rates.variant == "default")].set_index("metric").value
    row = cells.iloc[4]
    low, high = by_t(mine["recall_at_1"])
    assert row["recall, r = 1"] == f"{mine['recall_at_1'].mean():.3g} ({low:.3g} to {high:.3g})"
    fallout = mine["fallout_at_3"]
    assert row["fallout, r = 3"] == f"{fallout.mean():.3g} ({fallout.min():.3g} to {fallout.max():.3g})"
    of = distance_statistics(histogram)
    of = of[(of.model == MODELS[2]) & (of.variant == "default") & (of.pairs_of == "different")]
    assert row["deviation (bits)"].startswith(f"{of.deviation.mean():.2f} (")
    assert row["from Binomial(k, ½) (total variation)"].startswith(f"{of.binomial.mean():.3f} (")
    one = rates[(rates.seed == 0) & (rates.variant == "default")]
    row = distance_cells(histogram[histogram.seed == 0], one).iloc[0]
    zero = one[(one.metric == "fallout_at_0") & (one.model == MODELS[0])].iloc[0]
    assert row["fallout, r = 0"] == f"0 (0 to {zero.high:.3g})"


# --- families

LAMBDAS = [0.005, 0.006, 0.007, 0.008, 0.009, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06]


def series_of(panel, dashes: str = "-"):
    """The one line that joins means."""
    (line,) = [line for line in lines_of(panel, linestyle=dashes) if line.get_marker() == "None"]
    return line


def of(table: pd.DataFrame, metric: str):
    return table[table.metric == metric].groupby("parameter_value").value


def geometric(values) -> float:
    return float(np.prod(values) ** (1 / len(values)))


def test_families_draw_means_over_seeds():
    table = family(LAMBDAS)
    trade, recall, collisions = plot_family(table).axes
    means, rates = of(table, "recall").mean(), of(table, ICR).apply(geometric)
    for panel, x, y in ((trade, rates, means), (recall, means.index, means), (collisions, means.index, rates)):
        assert np.allclose(series_of(panel).get_xdata(), x, rtol=1e-9)
        assert np.allclose(series_of(panel).get_ydata(), y, rtol=1e-9)
    assert (trade.get_xscale(), trade.get_yscale()) == ("log", "linear")
    assert (recall.get_yscale(), collisions.get_yscale()) == ("linear", "log")
    assert {panel.get_xscale() for panel in (recall, collisions)} == {"log"}
    assert "collision rate" in trade.get_xlabel() and recall.get_xlabel() == "entropy weight"
    assert [text.get_text() for text in trade.texts] == [f"{value:g}" for value in LAMBDAS]


def test_families_draw_each_run():
    table = family(LAMBDAS[:4])
    trade, recall, collisions = plot_family(table).axes
    for panel, axis, metric in (
        (trade, "x", ICR),
        (trade, "y", "recall"),
        (recall, "y", "recall"),
        (collisions, "y", ICR),
    ):
        (runs,) = [line for line in panel.lines if line.get_markersize() == 2.5 and line.get_marker() == "o"]
        assert sorted(getattr(runs, f"get_{axis}data")()) == sorted(table[table.metric == metric].value)


def test_bars_of_families_are_the_interval_of_the_mean():
    table = family(LAMBDAS[:3], seeds=4)
    _, recall, collisions = plot_family(table).axes
    for value, found in of(table, "recall"):
        assert bars_of(recall)[value] == pytest.approx(by_t(found))
    for value, found in of(table, ICR):
        assert bars_of(collisions)[value] == pytest.approx(tuple(np.exp(by_t(np.log(found)))))


def test_two_seeds_have_no_bar_and_one_has_its_own():
    assert not bars_of(plot_family(family(LAMBDAS[:3], seeds=2)).axes[1])
    table = family(LAMBDAS[:3], seeds=1)
    figure = plot_family(table)
    rows = table[table.metric == ICR]
    expected = {row.parameter_value: pytest.approx((row.low, row.high)) for row in rows.itertuples()}
    assert bars_of(figure.axes[2]) == expected
    assert "one seed" in figure.get_suptitle() and "of the run" in figure.get_suptitle()
    assert not [
        line for panel in figure.axes for line in panel.lines if line.get_markersize() == 2.5 and len(line.get_xdata())
    ]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [MODELS[0]]


def test_a_rate_of_no_collision_is_an_upper_limit():
    table = family(LAMBDAS, zero_above=9)
    zero = (table.metric == ICR) & (table.parameter_value == 0.04) & (table.seed == 3210)
    table.loc[zero, ["value", "low", "high"]] = 0, 0, 1e-9  # one of five runs
    figure = plot_family(table)
    trade, _, collisions = figure.axes
    others = table[(table.metric == ICR) & (table.parameter_value == 0.04) & (table.seed != 3210)].value
    expected = [geometric([*others, 1e-9]), 1e-10, 1e-10]
    for panel, axis, caret in ((trade, "x", CARETLEFTBASE), (collisions, "y", CARETDOWNBASE)):
        means = [
            line
            for line in panel.lines
            if line.get_markersize() == 6 and line.get_markerfacecolor() == "white" and line.get_marker() == "o"
        ]
        (limits,) = means
        assert getattr(limits, f"get_{axis}data")() == pytest.approx(expected)
        (found,) = [
            line
            for line in panel.lines
            if line.get_marker() == "o" and line.get_markersize() == 6 and line is not limits
        ]
        assert len(found.get_xdata()) == 8
        (runs,) = [
            line for line in panel.lines if line.get_markersize() == 2.5 and line.get_markerfacecolor() == "white"
        ]
        assert len(runs.get_xdata()) == 11
        arrows = [line for line in panel.lines if line.get_marker() == caret]
        assert len(arrows) == 2
        assert {tuple(getattr(line, f"get_{axis}data")()) for line in arrows} >= {
            tuple(np.array(getattr(limits, f"get_{axis}data")()) / 2)
        }
    assert "upper limit: no collision met" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert not any(
        round(place, 6) in (0.04, 0.05, 0.06) and np.ptp(np.log10(ends)) > 0.31
        for place, ends in bars_of(collisions).items()
    )


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([0.01, 0.1], "linear"),
        ([0.01, 0.11], "log"),
        ([0, 1, 100], "linear"),
        ([-1, 1, 100], "linear"),
        ([3], "linear"),
        (["a", "b"], "linear"),
    ],
)
def test_the_scale_of_the_parameter(values, scale):
    _, recall, collisions = plot_family(family(values, seeds=2)).axes
    assert recall.get_xscale() == collisions.get_xscale() == scale
    assert (
        np.array_equal(series_of(recall).get_xdata(), [0, 1])
        if "a" in values
        else np.allclose(series_of(recall).get_xdata(), values)
    )


def test_names_in_place_of_numbers():
    panel = plot_family(family(["soft", "hard"], seeds=2, parameter="gradient")).axes[1]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == [
        "soft",
        "hard",
    ] and panel.get_xlabel() == "gradient"
    figure = plot_family(family(["0.1, 1", "0.1, 2", "0.2, 1"], seeds=2, parameter="lambda_s, tuple_size"))
    assert [tick.get_text() for tick in figure.axes[2].get_xticklabels()] == ["v0", "v1", "v2"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["v0", "v1", "v2"]
    assert figure.axes[1].get_xlabel() == "lambda s, tuple size"


def test_numbers_that_were_read_as_text():
    table = family([0.01, 0.02], seeds=2)
    panel = plot_family(table.assign(parameter_value=table.parameter_value.astype(str))).axes[1]
    assert np.allclose(series_of(panel).get_xdata(), [0.01, 0.02])


def test_marks_of_models_stand_apart():
    databases = (("1mdb", 10**6), ("10mdb", 10**7))
    table = family(LAMBDAS[:3], seeds=3, models=MODELS[:2], databases=databases, zero_above=0)
    figure = plot_family(table)
    assert len(figure.axes) == 6 and figure.axes[3].get_title() == "10mdb, 10,000,000 items"
    panel = figure.axes[2]
    first, second = (series_of(panel, dashes).get_xdata() for dashes in ("-", "--"))
    assert (
        (first < LAMBDAS[:3]).all()
        and (second > LAMBDAS[:3]).all()
        and np.allclose(first + second, 2 * np.array(LAMBDAS[:3]))
    )


def test_values_are_written_off_each_other_and_off_the_means():
    figure = plot_family(family(LAMBDAS))
    figure.canvas.draw()
    panel = figure.axes[0]
    boxes = [Text.get_window_extent(text).extents for text in panel.texts]  # without the line to the mean
    means = panel.transData.transform(np.column_stack(series_of(panel).get_data()))
    inside = panel.get_window_extent().extents
    for place, (left, bottom, right, top) in enumerate(boxes):
        assert inside[0] < left and inside[1] < bottom and right < inside[2] and top < inside[3]
        assert not any(left < x < right and bottom < y < top for x, y in means)
        for other in boxes[place + 1 :]:
            assert left >= other[2] or other[0] >= right or bottom >= other[3] or other[1] >= top
        near = np.hypot(*(means - [(left + right) / 2, (bottom + top) / 2]).T)
        assert near[place] < 60


def test_runs_without_a_rate_are_left_out():
    table = family(LAMBDAS[:3], seeds=3)
    table.loc[(table.metric == "recall") & (table.seed == 3211) & (table.parameter_value == 0.006), "value"] = np.nan
    _, recall, collisions = plot_family(table).axes
    rest = table[(table.parameter_value == 0.006) & (table.seed != 3211)]
    assert series_of(recall).get_ydata()[1] == pytest.approx(rest[rest.metric == "recall"].value.mean())
    assert series_of(collisions).get_ydata()[1] == pytest.approx(geometric(rest[rest.metric == ICR].value))


def test_families_in_cells():
    table = family([0.01, 0.5], seeds=3, zero_above=1)
    count = table[table.metric == ICR].assign(
        metric="internal_collisions", value=[10.0, 1000.0, 100_000.0, 0, 0, 0], high=7.0
    )
    cells = family_cells(pd.concat([table, count]))
    assert cells["entropy weight"].tolist() == ["0.01", "0.5"] and set(cells.seeds) == {3}
    first, second = cells.iloc[0], cells.iloc[1]
    recall, rate = of(table, "recall").get_group(0.01), of(table, ICR).get_group(0.01)
    low, high = by_t(recall)
    assert first.recall == f"{recall.mean():.3f} ({low:.3f} to {high:.3f})"
    low, high = np.exp(by_t(np.log(rate)))
    assert first["irrelevant collision rate"] == f"{geometric(rate):.2g} ({low:.2g} to {high:.2g})"
    assert first["internal collisions"].startswith("1,000 (") and second["internal collisions"].startswith(
        "at most 7 ("
    )
    assert second["irrelevant collision rate"].startswith("at most 1e-10")
    assert "perfect retrieval rate" in cells and first.database == "10mdb, 10,000,000 items"
    one = family_cells(family([0.01], seeds=1))
    row = family([0.01], seeds=1).set_index("metric").loc["recall"]
    assert one.recall[0] == f"{row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
    assert family_cells(family([0.01], seeds=1, zero_above=0))["irrelevant collision rate"][0] == "at most 1e-10"


# --- files

FIGURES = {
    "training": lambda: plot_training(training(6, 3, steps=6)),
    "training of one": lambda: plot_training(training(1, 1, steps=0)),
    "distances": lambda: plot_distances(*distances(6, 2, 300)),
    "distances of one": lambda: plot_distances(*distances(1, 1, 300)),
    "family": lambda: plot_family(family(LAMBDAS, models=MODELS[:2], zero_above=8)),
    "family of one": lambda: plot_family(family([0.01], seeds=1, zero_above=0)),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_laid_out_and_name_their_axes(name):
    figure = FIGURES[name]()
    title = figure.get_suptitle()
    assert title.startswith("task mnist") and "nan" not in title
    assert all(panel.get_xlabel() and panel.get_ylabel() and panel.get_title() for panel in figure.axes)
    figure.draw_without_rendering()
    assert min(panel.get_window_extent().width for panel in figure.axes) > 150


def test_a_figure_is_written(tmp_path):
    save_figure(plot_family(family(LAMBDAS[:4], zero_above=2)), tmp_path / "f.png")
    assert plt.imread(tmp_path / "f.png").shape[1] > 700


@pytest.mark.parametrize("study", ["training", "distances", "family"])
def test_captions_are_sound(study):
    page = html_from_rst((ROOT / "workflow" / "report" / f"equihash_{study}.rst").read_text())
    assert "What to see" in page and "Against the published" in page
