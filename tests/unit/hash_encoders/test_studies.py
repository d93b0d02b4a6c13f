"""A study is one entry in the registry, and a caption: the config, the plan, the figures and the report know it."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from graphs import ROOT, merged
from rehash import hash_encoders
from rehash.config import load_schema, validated
from rehash.errors import InputError
from rehash.figures.drawing import draw_figure
from rehash.hash_encoders import plan, registry
from rehash.hash_encoders.cells import Cell
from rehash.hash_encoders.figures.studies import plot_study
from rehash.hash_encoders.results import study_claims, study_summary
from rehash.hash_encoders.studies import STUDIES, Study
from rehash.hash_encoders.study import collect_study
from rehash.report.sections import section
from rehash.store import write_csv
from toys import varied_table

SHARES = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "description": "Shares of hidden activations that are dropped.",
}
STUDY = Study(
    about="Dropout alone, by dataset.",
    column="dropout",
    axis="dropout (share of hidden activations)",
    word="dropout",
    keys={"shares": SHARES},
    cells=lambda block: [{"dropout": share} for share in block["shares"]],
)
BLOCK = {"layer_widths": [20, 40], "repeats": 3, "shares": [0, 0.25]}
STEM = "results/hash_encoders/mnist5k/dropout_only"


@pytest.fixture
def wing(monkeypatch) -> SimpleNamespace:
    """The plan and the registry of figures, imported when there is one study more."""
    monkeypatch.setitem(STUDIES, "dropout_only", STUDY)
    modules = {"plan": plan, "registry": registry}
    for name, module in modules.items():
        monkeypatch.setattr(hash_encoders, name, module)  # so that it is put back
        monkeypatch.delitem(sys.modules, f"rehash.hash_encoders.{name}")
    return SimpleNamespace(**{name: importlib.import_module(f"rehash.hash_encoders.{name}") for name in modules})


def config(**changes) -> dict:
    """The project's config with a block for the study."""
    raw = merged(ROOT / "config" / "config.yaml")
    raw["hash_encoders"]["dropout_only"] = {"mnist5k": BLOCK | changes}
    return raw


def test_the_config_has_a_block_for_it(wing):
    studies = load_schema()["properties"]["hash_encoders"]["properties"]
    schema = studies["dropout_only"]
    assert schema["description"] == STUDY.about and "study" not in studies
    block, other = (studies[name]["additionalProperties"] for name in ("dropout_only", "capacity"))
    assert block["properties"] == {**other["properties"], "shares": SHARES}
    assert {*block["required"]} == {*other["required"], "shares"}
    names = list(studies)
    assert names.index("dropout_only") == names.index("instance_noise") + 1, "the documentation is in this order"
    found = validated(config())["hash_encoders"]["dropout_only"]["mnist5k"]
    assert found == {**BLOCK, "depth": 1, "protocols": ["scripts"], "train_share": None}
    without = merged(ROOT / "config" / "config.yaml")
    assert validated(without)["hash_encoders"]["dropout_only"] == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"share": [0]}, "dropout_only.mnist5k: unknown key 'share'; did you mean 'shares'?"),
        ({"shares": [0, 1]}, "dropout_only.mnist5k.shares.1: 1 is greater than or equal to the maximum of 1"),
        ({"protocols": ["script"]}, "dropout_only.mnist5k.protocols: unknown protocol 'script'; did you mean"),
    ],
)
def test_a_wrong_block_of_it_is_refused(wing, changes, message):
    with pytest.raises(InputError) as error:
        validated(config(**changes))
    assert f"config: hash_encoders.{message}" in str(error.value)


def test_a_block_of_it_needs_its_keys_and_a_known_dataset(wing):
    for dataset, block, message in (
        ("mnist5k", {"layer_widths": [20]}, "dropout_only.mnist5k: 'shares' is a required property"),
        ("mnits", BLOCK, "dropout_only: unknown dataset 'mnits'; did you mean 'mnist'?"),
    ):
        raw = config()
        raw["hash_encoders"]["dropout_only"] = {dataset: block}
        with pytest.raises(InputError) as error:
            validated(raw)
        assert f"config: hash_encoders.{message}" in str(error.value)


def test_its_networks_are_planned(wing):
    plan, known, place = wing.plan, validated(config()), ("dropout_only", "mnist5k")
    assert plan.cells(known, *place) == [{"dropout": 0}, {"dropout": 0.25}]
    assert [Cell.of(factors).dropout for factors in plan.cells(known, *place)] == [0, 0.25]
    cohorts = "results/hash_encoders/mnist5k/networks/dropout_only/scripts/depth=1"
    assert plan.study_tables(known, *place) == [f"{cohorts}/layer_width={width}/properties.csv" for width in (20, 40)]
    assert plan.training_params(known, *place, "scripts", "3") == {
        "protocol": known["hash_encoders"]["protocols"]["scripts"],
        "cells": plan.cells(known, *place),
        "train_share": known["hash_encoders"]["train_share"],
        "repeats": 3,
        "seed": known["seed"],
    }
    assert plan.networks_planned(known, *place, "3") == 6
    assert "dropout_only" in plan.COLLECTED, "the wildcard of a study may have its name"
    with pytest.raises(InputError, match=r"unknown study 'dropout_onyl'; did you mean 'dropout_only'"):
        plan.study_config(known, "dropout_onyl", "mnist5k")


def test_its_table_is_collected_said_and_drawn(wing, tmp_path):
    table = varied_table("dropout_only", "dropout", (0.0, 0.25, 0.5), "knn", (0.3, 0.6, 0.8))
    for share, part in table.groupby("dropout"):
        write_csv(part, tmp_path / f"{share}.csv")
    collected = collect_study(sorted(tmp_path.iterdir(), reverse=True), "dropout_only")
    assert collected.dropout.tolist() == [0] * 3 + [0.25] * 3 + [0.5] * 3
    shown = study_summary(collected)
    assert list(shown)[:2] == ["dropout", "n"] and shown["K-NN accuracy"][2] == "0.810 ± 0.010"
    same, rising = study_claims(collected)
    assert same["verdict"] == "No change beyond the spread" and rising["verdict"] == "Rises, beyond the spread"
    assert rising["text"] == (
        "Protocol p, width 40: the accuracy of K-NN on the codes is 0.310 ± 0.010 (n = 3) at dropout 0 and "
        "0.810 ± 0.010 (n = 3) at dropout 0.5; difference +0.500 (95% interval +0.500 to +0.500)."
    )
    figure = plot_study(collected)
    assert figure.get_suptitle().startswith("d, dropout only, protocol p: mean of 3 networks")
    panel = next(axis for axis in figure.axes if axis.get_title() == "K-NN accuracy")
    assert panel.get_xlabel() == STUDY.axis and panel.get_lines()[0].get_xdata().tolist() == [0, 0.25, 0.5]
    assert np.allclose(panel.get_lines()[0].get_ydata(), [0.31, 0.61, 0.81])


def test_the_graph_and_the_report_have_it(wing, tmp_path, monkeypatch):
    known = validated(config())
    asked = [name for name, wildcards in wing.plan.asked(known) if wildcards == {"dataset": "mnist5k"}]
    assert asked.index("dropout_only") == asked.index("instance_noise") + 1
    assert {f"{STEM}{end}" for end in (".csv", ".pdf", ".png")} <= {*wing.registry.WING.targets(known)}
    (entry,) = [entry for entry in wing.registry.WING.entries(known) if entry["name"] == "dropout_only"]
    assert entry["caption"] == "dropout_only" and entry["title"] == "dropout only"
    monkeypatch.chdir(tmp_path)
    write_csv(varied_table("dropout_only", "dropout", (0.0, 0.5), "knn", (0.3, 0.8)), entry["tables"][0])
    figure, settings = wing.registry.FIGURES["dropout_only"], wing.plan.drawing(known, "dropout_only", "mnist5k")
    outputs = {kind: f"{STEM}.{kind}" for kind in ("pdf", "png")}
    draw_figure(entry["tables"], outputs, draw=figure.draw, page=figure.page, settings=settings)
    Path("caption.rst").write_text("**What to see.** Nothing yet.\n", encoding="utf-8")
    made = section(entry, "caption.rst")
    assert (
        not made["missing"]
        and len(made["claims"]) == 2
        and "0.810 ± 0.010" in made["table"]
        and "Nothing yet" in made["caption"]
    )
