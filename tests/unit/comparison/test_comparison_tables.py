"""From the tables of single sources to those of the comparison, the report's words and the figures."""

import json

import numpy as np
import pandas as pd
import pytest

from rehash.comparison import collect, results
from rehash.comparison.figures.curves import plot_curves
from rehash.comparison.figures.published import plot_published
from rehash.comparison.figures.retrieval import plot_retrieval
from rehash.comparison.figures.trade import plot_trade
from rehash.comparison.published import compare_retrieval
from rehash.errors import InputError
from rehash.store import read_csv, write_csv

TITLES = {
    "neural": "neural codes",
    "neural_untrained": "at random",
    "itq": "ITQ",
    "simhash": "SimHash",
    "pixels": "pixels",
}
LEVEL = {"neural": 0.8, "neural_untrained": 0.3, "itq": 0.5, "simhash": 0.35, "pixels": 0.45}


def measured(source: str, repeats: int = 3) -> pd.DataFrame:
    """A source's table: mAP rises with bits, and repeats differ by a hundredth."""
    rows = []
    for bits in [0] if source == "pixels" else [16, 64]:
        for repeat in range(1 if source == "pixels" else repeats):
            keys = {"dataset": "mnist5k", "protocol": "split", "source": source, "bits": bits, "repeat": repeat}
            keys |= {"train": 4000, "gallery": 4000}
            value = LEVEL[source] + bits / 1000 + repeat / 100
            found = {("map", None): value, ("map_at", 1000): value + 0.05, ("precision_at", 10): value}
            if bits:
                found |= {("recall_within", r): value * r / 4 for r in (0, 1, 2)}
                found |= {("redundancy", None): 0.5 - bits / 200 - 0.1 * (source == "neural_untrained")}
                found |= {("bucket_purity", None): 0.9}
            for (metric, at), number in found.items():
                ends = {"low": number - 0.02, "high": number + 0.02, "n": 1000, "stable": number + 0.001 * bits}
                rows.append({**keys, "metric": metric, "at": at, "value": number, **ends})
    return pd.DataFrame(rows)


def curves(source: str) -> pd.DataFrame:
    keys = {"dataset": "mnist5k", "protocol": "split", "source": source, "bits": 16, "repeat": 0}
    x = np.arange(17)
    found = {"curve": "precision_recall_by_radius", "x": x, "recall": x / 16, "precision": 1 - x / 20}
    return pd.DataFrame({**keys, **found})


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    folder = tmp_path_factory.mktemp("comparison")
    for source in TITLES:
        write_csv(measured(source), folder / f"{source}.csv")
        write_csv(curves(source), folder / f"{source}_curves.csv")
        encoders = measured(source)[["bits", "repeat"]].drop_duplicates().to_numpy()
        times = {f"{bits}/{repeat}": {"inputs": 5000, "seconds": 0.5} for bits, repeat in encoders}
        facts = {"params": {"source": {"dataset": "mnist5k", "name": source}}, "device": "cpu"}
        (folder / f"{source}.json").write_text(json.dumps({**facts, "encoding": times}))
    out = {name: folder / f"out_{name}.csv" for name in ("table", "trade", "curves", "times")}
    backwards = list(TITLES)[::-1]
    files = [[folder / f"{name}{end}" for name in backwards] for end in (".csv", "_curves.csv", ".json")]
    collect.collect_retrieval(*files, out, TITLES)
    return {name: read_csv(path) for name, path in out.items()} | {"paths": out}


def test_sources_stand_in_the_order_of_the_config(tables):
    for name in ("table", "trade", "curves", "times"):
        assert list(dict.fromkeys(tables[name].title)) == list(TITLES.values())
    assert list(tables["table"]) == collect.COLUMNS


def test_the_trade_has_a_row_for_each_encoder(tables):
    trade, whole = tables["trade"], tables["table"]
    assert len(trade) == 4 * 2 * 3 + 1
    row = trade[(trade.source == "itq") & (trade.bits == 64) & (trade.repeat == 2)].iloc[0]
    assert (row["map"], row.redundancy, row.recall_within_2) == pytest.approx((0.584, 0.18, 0.292))
    same = whole[(whole.source == "itq") & (whole.bits == 64) & (whole.repeat == 2) & (whole.metric == "map")].iloc[0]
    assert (row.map_low, row.map_high) == (same.low, same.high)
    assert np.isnan(trade[trade.source == "pixels"].redundancy).all()


def test_times_are_those_of_the_provenance(tables):
    assert (tables["times"].microseconds_an_input == 100).all() and len(tables["times"]) == len(tables["trade"])


def test_damaged_provenance_is_named(tmp_path):
    (tmp_path / "codes.json").write_text('{"params": {}}')
    with pytest.raises(InputError, match=r"codes\.json: not the provenance of codes"):
        collect._times(tmp_path / "codes.json")


def test_claims_say_what_training_did_and_how_far_ties_are_off(tables):
    said = [claim for claim in results.trade_claims(tables["trade"]) if claim]
    assert said[0]["verdict"] == "Holds, beyond the spread" and "neural codes, 64 bits: mAP is 0.374" in said[0]["text"]
    # Redundancy is 0.1 higher after training, without any spread.
    assert said[1]["verdict"] == "Rises, beyond the spread"
    assert any(claim["verdict"].startswith("Rank correlation") for claim in said)
    ties = results.retrieval_claims(tables["table"], tables["times"])
    assert ties[0]["verdict"] == "Holds, beyond the spread" and "0.526 ± 0.010" in ties[0]["text"]
    assert ties[1]["verdict"] == "Ties: a stable sort is off by up to 6.4e-02"


def test_summaries_are_means_over_repeats(tables):
    shown = results.retrieval_summary(tables["table"], tables["times"]).set_index(["source", "bits"])
    assert shown.loc[("ITQ", 64), "mAP"] == "0.574 ± 0.010" and shown.loc[("ITQ", 64), "n"] == 3
    assert shown.loc[("pixels", "cosine"), "redundancy"] == ""
    assert results.trade_summary(tables["trade"]).mAP.iloc[0] == "0.826 ± 0.010"


def test_figures_draw_every_source_at_its_values(tables):
    (axis,) = plot_trade(tables["trade"]).axes
    lines = {tuple(np.round(line.get_ydata(), 3)) for line in axis.lines if len(line.get_xdata()) == 2}
    assert {(0.826, 0.874), (0.526, 0.574)} <= lines and (0.45, 0.45) in lines
    panels = plot_retrieval(tables["table"], tables["times"]).axes
    assert [panel.get_title() for panel in panels] == ["mAP", "recall within radius 2", "redundancy", "time to encode"]
    assert any(np.allclose(line.get_ydata(), [0.826, 0.874]) for line in panels[0].lines)
    assert any(np.allclose(line.get_ydata(), [100, 100]) for line in panels[3].lines)


def test_the_curves_of_a_length_are_in_a_panel_of_their_own(tables):
    (axis, *others) = plot_curves(tables["curves"]).axes
    assert axis.get_title() == "16 bits" and not others
    assert np.allclose(axis.lines[0].get_xdata(), np.arange(17) / 16)
    assert np.allclose(axis.lines[0].get_ydata(), 1 - np.arange(17) / 20)
    assert axis.lines[-1].get_ydata()[0] == pytest.approx(0.2)  # chance, all pairs


def published(folder, **changes) -> str:
    row = {
        "method": "ITQ", "dataset": "mnist", "split": "ours", "queries": 1000, "train": 4000, "gallery": 4000,
        "bits": 64, "metric": "mAP", "value": 0.57, "error": 0.0005, "backbone": "none", "pretrained": "none",
        "source": "made up", "place": "nowhere",
    } | changes  # fmt: skip
    write_csv(pd.DataFrame([row]), folder / "published.csv")
    return str(folder / "published.csv")


@pytest.mark.parametrize(
    ("changes", "verdict", "ours"),
    [
        ({}, "inside", 0.574),
        ({"value": 0.9}, "below", 0.574),
        ({"value": 0.2}, "above", 0.574),
        ({"queries": 10_000}, "other protocol", 0.574),
        ({"pretrained": "ImageNet"}, "other backbone", 0.574),
        ({"metric": "mAP@1000", "value": 0.62}, "inside", 0.624),
    ],
)
def test_a_published_value_is_compared_by_its_protocol_alone(tables, tmp_path, changes, verdict, ours):
    path = published(tmp_path, **changes)
    found = compare_retrieval(tables["paths"]["table"], path, dataset="mnist", methods={"itq": "ITQ"})
    (axis,) = plot_published(found).axes
    assert [list(line.get_ydata()) for line in axis.lines[:2]] == [[found.published[0]], [found.ours[0]]]
    assert len(found) == 1 and found.verdict[0] == verdict and found.ours[0] == pytest.approx(ours)


def test_values_of_other_bits_metrics_and_methods_are_left_out(tables, tmp_path):
    for changes in ({"bits": 12}, {"metric": "mAP@5000"}, {"method": "DSH"}, {"dataset": "cifar10"}):
        path = published(tmp_path, **changes)
        found = compare_retrieval(tables["paths"]["table"], path, dataset="mnist", methods={"itq": "ITQ"})
        assert found.empty and "verdict" in found
        assert results.published_claims(found) == [] and plot_published(found)
