"""From property tables to what the report says."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from graphs import ROOT, merged
from rehash.config import validated
from rehash.errors import InputError
from rehash.figures.registry import load
from rehash.figures.style import save_figure
from rehash.hash_encoders import plan
from rehash.hash_encoders.columns import KEYS, METRICS
from rehash.hash_encoders.figures.capacity import plot_capacity
from rehash.hash_encoders.results import study_summary
from rehash.hash_encoders.studies import STUDIES
from rehash.hash_encoders.study import collect_study
from rehash.store import write_csv
from rehash.tables import summarise
from rehash.verdicts import Claims
from toys import capacity_table, property_row, varied_table


def said(table: pd.DataFrame) -> Claims:
    """The claims of a study as its entry has them."""
    return load(STUDIES[table.study.iloc[0]].claims)(table)


def drawn(table: pd.DataFrame, **settings) -> Figure:
    """The figure of a study as its entry has it."""
    return load(STUDIES[table.study.iloc[0]].draw)(table, **settings)


def test_summary_against_numpy():
    rows = summarise(capacity_table(), ["layer_width", "epoch"], ["knn"]).set_index(["layer_width", "epoch"])
    expected = np.array([0.9, 0.91, 0.92])
    assert rows.loc[(40, 10), "knn_mean"] == pytest.approx(expected.mean())
    assert rows.loc[(40, 10), "knn_sd"] == pytest.approx(expected.std(ddof=1)) and rows.loc[(40, 10), "n"] == 3


def test_networks_that_diverged_do_not_count():
    lost = capacity_table()
    lost.loc[lost.index[-1], METRICS] = np.nan
    rows = summarise(lost, ["layer_width", "epoch"], METRICS).set_index(["layer_width", "epoch"])
    assert rows.loc[(40, 10), "n"] == 2 and rows.loc[(40, 10), "knn_mean"] == pytest.approx(0.905)
    assert "1 network that diverged is left out" in plot_capacity(lost)._suptitle.get_text()


def test_capacity_claims_follow_the_numbers():
    seen = said(capacity_table())
    assert [c["verdict"] for c in seen] == ["Falls, beyond the spread", "Rises, beyond the spread"]
    assert "is 1.000 ± 0.000 (n = 3) at width 3 and 0.075 ± 0.000 (n = 3) at width 40; " in seen[0]["text"]
    assert seen[0]["text"].endswith("; difference -0.925 (95% interval -0.925 to -0.925).")
    assert "is 0.710 ± 0.010 (n = 3) before training and 0.910 ± 0.010 (n = 3) after training" in seen[1]["text"]
    close = said(capacity_table(knn=((0.3, 0.5), (0.895, 0.9))))
    assert close[1]["verdict"] == "No change beyond the spread"


@pytest.mark.parametrize(
    ("study", "column", "levels", "text"),
    [
        (
            "sample_size",
            "sample_size",
            (10, 90),
            "0.310 ± 0.010 (n = 3) at sample size 10 and 0.810 ± 0.010 (n = 3) at",
        ),
        ("training_time", "epoch", (0, 30), "0.310 ± 0.010 (n = 3) at epoch 0 and 0.810 ± 0.010 (n = 3) at epoch 30"),
        ("label_noise", "label_noise", (0.0, 1.0), "at share 0 and 0.810 ± 0.010 (n = 3) at share 1"),
        ("regularisation", "batch_norm", (False, True), "without BatchNorm and 0.810 ± 0.010 (n = 3) with BatchNorm"),
        ("regularisation", "l2", (0.0, 0.001), "at L2 0 and 0.810 ± 0.010 (n = 3) at L2 0.001"),
        ("regularisation", "weight_decay", (0.0, 0.01), "at weight decay 0 and 0.810 ± 0.010 (n = 3) at weight decay"),
        ("regularisation", "activation", ("relu", "leaky"), "with ReLU and 0.810 ± 0.010 (n = 3) with leaky ReLU"),
        ("regularisation", "augmentation", (False, True), "without augmentation and 0.810 ± 0.010 (n = 3) with augm"),
        ("regularisation", "patience", (3.0, np.inf), "at patience 3 and 0.810 ± 0.010 (n = 3) without early stopping"),
    ],
)
def test_claims_of_the_other_studies(study, column, levels, text):
    found = said(varied_table(study, column, levels, "knn", (0.3, 0.8)))
    rising = [claim for claim in found if claim["verdict"] == "Rises, beyond the spread"]
    assert len(rising) == 1 and text in rising[0]["text"]
    assert all(c["verdict"] == "No change beyond the spread" for c in found if c not in rising)


def test_claims_are_of_what_was_measured_where_all_networks_of_a_level_diverged():
    table = varied_table("label_noise", "label_noise", (0.0, 0.5, 1.0), "knn", (0.8, 0.4, 0.1))
    table.loc[table.label_noise == 1, METRICS] = np.nan
    unchanged, falling = said(table)
    assert unchanged["verdict"] == "No change beyond the spread"
    assert falling["verdict"] == "Falls, beyond the spread" and "at share 0.5" in falling["text"]
    table[METRICS] = np.nan
    assert said(table) == []


def test_one_network_or_one_width_is_no_ground_for_a_verdict(tmp_path):
    single = capacity_table(repeats=1)
    assert {c["verdict"] for c in said(single)} == {"One network, so no spread to judge by"}
    assert len(said(capacity_table(widths=(40,)))) == 1
    shown = study_summary(single).to_string()
    assert "nan" not in shown and "0.900" in shown
    for case in (single, capacity_table(widths=(40,)), capacity_table(widths=(40,), repeats=1)):
        save_figure(plot_capacity(case), tmp_path / "f.png", tmp_path / "f.pdf")


def test_the_same_table_gives_the_same_picture(tmp_path):
    for name in ("a", "b"):
        save_figure(plot_capacity(capacity_table()), tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    for kind in ("pdf", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


@pytest.mark.parametrize(
    ("study", "column", "levels"),
    [
        ("sample_size", "sample_size", (10, 90)),
        ("training_time", "epoch", (0, 7)),
        ("regularisation", "dropout", (0, 0.5)),
    ],
)
def test_figures_draw_their_tables(study, column, levels):
    figure = drawn(varied_table(study, column, levels, "knn", (0.3, 0.8)))
    panel = next(axis for axis in figure.axes if axis.get_title() == "K-NN accuracy")
    line = panel.get_lines()[0]
    assert line.get_xdata().tolist() == list(levels) and np.allclose(line.get_ydata(), [0.31, 0.81])
    assert panel.get_xlabel()


def test_summary_leaves_out_what_is_the_same_everywhere():
    assert list(study_summary(capacity_table()))[:3] == ["width", "networks", "n"]
    shown = study_summary(varied_table("sample_size", "sample_size", (10, 90), "knn", (0.3, 0.8)))
    assert list(shown)[:2] == ["sample size", "n"]
    assert shown["K-NN accuracy"].tolist() == ["0.310 ± 0.010", "0.810 ± 0.010"]


def test_the_summary_says_which_logistic_regression_it_was():
    assert "logistic regression accuracy" in study_summary(capacity_table())
    old = capacity_table().drop(columns="lr_scheme")  # a table of an earlier version, in which all were one-vs-one
    assert "logistic regression accuracy" in study_summary(old)
    rest = study_summary(capacity_table().assign(lr_scheme="one-vs-rest"))
    assert "logistic regression accuracy (one-vs-rest)" in rest and "logistic regression accuracy" not in rest


def test_collecting(tmp_path):
    whole = capacity_table()
    for width, part in whole.groupby("layer_width"):
        write_csv(part, tmp_path / f"{width}.csv")
    paths = [tmp_path / "40.csv", tmp_path / "3.csv"]
    collected = collect_study(paths, "capacity")
    assert collected.layer_width.tolist() == [3] * 6 + [40] * 6 and list(collected) == [
        *KEYS, "lr_scheme", "code_bits", *METRICS
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"study capacity: two rows for .*'layer_width': 3"):
        collect_study([*paths, tmp_path / "3.csv"], "capacity")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.drop(columns="knn"), "lacks the columns knn"),
        (lambda t: t.assign(knn=7.5), "row 0 has knn = 7.5; expected 0 to 1"),
        (lambda t: t.assign(lr="high"), "lr has values that are no numbers"),
        (lambda t: t.assign(seed=np.nan), "row 0 has no seed"),
        (lambda t: t.iloc[:-1], "not every configuration has the same number of repeats"),
        (lambda t: t.iloc[:0], "has no rows"),
        (lambda t: t.assign(knn=t.knn.where(t.index > 0)), "row 0 has only a part of its metrics"),
    ],
)
def test_an_edited_or_truncated_table_is_refused(tmp_path, edit, message):
    write_csv(edit(capacity_table()), tmp_path / "bad.csv")
    with pytest.raises(InputError, match=rf"bad\.csv: {message}"):
        collect_study([tmp_path / "bad.csv"], "capacity")


def test_a_diverged_network_passes_and_is_counted(tmp_path):
    whole = capacity_table()
    whole.loc[0, [*METRICS]] = np.nan
    whole.loc[0, "code_bits"] = 0
    write_csv(whole, tmp_path / "t.csv")
    assert collect_study([tmp_path / "t.csv"], "capacity").knn.isna().sum() == 1


def test_a_study_of_which_all_diverged_is_said_and_not_a_crash(tmp_path):
    lost = capacity_table().assign(**dict.fromkeys(METRICS, np.nan))
    sizes = varied_table("sample_size", "sample_size", (10, 90), "knn", (0.3, 0.8)).assign(
        **dict.fromkeys(METRICS, np.nan)
    )
    for case in (lost, sizes):
        assert said(case) == [] and study_summary(case).empty
        figure = drawn(case)
        assert any("all networks diverged" in text.get_text() for axis in figure.axes for text in axis.texts)


def test_networks_that_diverged_do_not_tip_the_mean_over_a_grid():
    """One cell is lost; the other regulariser has no effect, and none is claimed."""
    rows = [
        property_row(study="regularisation", l2=l2, batch_norm=norm, repeat=r, knn=(0.9 if norm else 0.3) + 0.001 * r)
        for l2 in (0.0, 0.1)
        for norm in (False, True)
        for r in range(3)
    ]
    grid = pd.DataFrame(rows)
    grid.loc[(grid.l2 == 0) & ~grid.batch_norm & (grid.repeat == 2), METRICS] = np.nan
    about_l2 = [claim for claim in said(grid) if "L2" in claim["text"]]
    assert about_l2 and all(claim["verdict"] == "No change beyond the spread" for claim in about_l2)
    assert "(n = 2)" in about_l2[0]["text"]


def grid_table(**levels) -> pd.DataFrame:
    """The table of a grid of regularisers, three networks a cell."""
    cells = [dict(zip(levels, values)) for values in product(*levels.values())]
    return pd.DataFrame(
        property_row(study="regularisation", **cell, repeat=r, knn=0.5 + 0.04 * i + 0.01 * r)
        for i, cell in enumerate(cells)
        for r in range(3)
    )


def test_each_activation_is_set_against_the_first_one():
    claims = [
        claim["text"] for claim in said(grid_table(activation=["prelu", "leaky", "relu"])) if "K-NN" in claim["text"]
    ]
    assert len(claims) == 2 and "with ReLU and 0.550 ± 0.010 (n = 3) with leaky ReLU" in claims[0]
    assert "0.590 ± 0.010 (n = 3) with ReLU and 0.510 ± 0.010 (n = 3) with parametric ReLU" in claims[1]


def test_lines_of_a_grid_are_named_by_what_differs():
    table = grid_table(dropout=[0.0, 0.5], augmentation=[False, True], patience=[3.0, np.inf])
    panel = drawn(table).axes[3]
    names = [line.get_label() for line in panel.get_lines()]
    changed = ("without augmentation", "augmentation")
    assert names == [f"{one}, {two}" for one in changed for two in ("patience 3", "without early stopping")]
    assert panel.get_lines()[3].get_ydata().tolist() == pytest.approx([0.5 + 0.04 * i + 0.01 for i in (3, 7)])
    other = table.assign(protocol="q", l2=0.1)
    assert [line.get_label() for line in drawn(pd.concat([table, other])).axes[9].get_lines()] == names
    widths = pd.concat([table, table.assign(layer_width=80)])
    assert drawn(widths).axes[0].get_lines()[0].get_label() == "width 40, without augmentation, patience 3"


def test_a_grid_without_dropout_is_drawn_side_by_side():
    """Points with bars of a standard deviation, each with its name, a ReLU first; or a text where all diverged."""
    table = grid_table(activation=["relu", "leaky"], weight_decay=[0.0, 0.01])
    panel = drawn(table).axes[3]
    assert panel.get_title() == "K-NN accuracy" and panel.get_xlim() == (-0.03, 1.03)
    names = [f"weight decay {decay}, {unit}" for decay in ("0", "0.01") for unit in ("ReLU", "leaky ReLU")]
    assert [text.get_text() for text in panel.get_yticklabels()] == names
    points, _, (bars,) = panel.containers[0]
    assert points.get_xdata().tolist() == pytest.approx([0.51, 0.59, 0.55, 0.63])
    assert [np.ptp(segment[:, 0]) for segment in bars.get_segments()] == pytest.approx([0.02] * 4)
    lost = table.assign(**dict.fromkeys(METRICS, np.nan))
    assert all(axis.texts[0].get_text() == "all networks diverged" for axis in drawn(lost).axes) and said(lost) == []


@pytest.mark.parametrize(("kmeans", "words"), [("train", "K-Means (training codes)"), ("test", "K-Means (test codes)")])
def test_figures_draw_the_split_that_they_are_told(kmeans, words):
    """And say so in words; the other split is not drawn."""
    capacity = capacity_table().assign(kmeans_train=0.31, kmeans_test=0.62)
    right = drawn(capacity, kmeans=kmeans).axes[1]
    lines = {line.get_label(): line.get_ydata().tolist() for line in right.get_lines()}
    assert lines[words] == pytest.approx([{"train": 0.31, "test": 0.62}[kmeans]] * 2)
    assert sum("K-Means" in label for label in lines) == 2  # and before training
    sizes = varied_table("sample_size", "sample_size", (10, 90), "knn", (0.3, 0.8)).assign(
        kmeans_train=0.31, kmeans_test=0.62
    )
    panel = next(axis for axis in drawn(sizes, kmeans=kmeans).axes if "K-Means" in axis.get_title())
    assert panel.get_title() == words.replace("K-Means", "K-Means accuracy")
    assert panel.get_lines()[0].get_ydata().tolist() == pytest.approx([{"train": 0.31, "test": 0.62}[kmeans]] * 2)


def test_a_study_draws_the_split_of_the_published_panel():
    config = validated(merged(ROOT / "config" / "config.yaml"))
    drawn = {
        (study, dataset): plan.drawn_split(config, study, dataset)
        for study in ("capacity", "sample_size", "training_time", "label_noise")
        for dataset in ("cifar10", "mnist", "mnist5k", "svhn")
    }
    assert {key for key, split in drawn.items() if split == "train"} == {
        ("capacity", "cifar10"), ("training_time", "cifar10"),
    }  # fmt: skip


def test_a_title_counts_the_networks_of_each_protocol():
    both = pd.concat([capacity_table(repeats=3), capacity_table(repeats=5).assign(protocol="q")])
    assert "mean of 3 to 5 networks" in plot_capacity(both)._suptitle.get_text()
    assert "mean of 3 networks" in plot_capacity(capacity_table())._suptitle.get_text()


def test_an_axis_of_epochs_has_no_room_below_zero():
    for epochs, left in (((0, 1, 2000), -0.3), ((1, 10, 2000), 0.8)):
        figure = drawn(varied_table("training_time", "epoch", epochs, "knn", (0.3, 0.6, 0.8)))
        assert all(axis.get_xlim()[0] == pytest.approx(left) for axis in figure.axes)
