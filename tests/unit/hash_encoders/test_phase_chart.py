"""The activation hash phase chart: its points, its regimes, the image and the page."""

import json
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from graphs import ROOT, merged
from rehash.config import validated
from rehash.errors import InputError
from rehash.figures.style import save_figure
from rehash.hash_encoders.columns import METRICS
from rehash.hash_encoders.figures.phase_chart import LETTERS, interactive_phase_chart, plot_phase_chart
from rehash.hash_encoders.phase_chart import (
    CRITICAL,
    NEITHER,
    SUFFICIENT,
    UNDER,
    phase_networks,
    phase_points,
    phase_table,
    regimes,
    with_regimes,
)
from rehash.hash_encoders.phase_chart import (
    PLANES as AXES,
)
from rehash.hash_encoders.plan import chart_settings
from rehash.hash_encoders.results import phase_chart_claims, phase_chart_summary
from rehash.store import read_csv, write_csv
from toys import property_row

FULL = 3200
THRESHOLDS = {
    "redundancy_near_zero": 0.05,
    "redundancy_high": 0.5,
    "categorization_low": 0.6,
    "categorization_high": 0.9,
}
REGIMES = S, C, U, N = SUFFICIENT, CRITICAL, UNDER, NEITHER
PROTOCOLS, PLANES = ("figures", "scripts"), ("sample_size", "training_time")


def study(name: str, cells, widths=(3, 80), repeats=3) -> pd.DataFrame:
    """A made-up study; cells are (sample size, epoch). Values depend on all keys, and so tell rows apart."""
    rows = []
    for protocol, width, (size, epoch), repeat in product(PROTOCOLS, widths, cells, range(repeats)):
        knn = 0.1 + 0.8 * (1 - 1 / width) * np.log(1 + min(size, 100 * epoch + 10)) / np.log(1 + FULL) + 0.01 * repeat
        redundancy = max(0, 0.8 - width / 100 - size / 1e5 - epoch / 1e3 - 0.01 * repeat)
        keys = {"study": name, "protocol": protocol, "layer_width": width, "sample_size": size, "epoch": epoch}
        values = {"redundancy_train": redundancy, "knn": knn - 0.03 * (protocol == "scripts")}
        rows.append(property_row(dataset="mnist5k", repeat=repeat, code_bits=width - (epoch == 0), **keys, **values))
    return pd.DataFrame(rows)


def tables(repeats=3) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return (
        study("sample_size", [(10, 50), (100, 50), (FULL, 50)], repeats=repeats),
        study("training_time", [(FULL, 0), (FULL, 1), (FULL, 30)], repeats=repeats),
        study("capacity", [(FULL, 0), (FULL, 40)], widths=(3, 20), repeats=repeats),
    )


def made_chart(repeats=3) -> pd.DataFrame:
    return phase_table(*tables(repeats), thresholds=THRESHOLDS)


def points_of(*studies: pd.DataFrame) -> pd.DataFrame:
    """The points of study tables, with the horizontal and the vertical place of each."""
    return placed(phase_points(phase_networks(*studies)))


def placed(chart: pd.DataFrame) -> pd.DataFrame:
    x, y = (chart.apply(lambda row, i=i: row[AXES[row.plane][i]], axis=1).astype(int) for i in (0, 1))
    return chart.assign(x=x, y=y)


def points(*rows: tuple[float, float], best: float = 1.0) -> pd.DataFrame:
    """Points of (redundancy, categorization), and one more that is the best of the protocol."""
    return pd.DataFrame([*rows, (0.0, best)], columns=["redundancy", "categorization"]).assign(protocol="p")


BIT = 1e-12
CASES = {  # regime: pairs of redundancy and share of the best; a threshold itself belongs to the outer side
    S: [(0.0, 1.0), (0.05, 0.9)],
    U: [(0.5, 0.0), (0.5, 0.9 - BIT), (1.0, 0.9 - BIT)],
    N: [(0.0, 0.0), (0.05, 0.6)],
    C: [(0.05 + BIT, 0.9), (0.05, 0.9 - BIT), (0.5 - BIT, 0.0), (1.0, 0.9), (0.05, 0.6 + BIT), (0.05 + BIT, 0.1)],
}


@pytest.mark.parametrize("best", [1.0, 0.5])
@pytest.mark.parametrize("regime", REGIMES)
def test_regimes_and_their_boundaries(regime, best):
    chart = with_regimes(points(*((r, share * best) for r, share in CASES[regime]), best=best), THRESHOLDS)
    assert chart.regime.tolist() == [regime] * len(CASES[regime]) + [S]
    assert chart.categorization_share.tolist() == [share for _, share in CASES[regime]] + [1.0]


def test_the_best_is_that_of_the_protocol_on_both_planes():
    rows = [("a", "sample_size", 0.4), ("a", "training_time", 1.0), ("b", "sample_size", 0.4)]
    table = pd.DataFrame(rows, columns=["protocol", "plane", "categorization"]).assign(redundancy=0.0)
    assert with_regimes(table, THRESHOLDS).regime.tolist() == [N, S, S]


def test_where_nothing_categorizes_nothing_is_sufficient():
    assert with_regimes(points((1.0, 0.0), best=0.0), THRESHOLDS).regime.tolist() == [U, N]


shares = st.floats(0, 1)
pairs = st.tuples(shares, shares).filter(lambda pair: pair[0] < pair[1])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(shares, shares), min_size=1, max_size=12), pairs, pairs)
def test_every_point_has_one_regime_and_it_is_the_defined_one(rows, redundancy, categorization):
    names = ("redundancy_near_zero", "redundancy_high", "categorization_low", "categorization_high")
    limits = dict(zip(names, (*redundancy, *categorization)))
    chart = with_regimes(points(*rows), limits)
    unique, many = chart.redundancy <= redundancy[0], chart.redundancy >= redundancy[1]
    low, high = chart.categorization <= categorization[0], chart.categorization >= categorization[1]
    fits = pd.DataFrame({S: unique & high, U: many & ~high, N: unique & low})
    fits[C] = ~fits.any(axis=1)
    assert (fits.sum(axis=1) == 1).all() and chart.regime.tolist() == fits.idxmax(axis=1).tolist()
    assert set(chart.regime) <= set(REGIMES) == set(LETTERS)


@pytest.mark.parametrize(
    "thresholds, says",
    [
        ({"redundancy_near_zer": 0.1}, "did you mean 'redundancy_near_zero'"),
        ({"redundancy_high": 1.5}, "redundancy_high: 1.5 is greater than the maximum of 1"),
        ({"categorization_low": float("nan")}, "categorization_low: nan is not of type 'number'"),
        ({"redundancy_near_zero": 0.5}, "is 0.5; expected less than redundancy_high, which is 0.5"),
        ({"categorization_low": 0.95}, "categorization_low is 0.95; expected less than categorization_high"),
    ],
)
def test_the_config_refuses_thresholds_that_make_no_sense(thresholds, says):
    config = merged(ROOT / "config" / "config.yaml")
    config["hash_encoders"]["phase_chart"] = {"thresholds": thresholds}
    with pytest.raises(InputError, match=r"config: hash_encoders\.phase_chart\.thresholds") as error:
        validated(config)
    assert says in str(error.value)


def test_the_thresholds_of_a_config_that_has_none_are_complete_and_make_sense():
    config = merged(ROOT / "config" / "config.yaml")
    del config["hash_encoders"]["phase_chart"]
    assert chart_settings(validated(config)) == {"thresholds": THRESHOLDS}


def test_points_are_the_means_by_hand():
    sample_size, training_time, _ = tables()
    rows = points_of(sample_size, training_time).set_index(["plane", "protocol", "layer_width", "x"])
    assert len(rows) == 2 * 2 * 2 * 3 and (rows.n == 3).all()
    for plane, table, x in (("sample_size", sample_size, "sample_size"), ("training_time", training_time, "epoch")):
        groups = table.groupby(["protocol", "layer_width", x])
        assert np.allclose(rows.loc[plane].code_bits, groups.code_bits.mean())
        for column, metric in (("redundancy", "redundancy_train"), ("categorization", "knn")):
            assert np.allclose(rows.loc[plane][column], groups[metric].mean())
            assert np.allclose(rows.loc[plane][f"{column}_sd"], groups[metric].std())
    # Nothing from before training reaches the plane of sample sizes.
    more = pd.concat([sample_size, study("sample_size", [(10, 0), (100, 0)])])
    pd.testing.assert_frame_equal(points_of(more, training_time), points_of(sample_size, training_time))


def test_capacity_fills_the_full_sample_where_the_sample_size_study_has_nothing():
    sample_size, training_time, capacity = tables()
    capacity = capacity.assign(knn=0.001)
    merged = points_of(sample_size, training_time, capacity)
    new = merged[merged.layer_width == 20]
    assert list(zip(new.protocol, new.plane, new.x)) == [(p, "sample_size", FULL) for p in PROTOCOLS]
    assert np.allclose(new.categorization, 0.001) and (new.code_bits == 20).all(), "trained rows only"
    rest = merged[merged.layer_width != 20].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, points_of(sample_size, training_time))
    # Where the sample-size study stops short of the full sample, capacity gives every width.
    short = points_of(sample_size[sample_size.sample_size < FULL], training_time, capacity)
    column = short[(short.plane == "sample_size") & (short.x == FULL)]
    assert column.layer_width.tolist() == [3, 20, 3, 20] and np.allclose(column.categorization, 0.001)


def test_diverged_networks_and_tables_that_do_not_belong_together():
    sample_size, training_time, _ = tables()
    one = (training_time.repeat == 1) & (training_time.epoch == 30)
    all_of_a_tile = (training_time.layer_width == 80) & (training_time.epoch == 1)
    training_time.loc[one | all_of_a_tile, METRICS] = np.nan
    rows = points_of(sample_size, training_time)
    assert set(rows[(rows.plane == "training_time") & (rows.x == 30)].n) == {2}
    assert rows[(rows.layer_width == 80) & (rows.x == 1)].empty
    with pytest.raises(InputError, match="differ in dataset"):
        phase_networks(sample_size, training_time.assign(dataset="mnist"))


def test_a_chart_of_networks_that_all_diverged_says_so(tmp_path):
    """The chart is one section of a report whose other sections stand."""
    empty = [table.assign(knn=np.nan) for table in tables()[:2]]
    write_csv(phase_table(*empty, thresholds=THRESHOLDS), tmp_path / "t.csv")
    table = read_csv(tmp_path / "t.csv")
    assert table.empty and phase_chart_summary(table).empty
    figure = plot_phase_chart(table, THRESHOLDS)
    assert [text.get_text() for text in figure.axes[0].texts] == ["Nothing to chart: all networks diverged."]
    assert "all networks diverged" in interactive_phase_chart(table, THRESHOLDS)


def test_the_table_is_tidy_and_survives_a_file(tmp_path):
    table = made_chart()
    keys = "paper dataset protocol plane depth layer_width sample_size epoch n code_bits".split()
    values = "redundancy redundancy_sd categorization categorization_sd categorization_share regime".split()
    assert list(table) == keys + values + "redundancy_low redundancy_high share_low share_high decided".split()
    assert not table.duplicated(keys[2:8]).any() and not table.drop(columns="epoch").isna().any().any()
    assert (table.epoch.isna() == (table.plane == "sample_size")).all(), "to the end"
    assert set(table.regime) == set(REGIMES) and (table.paper == "hash_encoders").all()
    write_csv(table, tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), table)


def test_the_figure_draws_the_table():
    chart = placed(made_chart())
    figure = plot_phase_chart(chart, THRESHOLDS)
    panels = [axis for axis in figure.axes if axis.get_ylabel().startswith("layer width")]
    wanted = product(PROTOCOLS, PLANES, ("redundancy", "categorization"))
    for axis, (protocol, plane, metric) in zip(panels, wanted, strict=True):
        part = chart[(chart.protocol == protocol) & (chart.plane == plane)]
        assert f"protocol {protocol}" in axis.get_title() and metric in axis.get_title()
        xs = [int(label.get_text().replace(",", "")) for label in axis.get_xticklabels()]
        widths = [int(label.get_text()) for label in axis.get_yticklabels()]
        drawn = axis.collections[0].get_array().reshape(len(widths), len(xs))
        texts = {}
        for text in axis.texts:
            texts.setdefault(tuple(map(int, text.get_position())), []).append(text.get_text())
        assert drawn.count() == len(part) == len(texts)
        for row in part.itertuples():
            i, j = widths.index(row.layer_width), xs.index(row.x)
            assert drawn[i, j] == getattr(row, metric)
            assert texts[j, i] == [LETTERS[row.regime], f"{getattr(row, metric):.2f}"]
        hatched = {patch.get_xy() for patch in axis.patches if patch.get_hatch()}
        undecided = part[~part.decided]
        assert hatched == {(xs.index(row.x), widths.index(row.layer_width)) for row in undecided.itertuples()}
    words = " ".join(text.get_text() for text in figure.legends[0].get_texts())
    assert all(number in words for number in ("≤ 0.05", "≥ 0.5 ", "≥ 90% of the best", "≤ 60% of the best"))
    assert "mean of 3 networks" in figure.get_suptitle() and "mnist5k" in figure.get_suptitle()


def test_thick_lines_lie_between_neighbours_of_different_regimes():
    grid = [[U, U, S], [U, None, S], [C, S, S]]  # from the narrowest width up
    rows = [(w, x, regime) for w, line in enumerate(grid, 1) for x, regime in enumerate(line) if regime]
    chart = pd.DataFrame(rows, columns=["layer_width", "epoch", "regime"]).assign(dataset="d", protocol="p", n=1)
    chart = chart.assign(plane="training_time", depth=1, sample_size=9, redundancy=0.5, categorization=0.5)
    chart = chart.assign(redundancy_sd=np.nan, categorization_sd=np.nan, decided=False)
    figure = plot_phase_chart(chart, THRESHOLDS)
    lines = next(c for c in figure.axes[0].collections if c.get_label() == "regimes")
    drawn = {tuple(map(tuple, segment.astype(int).tolist())) for segment in lines.get_segments()}
    assert drawn == {((0, 2), (1, 2)), ((2, 0), (2, 1)), ((1, 2), (1, 3))}
    assert "one network" in figure.get_suptitle() and "nan" not in figure.get_suptitle()
    words = figure.legends[0].get_texts()[-1].get_text()
    assert words == "hatched: undecided, as all tiles are: one network has no interval, so nothing can be decided"
    hatched = [patch for patch in figure.axes[0].patches if patch.get_hatch()]
    assert len(hatched) == len(chart)


def paired_networks(redundancy, knn, best) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two tiles by their networks' values: one of epoch 1, and the best one, of epoch 30."""
    rows = []
    for repeat, (r, own, top) in enumerate(zip(redundancy, knn, best)):
        keys = {"study": "training_time", "repeat": repeat, "layer_width": 5}
        rows.append(property_row(epoch=1, redundancy_train=r, knn=own, **keys))
        rows.append(property_row(epoch=30, redundancy_train=0.0, knn=top, **keys))
    sample = property_row(study="sample_size", layer_width=5, sample_size=10, knn=0.01, redundancy_train=1.0)
    return pd.DataFrame([sample]), pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("redundancy", "knn", "best", "regime", "decided"),
    [
        # Far from every threshold, and across one.
        ((0.60, 0.62, 0.64), (0.30, 0.31, 0.32), (0.9, 0.9, 0.9), U, True),
        ((0.45, 0.55, 0.53), (0.30, 0.31, 0.32), (0.9, 0.9, 0.9), U, False),
        # A threshold on which the regime does not depend: a middling redundancy is critical, whatever the share.
        ((0.20, 0.21, 0.22), (0.60, 0.80, 0.90), (0.9, 0.9, 0.9), C, True),
        ((0.01, 0.01, 0.01), (0.60, 0.80, 0.90), (0.9, 0.9, 0.9), C, False),
        # Paired by repeat, the share hardly varies, though the accuracies do.
        ((0.00, 0.00, 0.00), (0.57, 0.76, 0.86), (0.6, 0.8, 0.9), S, True),
        ((0.00, 0.00, 0.00), (0.86, 0.76, 0.57), (0.6, 0.8, 0.9), S, False),
        # One network.
        ((1.00,), (0.1,), (0.9,), U, False),
    ],
)
def test_a_regime_is_decided_where_no_threshold_lies_in_the_intervals(redundancy, knn, best, regime, decided):
    table = phase_table(*paired_networks(redundancy, knn, best), thresholds=THRESHOLDS)
    row = table[table.epoch == 1].iloc[0]
    assert (row.regime, bool(row.decided)) == (regime, decided)
    if len(knn) == 1:
        assert row[["redundancy_low", "redundancy_high", "share_low", "share_high"]].isna().all()
        return
    if np.ptp(redundancy):
        ends = stats.t.interval(0.95, len(knn) - 1, np.mean(redundancy), stats.sem(redundancy))
        assert np.allclose([row.redundancy_low, row.redundancy_high], ends)
    # Whether the share is above a threshold is asked without any ratio: does K-NN - threshold * best differ from 0?
    for threshold in (0.6, 0.9):
        found = stats.ttest_1samp(np.array(knn) - threshold * np.array(best), 0)
        if not 0.03 < found.pvalue < 0.07:  # not by a hair
            sides = (row.share_low > threshold, row.share_high < threshold)
            assert sides == (found.pvalue < 0.05 and found.statistic > 0, found.pvalue < 0.05 and found.statistic < 0)


@settings(max_examples=150, deadline=None)
@given(pairs, pairs, pairs, pairs, st.randoms(use_true_random=False))
def test_where_the_ends_of_intervals_agree_all_between_them_does(redundancy, share, near, high, chance):
    names = ("redundancy_near_zero", "redundancy_high", "categorization_low", "categorization_high")
    limits = dict(zip(names, (*near, *high)))
    ends = [regimes(np.float64(r), np.float64(s), limits).item() for r, s in product(redundancy, share)]
    if len(set(ends)) == 1:
        inside = np.array([[chance.uniform(*redundancy), chance.uniform(*share)] for _ in range(50)])
        assert set(regimes(*inside.T, limits)) == set(ends)


def test_capacity_of_several_depths_gives_a_plane_of_width_against_depth():
    sample_size, training_time, capacity = tables()
    deep = capacity.assign(depth=3, knn=capacity.knn + 0.02)
    chart = points_of(sample_size, training_time, pd.concat([capacity, deep]))
    plane = chart[chart.plane == "depth"].set_index(["protocol", "depth", "layer_width"])
    assert len(plane) == 2 * 2 * 2 and (plane.n == 3).all() and plane.epoch.isna().all()
    trained = deep[deep.epoch > 0].groupby(["protocol", "depth", "layer_width"]).knn.mean()
    assert np.allclose(plane.loc[trained.index].categorization, trained)
    # The other planes are of the depths that their own studies have.
    others = chart[chart.plane != "depth"].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, points_of(sample_size, training_time, capacity))
    both = points_of(pd.concat([sample_size, sample_size.assign(depth=3)]), training_time, pd.concat([capacity, deep]))
    assert (both[both.plane == "sample_size"].groupby("depth").n.size() == [14, 14]).all()
    drawn = plot_phase_chart(
        phase_table(sample_size, training_time, pd.concat([capacity, deep]), thresholds=THRESHOLDS), THRESHOLDS
    )
    axes = [axis for axis in drawn.axes if axis.get_xlabel() == "depth (hidden layers)"]
    assert len(axes) == 2 * 2 and [label.get_text() for label in axes[0].get_xticklabels()] == ["1", "3"]


def test_smaller_samples_along_a_training_give_a_plane_of_sample_size_against_time():
    sample_size, training_time, capacity = tables()
    small = study("training_time", [(100, 0), (100, 1), (100, 30)])
    chart = points_of(sample_size, pd.concat([training_time, small]), capacity)
    plane = chart[chart.plane == "sample_size_training_time"]
    assert len(plane) == 2 * 2 * 2 * 3 and (plane.n == 3).all() and set(plane.y) == {100, FULL}
    means = small.groupby(["protocol", "layer_width", "epoch"]).knn.mean()
    mine = plane[plane.y == 100].set_index(["protocol", "layer_width", "x"]).categorization
    assert np.allclose(mine.loc[means.index], means)
    # Width against time stays that of all inputs.
    others = chart[chart.plane != "sample_size_training_time"].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, points_of(sample_size, training_time, capacity))
    table = phase_table(sample_size, pd.concat([training_time, small]), capacity, thresholds=THRESHOLDS)
    table = table[(table.protocol == "scripts") & (table.plane == "sample_size_training_time")]
    figure = plot_phase_chart(table, THRESHOLDS)
    axes = [axis for axis in figure.axes if axis.get_ylabel() == "sample size (training inputs)"]
    assert [axis.get_title().split("\n")[1] for axis in axes[::2]] == [
        f"protocol scripts, width {width}" for width in (3, 80)
    ]
    page = interactive_phase_chart(table, THRESHOLDS)
    assert "protocol scripts, width 80" in page


def test_what_is_said_of_decisions():
    said = phase_chart_claims(made_chart())
    chart = made_chart()
    for claim, (protocol, part) in zip(said, chart.groupby("protocol"), strict=True):
        assert claim["verdict"].endswith(f"among {len(part)} points, {part.decided.sum()} decided")
        assert claim["text"].startswith(f"Protocol {protocol}: ")
    assert "none can be decided" in phase_chart_claims(made_chart(repeats=1))[0]["text"]
    assert not made_chart(repeats=1).decided.any()
    assert phase_chart_summary(chart).decided.tolist() == ["yes" if d else "no" for d in chart.decided]


def test_unknown_regimes_stop():
    for draw in (plot_phase_chart, interactive_phase_chart):
        with pytest.raises(InputError, match="did you mean 'under-expressive'"):
            draw(made_chart(repeats=1).assign(regime="underexpressive"), THRESHOLDS)


def test_the_same_table_gives_the_same_picture(tmp_path):
    chart = made_chart(repeats=1).query("protocol == 'scripts'")
    paths = [[tmp_path / f"{name}.{kind}" for kind in ("png", "pdf")] for name in ("a", "b")]
    for pair in paths:
        save_figure(plot_phase_chart(chart, THRESHOLDS), *pair)
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*paths))


@pytest.mark.slow
def test_the_page_is_the_same_in_any_process_and_asks_for_nothing(tmp_path):
    chart = made_chart()
    write_csv(chart, tmp_path / "t.csv")
    code = (
        "import sys; from rehash.hash_encoders.figures.phase_chart import interactive_phase_chart as page; "
        "from rehash.store import read_csv; "
        f"sys.stdout.buffer.write(page(read_csv({str(tmp_path / 't.csv')!r}), {THRESHOLDS}).encode())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "workflow" / "scripts"), "PYTHONHASHSEED": "7"}
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, timeout=120, check=True)
    pages = [interactive_phase_chart(chart, THRESHOLDS).encode() for _ in range(2)]
    assert pages[0] == pages[1] == other.stdout
    text = pages[0].decode()
    assert not re.search(r"(src|href)=[\"']?https?:|<link|@import", text)
    assert "<title>Activation hash phase chart: mnist5k</title>" in text and "90% of the best" in text


# Changes the choice as a reader would, and holds the pointer over each tile.
PROBE = """<script>addEventListener("load", async () => {
  const pause = () => new Promise(done => setTimeout(done, 200)), seen = {tiles: {}, tooltips: []};
  await pause();
  const tiles = () => [...document.querySelectorAll("g.mark-rect path[aria-roledescription='rect mark']")];
  const choice = document.querySelector("select[name=shown]");
  for (const option of [...choice.options].map(o => o.value)) {
    choice.value = option;
    for (const kind of ["input", "change"]) choice.dispatchEvent(new Event(kind, {bubbles: true}));
    await pause();
    seen.tiles[option] = tiles().map(tile => tile.getAttribute("fill"));
  }
  for (const tile of tiles()) {
    const box = tile.getBoundingClientRect(), x = box.x + box.width / 2, y = box.y + box.height / 2;
    const under = document.elementFromPoint(x, y);
    under.dispatchEvent(new PointerEvent("pointermove", {bubbles: true, clientX: x, clientY: y, view: window}));
    const shown = document.querySelector("#vg-tooltip-element.visible");
    seen.tooltips.push(shown && [...shown.querySelectorAll("tr")].map(row => [...row.cells].map(cell => cell.textContent)));
    under.dispatchEvent(new PointerEvent("pointerout", {bubbles: true, view: window}));
  }
  seen.fetched = performance.getEntriesByType("resource").map(entry => entry.name);
  seen.text = document.querySelector("svg.marks").textContent;
  document.body.setAttribute("data-seen", JSON.stringify(seen));
})</script>"""


def test_the_page_in_a_browser_without_network(tmp_path):
    """Every tile drawn, whatever colours it, and its row in a tooltip under the pointer."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    browser = found or pytest.skip("no Chromium on this machine (see make browser)")
    words = [browser, *"--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking".split()]
    words += ["--disable-component-update", "--disable-sync", "--window-size=1400,1400", "--virtual-time-budget=8000"]
    if subprocess.run(["unshare", "-n", "true"], capture_output=True).returncode == 0:
        words = ["unshare", "-n", *words]  # no network device at all
    chart = placed(made_chart())
    page = interactive_phase_chart(chart, THRESHOLDS).rpartition("</body>")[0]
    (tmp_path / "probe.html").write_text(page + PROBE + "</body></html>")
    words += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", f"file://{tmp_path / 'probe.html'}"]
    dom = subprocess.run(words, capture_output=True, text=True, timeout=120)
    match = re.search(r'data-seen="([^"]*)"', dom.stdout)
    assert match, dom.stderr
    seen = json.loads(unescape(match[1]))
    assert list(seen["tiles"]) == ["redundancy", "categorization", "regime"]
    assert {len(fills) for fills in seen["tiles"].values()} == {len(chart)}
    assert len(set(seen["tiles"]["regime"])) == chart.regime.nunique()
    assert seen["fetched"] == [] and "≥ 90% of the best" in seen["text"] and "training time (epochs)" in seen["text"]
    shown = [dict(tip) for tip in seen["tooltips"]]
    axes = dict(zip(PLANES, ("sample size (training inputs)", "training time (epochs)")))
    for row, tip in zip(chart.itertuples(), shown, strict=True):
        wanted = {
            **{"protocol": row.protocol, "regime": row.regime, "networks": "3"},
            **{"layer width (hidden units)": str(row.layer_width), axes[row.plane]: str(row.x)},
            "redundancy ratio": f"{row.redundancy:.3f} ± {row.redundancy_sd:.3f}",
            "categorization (K-NN)": f"{row.categorization:.3f} ± {row.categorization_sd:.3f}",
            "regime decided": "yes" if row.decided else "no",
            "its 95% interval": f"{row.redundancy_low:.3f} to {row.redundancy_high:.3f}",
        }
        assert wanted.items() <= tip.items()
