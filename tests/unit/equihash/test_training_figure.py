"""The figures of training, from made-up tables."""

import numpy as np
import pytest

from figure_tables import MODELS, band, by_t, checkpoints, diagnostics, joined, lines_of, only, points, training, words
from rehash.equihash.figures.checkpoints import plot_checkpoints
from rehash.equihash.figures.diagnostics import plot_diagnostics
from rehash.equihash.figures.training import plot_training

METRICS = {"recall_at_0": 1, "precision_at_0": 1, "entropy_worst_1": 1, "distinct_codes": 1,
           "recall_at_2": 1, "precision_at_2": 1, "entropy_worst_3": 3}  # fmt: skip


def test_lines_are_means_over_seeds_of_each_split():
    table = training()
    for panel, (metric, most) in zip(plot_training(table).axes, METRICS.items()):
        means = table.groupby(["split", "model", "step"])[metric].mean() / most
        for split, dashes in (("valid", "-"), ("train", "--")):
            for model, line in zip(MODELS[:3], lines_of(panel, linestyle=dashes), strict=True):
                assert np.array_equal(line.get_xdata(), means[split, model].index)
                assert np.allclose(line.get_ydata(), means[split, model], rtol=1e-12, equal_nan=True)
        widths = {line.get_linestyle(): line.get_linewidth() for line in panel.lines}
        assert widths["--"] < widths["-"] and panel.get_ylim() == (-0.03, 1.03)


def test_median_distances_of_both_kinds_on_validation():
    table = training(2, 3)
    panel = plot_training(table).axes[7]
    assert len(panel.lines) == 4 and panel.get_ylabel() == "Hamming distance (bits)"
    for metric, dashes in (("same_distance_median", "-"), ("different_distance_median", "-.")):
        means = only(table, split="valid").groupby(["model", "step"])[metric].mean()
        for model, line in zip(MODELS[:2], lines_of(panel, linestyle=dashes), strict=True):
            assert np.allclose(line.get_ydata(), means[model])
    assert words(panel.get_legend().get_texts()) == ["same label", "different labels"]


def test_bands_are_the_interval_of_the_mean():
    table = training(2, 4)
    _, second = plot_training(table).axes[0].collections
    values = only(table, split="valid", model=MODELS[1], step=50_000).recall_at_0
    assert band(second)[50_000] == pytest.approx(by_t(values))


def test_each_of_two_seeds_is_drawn():
    table = training(1, 2)
    figure = plot_training(table)
    rows, solid = only(table, split="valid"), lines_of(figure.axes[0], linestyle="-")
    assert [line.get_ydata().tolist() for line in solid] == [only(rows, seed=s).recall_at_0.tolist() for s in (0, 1)]
    assert not figure.axes[0].collections and "2 seeds, each drawn" in figure.get_suptitle()
    (one,) = lines_of(plot_training(training(1, 1)).axes[0], linestyle="-")
    assert solid[0].get_linewidth() < one.get_linewidth()


def test_gaps_are_left_and_what_stands_alone_is_marked():
    table = training(1, 3).assign(precision_at_0=np.nan)
    at = only(table, split="valid", step=35_000).index
    table.loc[at[:2], "precision_at_0"] = [0.5, 0.7]
    figure = plot_training(table)
    (line,) = lines_of(figure.axes[1], linestyle="-", marker="o")
    (there,) = np.flatnonzero(~np.isnan(line.get_ydata()))
    assert line.get_xdata()[there] == 35_000 and line.get_ydata()[there] == pytest.approx(0.6)
    assert there in line.get_markevery()
    (whole,), (train,) = (lines_of(figure.axes[0], linestyle=dashes) for dashes in ("-", "--"))
    assert whole.get_markevery() == list(range(0, 21, 2)) and not train.get_markevery()
    assert {panel.get_xlim() for panel in figure.axes} == {figure.axes[0].get_xlim()}


def test_a_panel_says_where_no_pair_is_ever_found():
    panel = plot_training(training(1, 1).assign(precision_at_2=np.nan)).axes[5]
    assert not panel.lines and words(panel.texts) == ["no pair within this distance"]


def test_six_models_differ_in_grey():
    figure = plot_training(training(6, 1, steps=3))
    drawn = lines_of(figure.axes[0], linestyle="-")
    assert [line.get_markevery() for line in drawn] == [[0, 1, 2, 3]] * 6
    assert len({line.get_marker() for line in drawn}) == 6 and len({line.get_color() for line in drawn}) == 6
    assert words(figure) == [*MODELS, "validation", "training"]


def test_a_model_keeps_its_looks_where_it_has_no_row():
    table = training(3, 1, steps=4)
    panel = plot_training(table[(table.model != MODELS[1]) | (table.split == "train")]).axes[7]
    assert [line.get_marker() for line in lines_of(panel, linestyle="-")] == ["o", "^"]


def test_diagnostics_are_what_the_tables_say():
    """The largest of the steps, over seeds; each term's median; and of pairs the shares at the last evaluation."""
    table, histograms = diagnostics(2, 3)
    figure = plot_diagnostics(table, histograms)
    clipped, gradient, _, _, terms, agreed, kinds, both = figure.axes
    assert clipped.get_ylim()[0] == 0 and gradient.get_yscale() == terms.get_yscale() == "log"
    means = only(table, quantity="largest_gradient", statistic="most").groupby(["model", "step"]).value.mean()
    for model, line in zip(MODELS[:2], gradient.lines, strict=True):
        assert np.allclose(line.get_ydata(), means[model])
    assert words(terms.get_legend().get_texts()) == ["hamming", "shannon"]
    assert words(kinds.get_legend().get_texts()) == ["pairs", "pairs of one label", "pairs of two labels"]
    medians = only(table, model=MODELS[0], quantity="gradient", of="shannon", statistic="median").groupby("step").value
    assert np.allclose(terms.lines[1].get_ydata(), medians.mean())
    assert len(agreed.lines) == 1 and len(both.lines) == 2
    for line, kind in zip(both.lines, ("same", "different")):
        rows = only(histograms, model=MODELS[1], pairs_of=kind, step=6000)
        shares = rows.groupby("low")["count"].sum() / rows["count"].sum()
        assert {x: y for x, y in points(line).items() if y} == pytest.approx(shares.to_dict())


def test_retrieval_is_drawn_against_the_step():
    """Of the largest size alone; where nothing was counted an upper limit stands, and no line goes through it."""
    table = checkpoints(2, 1)
    recall, _, positives, collisions = plot_checkpoints(table).axes
    whole = only(table, database_size=10**7)
    for model, line in zip(MODELS[:2], joined(recall)):
        assert points(line) == dict(only(whole, metric="recall", model=model)[["step", "value"]].to_numpy().tolist())
    assert positives.get_yscale() == collisions.get_yscale() == "log"
    first = only(whole, metric="false_positive_rate", model=MODELS[0])
    assert points(joined(positives)[0]) == dict(first[["step", "value"]].to_numpy()[:-1].tolist())
    assert first.value.iloc[-1] == 0 and first.high.iloc[-1] in {
        y for panel in [positives] for line in panel.lines for y in line.get_ydata()
    }
