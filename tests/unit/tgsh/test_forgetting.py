"""What is left of a task after later ones: measures by hand, tables that fit together, and their figure."""

import json

import numpy as np
import pandas as pd
import pytest

from rehash.errors import InputError
from rehash.store import write_csv
from rehash.tgsh.figures.baselines import plot_baselines
from rehash.tgsh.forgetting import COLUMNS, collect_baselines, collect_costs, continual_measures, flynet_matrix
from rehash.tgsh.methods import METHODS, setting_of

NUMBERS = [0, 3, 7]
START = [0.1, 0.2, 0.3]  # accuracy on each task before any training


def matrix_rows(matrix, method="full_in_sequence", repeat=0) -> pd.DataFrame:
    rows = [
        ("toy", "b", setting_of(method, False), method, repeat, NUMBERS[i], NUMBERS[j], value, START[j])
        for i, row in enumerate(matrix)
        for j, value in enumerate(row)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


FORGETS = [[0.90, 0.85, 0.50], [0.92, 0.80, 0.10], [0.50, 0.70, 0.96]]


def test_measures_of_a_matrix_done_by_hand():
    table = pd.concat([matrix_rows(FORGETS), matrix_rows(np.eye(3), repeat=1)]).sample(frac=1, random_state=0)
    first, second = continual_measures(table).to_dict("records")
    keys = ["toy", "b", "domain-incremental", "full_in_sequence", 0]
    assert [first[name] for name in COLUMNS[:5]] == keys and second["repeat"] == 1
    assert first["average_accuracy"] == pytest.approx((0.50 + 0.70 + 0.96) / 3)
    assert first["forgetting"] == pytest.approx(((0.92 - 0.50) + (0.85 - 0.70)) / 2)
    assert first["backward_transfer"] == pytest.approx(((0.50 - 0.90) + (0.70 - 0.80)) / 2)
    assert first["forward_transfer"] == pytest.approx(((0.85 - 0.2) + (0.10 - 0.3)) / 2)
    assert [second[m] for m in ("average_accuracy", "forgetting", "backward_transfer")] == [1 / 3, 1, -1]
    assert second["forward_transfer"] == pytest.approx(-0.25)
    (told,) = continual_measures(matrix_rows(FORGETS, "linear_probe")).to_dict("records")
    assert np.isnan(told["forward_transfer"]) and told["forgetting"] == first["forgetting"]
    with pytest.raises(
        InputError, match=r"method full_in_sequense, repeat 0: unknown method .*mean 'full_in_sequence'"
    ):
        continual_measures(matrix_rows(FORGETS).replace("full_in_sequence", "full_in_sequense"))


def test_measures_of_one_task_and_of_a_matrix_with_a_gap():
    (one,) = continual_measures(matrix_rows([[0.7]])).to_dict("records")
    names = ("forgetting", "backward_transfer", "forward_transfer")
    assert one["average_accuracy"] == 0.7 and np.isnan([one[name] for name in names]).all()
    for gap in (matrix_rows(FORGETS)[1:], matrix_rows(FORGETS)[:6]):
        with pytest.raises(
            InputError, match=r"benchmark b, .*, method full_in_sequence, repeat 0: an accuracy is missing"
        ):
            continual_measures(gap)


def flynet_accuracy() -> pd.DataFrame:
    """Of two repeats and the tasks 0, 3, 5 and 7."""
    rows = [("toy", "b", r, t, 0.01 * t + 0.1 * r, 0.8 + 0.01 * t + 0.1 * r) for r in range(2) for t in (0, 3, 5, 7)]
    return pd.DataFrame(
        rows, columns=["dataset", "benchmark", "repeat", "task", "accuracy_untrained", "accuracy_after_all"]
    )


def test_matrix_of_flynet():
    rows = flynet_matrix(flynet_accuracy(), NUMBERS)
    assert list(rows) == COLUMNS and set(rows.method) == {"flynet"} and len(rows) == 2 * 9
    found = rows[rows.repeat == 1].pivot(index="trained", columns="task", values="accuracy")
    expected = [[0.90, 0.13, 0.17], [0.90, 0.93, 0.17], [0.90, 0.93, 0.97]]
    assert list(found.index) == list(found.columns) == NUMBERS and set(rows.setting) == {"task-incremental"}
    start = rows[rows.repeat == 1].groupby("task").accuracy_start.unique().map(list)
    np.testing.assert_allclose(np.concatenate(list(start)), [0.1, 0.13, 0.17])
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    measures = continual_measures(rows)
    assert (measures.forgetting == 0).all() and (measures.backward_transfer == 0).all()


def collected(folder, full: pd.DataFrame, flynet: pd.DataFrame) -> pd.DataFrame:
    write_csv(full, folder / "full.csv")
    write_csv(flynet, folder / "flynet.csv")
    return collect_baselines(folder / "full.csv", folder / "flynet.csv", NUMBERS)


def both() -> pd.DataFrame:
    return pd.concat([matrix_rows(FORGETS, m, r) for m in ("full_per_task", "full_in_sequence") for r in range(2)])


def test_collected_table(tmp_path):
    table = collected(tmp_path, both(), flynet_accuracy())
    assert table.groupby("method").size().to_dict() == dict.fromkeys(
        ("flynet", "full_per_task", "full_in_sequence"), 18
    )
    assert list(table) == COLUMNS and not table.isna().any(axis=None)


@pytest.mark.parametrize(
    ("full", "flynet", "message"),
    [
        (
            both(),
            flynet_accuracy().query("repeat == 0"),
            r"flynet\.csv: lacks dataset toy, .*repeat 1, task 0; .*full\.csv",
        ),
        (both(), flynet_accuracy().query("task != 3"), r"flynet\.csv: lacks .*repeat 0, task 3; .*task: 0, 3, 7, and"),
        (
            both().query("repeat == 0"),
            flynet_accuracy(),
            r"flynet\.csv: has .*repeat 1, task 0; .*all of .*repeat: 0; task",
        ),
        (
            both().query("trained < 7"),
            flynet_accuracy(),
            r"full\.csv: lacks method .*, trained 7, task 0; .*flynet\.csv",
        ),
        (both().replace({"task": {7: 8}}), flynet_accuracy(), r"full\.csv: (lacks|has) method .*, task [78];"),
        (both(), flynet_accuracy().assign(dataset="other"), r"flynet\.csv: has dataset other, benchmark b, repeat 0"),
        (both().drop(columns="trained"), flynet_accuracy(), r"full\.csv: lacks the columns trained"),
    ],
)
def test_tables_that_do_not_fit_together(tmp_path, full, flynet, message):
    with pytest.raises(InputError, match=message):
        collected(tmp_path, full, flynet)


def test_costs_of_all_methods(tmp_path):
    full, flynet = tmp_path / "full_networks.json", tmp_path / "modulations.json"
    own = {"learned": 17, "kept": 17, "memory_bytes": 0}
    full.write_text(json.dumps({"costs": {"flynet": own, "online_ewc": {**own, "kept": 51, "seconds": 2.5}}}))
    flynet.write_text(json.dumps({"seconds_a_task": 0.5}))
    assert collect_costs(full, flynet).to_dict("list") == {
        "method": ["flynet", "online_ewc"], "learned": [17, 17], "kept": [17, 51], "memory_bytes": [0, 0],
        "seconds": [0.5, 2.5],
    }  # fmt: skip
    for path in (full, flynet):
        whole = path.read_text()
        for content in ("{}", whole[:-3], "[1]"):
            path.write_text(content)
            with pytest.raises(InputError, match=rf"{path.name}: not the provenance .*--force"):
                collect_costs(full, flynet)
        path.write_text(whole)


def test_figure_shows_the_means():
    halves = [matrix_rows(np.array(FORGETS) * factor, repeat=r) for r, factor in enumerate((1, 0.5))]
    table = pd.concat([*halves, flynet_matrix(flynet_accuracy(), NUMBERS)])
    figure = plot_baselines(table)
    flynet, told, sequence, seen = (axes for axes in figure.axes if axes.get_label() != "<colorbar>")
    np.testing.assert_allclose(sequence.images[0].get_array(), np.array(FORGETS) * 0.75)
    assert flynet.images[0].get_array()[0, 0] == pytest.approx(0.85) and flynet.images[0].get_clim() == (0, 1)
    assert [label.get_text() for label in sequence.get_yticklabels()] == ["0", "3", "7"]
    assert flynet.get_ylabel().startswith("task-incremental") and "domain-incremental" in sequence.get_ylabel()
    assert told.get_title().endswith(": told the task") and len(told.lines) == 1
    line = seen.lines[0]
    assert list(line.get_xdata()) == [1, 2, 3]
    np.testing.assert_allclose(line.get_ydata(), [0.75 * 0.9, 0.75 * (0.92 + 0.8) / 2, 0.75 * (0.5 + 0.7 + 0.96) / 3])
    every = pd.concat([matrix_rows(FORGETS, name, r) for name in METHODS for r in range(2)])
    assert [axes.get_title() for axes in plot_baselines(every).axes if axes.images] == [
        each.title for each in METHODS.values()
    ]
    with pytest.raises(InputError, match="unknown method 'flynets'; did you mean 'flynet'"):
        plot_baselines(table.replace("flynet", "flynets"))
