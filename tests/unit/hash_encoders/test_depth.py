"""Depth as a factor: its networks are planned, drawn and told apart, and nothing is averaged over depths."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from graphs import ROOT, merged
from rehash.config import validated
from rehash.errors import InputError
from rehash.hash_encoders import plan
from rehash.hash_encoders.blocks import blocks
from rehash.hash_encoders.figures.capacity import plot_capacity
from rehash.hash_encoders.figures.depth import plot_depth
from rehash.hash_encoders.figures.published import plot_published
from rehash.hash_encoders.figures.studies import plot_random_inputs, plot_study
from rehash.hash_encoders.published import PUBLISHED_COLUMNS, compare, tally
from rehash.hash_encoders.results import (
    capacity_claims,
    depth_claims,
    depth_summary,
    random_inputs_claims,
    random_inputs_summary,
    study_claims,
    study_summary,
)
from toys import property_row

DEPTHS, WIDTHS = (1, 3), (10, 40)


def knn(depth: int, width: int, epoch: int, repeat: int) -> float:
    """A value that tells every row from every other."""
    return 0.1 + 0.05 * depth + 0.002 * width + 0.02 * min(epoch, 10) + 0.001 * repeat


def table(study: str = "capacity", column: str = "epoch", values=(0, 10), **fixed) -> pd.DataFrame:
    rows = []
    for protocol, depth, width, value, repeat in product(("p", "q"), DEPTHS, WIDTHS, values, range(3)):
        keys = {"study": study, "protocol": protocol, "depth": depth, "layer_width": width, "repeat": repeat} | fixed
        keys[column] = value
        found = knn(depth, width, keys.get("epoch", 10), repeat) - 0.03 * (protocol == "q")
        rows.append(property_row(**keys, knn=found, redundancy_train=1 - found, code_bits=depth * width))
    return pd.DataFrame(rows)


def raw(**blocks_: dict) -> dict:
    config = merged(ROOT / "config" / "config.yaml")
    for study, block in blocks_.items():
        config["hash_encoders"][study]["mnist5k"] = {"layer_widths": [10, 40]} | block
    return config


def test_networks_of_every_depth_are_planned():
    config = validated(raw(capacity={"depth": [3, 1]}, regions={"layer_widths": [40]}))
    folder = "results/hash_encoders/mnist5k/networks/capacity/scripts"
    wanted = [f"{folder}/depth={depth}/layer_width={width}/" for depth in (1, 3) for width in (10, 40)]
    assert plan.cohorts(config, "capacity", "mnist5k") == wanted
    assert plan.study_tables(config, "capacity", "mnist5k") == [f"{path}properties.csv" for path in wanted]
    lines = [f"{path}regions_lines.csv" for path in wanted if "=40" in path]
    assert plan.region_tables(config, "mnist5k", "lines") == lines
    assert ("depth", {"dataset": "mnist5k"}) in plan.asked(config)
    one = validated(raw(capacity={"depth": 3}))
    assert plan.depths(one["hash_encoders"]["capacity"]["mnist5k"]) == [3]
    assert ("depth", {"dataset": "mnist5k"}) not in plan.asked(one)
    both = raw(capacity={"depth": [1, 3]}, sample_size={"depth": [1, 2], "sample_sizes": [10]})
    assert len(plan.cohorts(validated(both), "sample_size", "mnist5k")) == 4


@pytest.mark.parametrize(
    ("depth", "says"),
    [([], "is too short|non-empty"), ([1, 1], "non-unique"), (0, "less than the minimum"), ([0], "minimum")],
)
def test_depths_that_make_no_sense_are_refused(depth, says):
    with pytest.raises(InputError, match=rf"capacity\.mnist5k\.depth.*({says})"):
        validated(raw(capacity={"depth": depth}))


def lines_of(figure) -> dict[tuple[str, str], np.ndarray]:
    """Values of each line by its panel's title and its label."""
    return {
        (axis.get_title().replace("\n", " "), line.get_label()): np.asarray(line.get_ydata(), float)
        for axis in figure.axes
        for line in axis.get_lines()
    }


def mean(depth: int, width: int, epoch: int = 10) -> float:
    return np.mean([knn(depth, width, epoch, repeat) for repeat in range(3)])


def test_the_figure_against_depth():
    drawn = lines_of(plot_depth(table()))
    for width in WIDTHS:
        trained = drawn["K-NN accuracy (protocol p)", f"width {width}"]
        before = drawn["K-NN accuracy (protocol p)", f"width {width}, before training"]
        assert np.allclose(trained, [mean(depth, width) for depth in DEPTHS])
        assert np.allclose(before, [mean(depth, width, 0) for depth in DEPTHS])
        falling = drawn["redundancy ratio (training inputs) (protocol q)", f"width {width}"]
        assert np.allclose(falling, [1.03 - mean(depth, width) for depth in DEPTHS])
    lost = table()
    lost.loc[lost.protocol == "q", "knn"] = np.nan
    assert any("all networks diverged" in text.get_text() for axis in plot_depth(lost).axes for text in axis.texts)


def test_what_is_said_of_depth():
    found = depth_claims(table())
    assert len(found) == 2 * 2 * 2
    assert found[1]["text"].startswith(
        "Protocol p, width 10: the accuracy of K-NN on the codes is 0.371 ± 0.001 (n = 3) at depth 1 and "
        "0.471 ± 0.001 (n = 3) at depth 3; difference +0.100"
    )
    shown = depth_summary(table())
    assert list(shown)[:5] == ["protocol", "width", "depth", "networks", "n"] and (shown.n == 3).all()
    assert depth_claims(table().query("depth == 1")) == []


@pytest.mark.parametrize(
    ("study", "column", "values", "claims"),
    [
        ("capacity", "epoch", (0, 10), capacity_claims),
        ("sample_size", "sample_size", (10, 99), study_claims),
        ("training_time", "epoch", (0, 10), study_claims),
    ],
)
def test_no_study_averages_over_depths(study, column, values, claims):
    """Every sentence, row and line is of three networks of one depth."""
    many = table(study, column, values)
    told = [claim["text"] for claim in claims(many)]
    assert told and all("(n = 3)" in text and ", depth " in text for text in told)
    for depth in DEPTHS:
        one = claims(many[many.depth == depth])
        assert [text.replace(f", depth {depth}", "") for text in told if f", depth {depth}" in text] == [
            claim["text"] for claim in one
        ]
    summary = study_summary(many)
    assert "depth" in summary and (summary.n == 3).all()
    draw = plot_capacity if study == "capacity" else plot_study
    drawn = lines_of(draw(many))
    for depth in DEPTHS:
        alone = lines_of(draw(many[many.depth == depth]))
        same = {}
        for (title, label), line in drawn.items():
            if f", depth {depth}" in title:
                same[title.replace(f", depth {depth}", ""), label] = line
        assert same.keys() == alone.keys() and all(np.allclose(same[key], alone[key]) for key in same)


def test_random_inputs_are_told_apart_by_depth():
    many = table("training_time").assign(redundancy=lambda t: t.knn, active_share=lambda t: t.knn)
    many = pd.concat([many.assign(inputs=kind) for kind in ("test", "permuted", "uniform", "uniform_negative")])
    assert (random_inputs_summary(many).n == 3).all()
    told = [claim["text"] for claim in random_inputs_claims(many)]
    assert len(told) == 2 * 2 * 3 and all("(n = 3)" in text for text in told)
    drawn = lines_of(plot_random_inputs(many))
    line = drawn["test inputs protocol p, depth 3", "width 10"]
    assert np.allclose(line, [mean(3, 10, 0), mean(3, 10)])


def test_only_the_published_depth_is_compared():
    point = pd.DataFrame([("capacity", "mnist", "knn", 40, 40, 0.4, 0.001, "f")], columns=PUBLISHED_COLUMNS)
    found = compare([table()], point, dataset="mnist", role="comparison")
    assert set(found.depth) == {1} and len(found) == 2, "one for each protocol"
    assert np.isclose(found.ours[0], mean(1, 40)) and "context" not in set(found.verdict)
    # None of the published depth: context, and still not mixed up.
    point = point.assign(dataset="cifar10")
    found = compare([table()], point, dataset="cifar10", role="comparison")
    assert set(found.verdict) == {"context"} and sorted(found.depth) == [1, 1, 3, 3]
    assert (tally(found).points == 1).all() and (tally(found).judged == 0).all()
    titles = [axis.get_title() for axis in plot_published(found).axes if axis.get_title()]
    assert len(titles) == 4 and sum("depth 3" in title for title in titles) == 2


def test_only_networks_of_all_inputs_are_compared_along_a_training():
    point = pd.DataFrame([("training_time", "mnist", "knn", 40, 10, 0.4, 0.001, "f")], columns=PUBLISHED_COLUMNS)
    whole, other = (table("training_time", sample_size=n).query("depth == 1") for n in (99, 1000))
    other = other[other.protocol == "q"]  # whose networks see more inputs, as their protocol's share says
    small = pd.concat([whole, other]).assign(sample_size=30, knn=0.0)
    found = compare(
        [pd.concat([whole.query("protocol == 'p'"), other, small])], point, dataset="mnist", role="comparison"
    )
    assert sorted(found.protocol) == ["p", "q"] and np.allclose(sorted(found.ours), [mean(1, 40) - 0.03, mean(1, 40)])


def test_blocks_have_names_and_lose_no_row():
    parts = blocks(table(), "layer_width")
    assert [name for name, _ in parts] == [f"protocol {p}, depth {d}" for p in ("p", "q") for d in DEPTHS]
    assert sum(len(part) for _, part in parts) == len(table())
    more = pd.concat([table("training_time"), table("training_time", sample_size=1000)])
    assert blocks(more, "epoch")[0][0] == "protocol p, depth 1, 99 inputs"
    assert [name for name, _ in blocks(table().query("depth == 1 and protocol == 'p'"))] == ["protocol p"]
