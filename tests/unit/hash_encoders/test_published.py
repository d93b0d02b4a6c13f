"""Published against ours, point by point."""

import hashlib

import pandas as pd
import pytest
from PIL import Image

from graphs import ROOT, merged
from rehash.config import validated
from rehash.hash_encoders.columns import METRICS
from rehash.hash_encoders.figures.published import plot_published
from rehash.hash_encoders.published import PUBLISHED_COLUMNS, compare, counterparts, tally
from rehash.hash_encoders.registry import WING
from rehash.hash_encoders.results import published_claims, published_summary
from rehash.report.sections import section
from rehash.store import write_csv
from toys import capacity_table, property_row, varied_table

FILE = ROOT / "workflow" / "resources" / "published_hash_encoders.csv"


def published(*rows, error=0.01) -> pd.DataFrame:
    """Rows of study, dataset, metric, layer_width, x and value, all read with one error."""
    return pd.DataFrame([(*row, error, "head") for row in rows], columns=PUBLISHED_COLUMNS)


def test_verdict_is_spread_plus_reading_error():
    ours = capacity_table()  # K-NN at width 40 after training: 0.91 with a standard deviation of 0.01
    values = [0.91, 0.9299, 0.9301, 0.80]
    verdicts = []
    for value in values:
        found = compare([ours], published(("capacity", "m", "knn", 40, 40, value)), dataset="m", role="comparison")
        assert len(found) == 1 and found.difference[0] == pytest.approx(0.91 - value) and found.n[0] == 3
        verdicts.append(found.verdict[0])
    assert verdicts == ["inside", "inside", "outside", "outside"]


def test_each_value_is_judged_by_its_own_error():
    # Ours is 0.91 with a standard deviation of 0.01 at width 40, and 0.51 with the same at width 3.
    points = published(("capacity", "m", "knn", 40, 40, 0.925), ("capacity", "m", "knn", 3, 3, 0.525))
    points["error"] = [0.0051, 0.0049]
    found = compare([capacity_table()], points, dataset="m", role="comparison").set_index("layer_width")
    assert found.verdict.to_dict() == {40: "inside", 3: "outside"}
    assert found.reading_error.to_dict() == {40: 0.0051, 3: 0.0049}


def test_only_counterparts_and_only_trained_networks():
    points = published(
        ("capacity", "m", "knn", 3, 3, 0.5),
        ("capacity", "m", "knn", 7, 7, 0.5),
        ("capacity", "other", "knn", 3, 3, 0.1),
        ("capacity", "m", "kmeans", 3, 3, 0.5),
    )
    found = compare([capacity_table()], points, dataset="m", role="comparison")
    assert found.metric.tolist() == ["kmeans_test", "kmeans_train", "knn"]
    assert found[found.metric == "knn"].ours.item() == pytest.approx(0.51)


def test_axes_of_the_studies():
    time = varied_table("training_time", "epoch", (0, 60), "knn", (0.3, 0.8))
    size = varied_table("sample_size", "sample_size", (10, 60), "knn", (0.2, 0.7))
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
    context = compare([capacity_table()], point, dataset="m", role="context")
    assert set(context.verdict) == {"context"}
    assert published_claims(context)[0]["verdict"] == "Context, no comparison"
    single = compare([capacity_table(repeats=1)], point, dataset="m", role="comparison")
    assert set(single.verdict) == {"no spread"}
    assert "nan" not in published_summary(single).to_string()
    said = published_claims(single)[0]
    assert said["verdict"] == "0 of 0 points inside" and "1 points are not judged" in said["text"]


def test_a_tally_counts():
    points = published(("capacity", "m", "knn", 3, 3, 0.51), ("capacity", "m", "knn", 40, 40, 0.2))
    found = compare([capacity_table()], points, dataset="m", role="comparison")
    line = tally(found).iloc[0]
    assert (line.points, line.judged, line.inside) == (2, 2, 1)
    assert line.largest_difference == pytest.approx(0.71) and line.mean_difference == pytest.approx(0.355)
    assert "knn 1 of 2" in published_claims(found)[0]["text"]


def test_nothing_in_common_is_said(tmp_path, monkeypatch):
    empty = compare([capacity_table()], published(("capacity", "m", "knn", 8, 8, 0.5)), dataset="m", role="comparison")
    assert empty.empty and published_summary(empty).empty
    assert "no published point" in plot_published(empty).axes[0].texts[0].get_text()
    monkeypatch.chdir(tmp_path)
    config = validated(merged(ROOT / "config" / "config.yaml"))
    entry = next(entry for entry in WING.entries(config) if entry["name"] == "published")
    write_csv(empty, entry["tables"][0])
    Image.new("L", (1, 1)).save(f"{entry['stem']}.png")
    made = section(entry, ROOT / "workflow" / "report" / "published.rst")
    assert made["claims"] == [] and not made["missing"]


def test_the_published_file_is_what_it_has_to_be():
    found = pd.read_csv(FILE)
    assert list(found) == PUBLISHED_COLUMNS and found.value.between(0, 1).all() and not found.duplicated().any()
    assert found.error.between(0, 0.01, inclusive="right").all()
    ours = {name for study, dataset, metric in set(zip(found.study, found.dataset, found.metric))
            for name in counterparts(metric, study, dataset)}  # fmt: skip
    assert ours <= {*property_row()} and set(found.dataset) == {"mnist", "cifar10"}
    keys = ["study", "dataset", "metric", "layer_width", "x"]
    assert not found.duplicated(keys).any()
    # The misreadings of an earlier file: logistic regression at 600 and 1,000 inputs, and points at 40,000 that do not exist.
    lr = found.query("study == 'sample_size' and dataset == 'mnist' and metric == 'lr' and layer_width == 40")
    assert lr.set_index("x").value.loc[[600, 1000]].round(2).tolist() == [0.67, 0.71] and 40000 not in set(lr.x)


def test_the_published_file_is_the_digitised_one():
    """The SHA-256 of the file as the fit of the figures' pixels wrote it: no value is edited by hand."""
    digest = "3e805f5edaf9df25589ed27bca5c3d0582f0b95f547f064285ad826f39f741ca"
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == digest


def test_figure_draws_both_values():
    points = published(("capacity", "m", "knn", 3, 3, 0.42), ("capacity", "m", "knn", 40, 40, 0.97))
    figure = plot_published(compare([capacity_table()], points, dataset="m", role="comparison"))
    panel = next(axis for axis in figure.axes if axis.get_title().startswith("K-NN"))
    drawn = [line.get_ydata().tolist() for line in panel.get_lines()]
    assert [0.42, 0.97] in drawn and any(values == pytest.approx([0.51, 0.91]) for values in drawn)


def test_kmeans_is_set_beside_the_split_that_its_panel_has():
    points = published(
        ("capacity", "cifar10", "kmeans", 40, 40, 0.51), ("training_time", "cifar10", "kmeans", 40, 10, 0.51)
    )
    deep = capacity_table().assign(depth=5, kmeans_train=0.51, kmeans_test=0.3)
    found = compare([deep], points, dataset="cifar10", role="comparison")
    assert found.metric.tolist() == ["kmeans_train"] and found.verdict.tolist() == ["inside"]
    for study in ("training_time", "sample_size"):
        assert counterparts("kmeans", study, "mnist") == ("kmeans_test",)


def test_kmeans_of_a_panel_that_names_no_split_is_not_judged():
    points = published(("capacity", "m", "knn", 40, 40, 0.91), ("capacity", "m", "kmeans", 40, 40, 0.5))
    found = compare([capacity_table()], points, dataset="m", role="comparison")
    assert found[found.metric != "knn"].verdict.tolist() == ["split unknown", "split unknown"]
    said = published_claims(found)[0]
    assert said["verdict"] == "1 of 1 points inside" and "2 points are not judged" in said["text"]


def test_another_depth_is_context():
    point = published(("capacity", "cifar10", "knn", 40, 40, 0.91))
    assert set(compare([capacity_table()], point, dataset="cifar10", role="comparison").verdict) == {"context"}
    deep = capacity_table().assign(depth=5)
    assert set(compare([deep], point, dataset="cifar10", role="comparison").verdict) == {"inside"}


def test_a_width_that_diverged_stays_in_the_table():
    lost = capacity_table()
    lost.loc[(lost.layer_width == 40) & (lost.epoch > 0), METRICS] = float("nan")
    point = published(("capacity", "m", "knn", 40, 40, 0.91))
    found = compare([lost], point, dataset="m", role="comparison")
    assert found.verdict.tolist() == ["diverged"] and found.n.tolist() == [0]
