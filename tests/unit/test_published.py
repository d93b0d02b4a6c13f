"""Published against ours, point by point."""

import pandas as pd
import pytest
from test_study import row, table, varied

from graphs import ROOT
from rehash.figures.published import plot_published
from rehash.hash_encoders.claims import claims
from rehash.hash_encoders.columns import METRICS
from rehash.hash_encoders.published import OURS, PUBLISHED_COLUMNS, compare, tally
from rehash.hash_encoders.section import summary_table

FILE = ROOT / "workflow" / "resources" / "published_hash_encoders.csv"


def published(*rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=PUBLISHED_COLUMNS)


def test_verdict_is_spread_plus_reading_error():
    ours = table()  # K-NN at width 40 after training: 0.91 with a standard deviation of 0.01
    values = [0.91, 0.9299, 0.9301, 0.80]
    verdicts = []
    for value in values:
        found = compare([ours], published(("capacity", "m", "knn", 40, 40, value)), dataset="m", role="comparison")
        assert len(found) == 1 and found.difference[0] == pytest.approx(0.91 - value) and found.n[0] == 3
        verdicts.append(found.verdict[0])
    assert verdicts == ["inside", "inside", "outside", "outside"]


def test_only_counterparts_and_only_trained_networks():
    points = published(
        ("capacity", "m", "knn", 3, 3, 0.5),
        ("capacity", "m", "knn", 7, 7, 0.5),
        ("capacity", "other", "knn", 3, 3, 0.1),
        ("capacity", "m", "kmeans", 3, 3, 0.5),
    )
    found = compare([table()], points, dataset="m", role="comparison")
    assert found.metric.tolist() == ["kmeans_test", "kmeans_train", "knn"]
    assert found[found.metric == "knn"].ours.item() == pytest.approx(0.51)


def test_axes_of_the_studies():
    time = varied("training_time", "epoch", (0, 60), "knn", (0.3, 0.8))
    size = varied("sample_size", "sample_size", (10, 60), "knn", (0.2, 0.7))
    points = published(
        ("training_time", "m", "knn", 40, 0, 0.3),
        ("training_time", "m", "knn", 40, 60, 0.8),
        ("sample_size", "m", "knn", 40, 60, 0.8),
    )
    found = compare([time, size], points, dataset="m", role="comparison").set_index(["study", "x"])
    assert found.ours.round(6).to_dict() == {
        ("training_time", 0): 0.31,
        ("training_time", 60): 0.81,
        ("sample_size", 60): 0.71,
    }


def test_other_data_is_context_without_verdict_and_one_network_has_none():
    point = published(("capacity", "m", "knn", 40, 40, 0.9))
    context = compare([table()], point, dataset="m", role="context")
    assert set(context.verdict) == {"context"}
    assert claims(context, "published")[0]["verdict"] == "Context, no comparison"
    single = compare([table(repeats=1)], point, dataset="m", role="comparison")
    assert set(single.verdict) == {"no spread"}
    assert "nan" not in summary_table(single, "published").to_string()
    said = claims(single, "published")[0]
    assert said["verdict"] == "0 of 0 points inside" and "1 points have no spread to judge by" in said["text"]


def test_a_tally_counts():
    points = published(("capacity", "m", "knn", 3, 3, 0.51), ("capacity", "m", "knn", 40, 40, 0.2))
    found = compare([table()], points, dataset="m", role="comparison")
    line = tally(found).iloc[0]
    assert (line.points, line.judged, line.inside) == (2, 2, 1)
    assert line.largest_difference == pytest.approx(0.71) and line.mean_difference == pytest.approx(0.355)
    assert "knn 1 of 2" in claims(found, "published")[0]["text"]


def test_nothing_in_common_is_said():
    empty = compare([table()], published(("capacity", "m", "knn", 8, 8, 0.5)), dataset="m", role="comparison")
    assert empty.empty and claims(empty, "published") == [] and summary_table(empty, "published").empty
    assert "no published point" in plot_published(empty).axes[0].texts[0].get_text()


def test_the_published_file_is_what_it_has_to_be():
    found = pd.read_csv(FILE)
    assert list(found) == PUBLISHED_COLUMNS and found.value.between(0, 1).all() and not found.duplicated().any()
    assert set(found.metric) <= {*row(), *OURS} and set(found.dataset) == {"mnist", "cifar10"}


def test_figure_draws_both_values():
    points = published(("capacity", "m", "knn", 3, 3, 0.42), ("capacity", "m", "knn", 40, 40, 0.97))
    figure = plot_published(compare([table()], points, dataset="m", role="comparison"))
    panel = next(axis for axis in figure.axes if axis.get_title().startswith("K-NN"))
    drawn = [line.get_ydata().tolist() for line in panel.get_lines()]
    assert [0.42, 0.97] in drawn and any(values == pytest.approx([0.51, 0.91]) for values in drawn)


def test_kmeans_does_not_count_in_the_verdict():
    points = published(("capacity", "m", "knn", 40, 40, 0.91), ("capacity", "m", "kmeans", 40, 40, 0.1))
    said = claims(compare([table()], points, dataset="m", role="comparison"), "published")[0]
    assert said["verdict"] == "1 of 1 points inside" and "kmeans_test 0 of 1" in said["text"]


def test_another_depth_is_context():
    point = published(("capacity", "cifar10", "knn", 40, 40, 0.91))
    assert set(compare([table()], point, dataset="cifar10", role="comparison").verdict) == {"context"}
    deep = table().assign(depth=5)
    assert set(compare([deep], point, dataset="cifar10", role="comparison").verdict) == {"inside"}


def test_a_width_that_diverged_stays_in_the_table():
    lost = table()
    lost.loc[(lost.layer_width == 40) & (lost.epoch > 0), METRICS] = float("nan")
    point = published(("capacity", "m", "knn", 40, 40, 0.91))
    found = compare([lost], point, dataset="m", role="comparison")
    assert found.verdict.tolist() == ["diverged"] and found.n.tolist() == [0]
