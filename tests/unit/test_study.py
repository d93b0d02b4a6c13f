"""From property tables to what the report says."""

import numpy as np
import pandas as pd
import pytest

from rehash.errors import InputError
from rehash.figures.capacity import plot_capacity
from rehash.figures.style import save_figure
from rehash.hash_encoders.columns import KEYS, METRICS
from rehash.hash_encoders.section import summary_table
from rehash.hash_encoders.study import capacity_claims, collect_study
from rehash.store import write_csv
from rehash.tables import summarise


def table(widths=(3, 40), repeats=3, knn=((0.3, 0.5), (0.7, 0.9))) -> pd.DataFrame:
    """Properties with known means; `knn[width][trained]`; redundancy is 3 / width."""
    rows = []
    for i, width in enumerate(widths):
        for epoch in (0, 10):
            for repeat in range(repeats):
                metrics = dict.fromkeys(METRICS, 0.5) | {
                    "knn": knn[i][epoch > 0] + 0.01 * repeat,
                    "redundancy_train": 3 / width,
                }
                keys = ("hash_encoders", "d", "p", 1, width, 99, epoch, repeat, 1)
                rows.append({**dict(zip(KEYS, keys)), "code_bits": width, **metrics})
    return pd.DataFrame(rows)


def test_summary_against_numpy():
    rows = summarise(table(), ["layer_width", "epoch"], ["knn"]).set_index(["layer_width", "epoch"])
    expected = np.array([0.9, 0.91, 0.92])
    assert rows.loc[(40, 10), "knn_mean"] == pytest.approx(expected.mean())
    assert rows.loc[(40, 10), "knn_sd"] == pytest.approx(expected.std(ddof=1)) and rows.loc[(40, 10), "n"] == 3


def test_claims_follow_the_numbers():
    seen = capacity_claims(table())
    assert [c["verdict"] for c in seen] == ["Seen, beyond the spread"] * 2
    assert "from 1.000 ± 0.000 (n = 3) at width 3 to 0.075 ± 0.000 (n = 3) at width 40" in seen[0]["text"]
    assert "0.910 ± 0.010 (n = 3) of the test inputs" in seen[1]["text"] and "for 0.710 ± 0.010" in seen[1]["text"]
    close = capacity_claims(table(knn=((0.3, 0.5), (0.895, 0.9))))
    assert close[1]["verdict"] == "Not seen beyond the spread"


def test_one_network_or_one_width_is_no_ground_for_a_verdict(tmp_path):
    single = table(repeats=1)
    assert {c["verdict"] for c in capacity_claims(single)} == {"One network, so no spread to judge by"}
    assert len(capacity_claims(table(widths=(40,)))) == 1
    assert "nan" not in summary_table(single).to_string() and "0.900" in summary_table(single).to_string()
    for case in (single, table(widths=(40,)), table(widths=(40,), repeats=1)):
        save_figure(plot_capacity(case), tmp_path / "f.png", tmp_path / "f.pdf")


def test_the_same_table_gives_the_same_picture(tmp_path):
    for name in ("a", "b"):
        save_figure(plot_capacity(table()), tmp_path / f"{name}.pdf", tmp_path / f"{name}.png")
    for kind in ("pdf", "png"):
        assert (tmp_path / f"a.{kind}").read_bytes() == (tmp_path / f"b.{kind}").read_bytes()


def test_collecting(tmp_path):
    whole = table()
    for width, part in whole.groupby("layer_width"):
        write_csv(part, tmp_path / f"{width}.csv")
    paths = [tmp_path / "40.csv", tmp_path / "3.csv"]
    collected = collect_study(paths, "capacity")
    assert collected.layer_width.tolist() == [3] * 6 + [40] * 6 and set(collected.study) == {"capacity"}
    with pytest.raises(InputError, match=r"study capacity: two rows for .*'layer_width': 3"):
        collect_study([*paths, tmp_path / "3.csv"], "capacity")
    write_csv(whole.drop(columns="knn"), tmp_path / "bad.csv")
    with pytest.raises(InputError, match=r"bad\.csv: lacks the columns knn"):
        collect_study([tmp_path / "bad.csv"], "capacity")
