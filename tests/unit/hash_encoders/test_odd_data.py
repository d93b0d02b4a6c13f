"""Studies of one of everything, and of networks that diverged: figure, boxes and numbers stand."""

import numpy as np
import pandas as pd
import pytest

from rehash.figures.registry import load
from rehash.hash_encoders.columns import METRICS
from rehash.hash_encoders.phase_chart import phase_table
from rehash.hash_encoders.registry import FIGURES
from rehash.hash_encoders.studies import STUDIES
from rehash.store import read_csv, write_csv
from toys import property_row

THRESHOLDS = {
    "redundancy_near_zero": 0.05, "redundancy_high": 0.5, "categorization_low": 0.5, "categorization_high": 0.9,
}  # fmt: skip


def study(name: str, repeats: int, lost: int, epochs=(0, 1)) -> pd.DataFrame:
    """One width, one level of what the study varies; the first `lost` repeats diverged while they were trained."""
    rows = [property_row(study=name, repeat=r, epoch=e, layer_width=4) for e in epochs for r in range(repeats)]
    table = pd.DataFrame(rows)
    table.loc[(table.epoch > 0) & (table.repeat < lost), METRICS] = np.nan
    return table


def random_inputs(repeats: int, lost: int) -> pd.DataFrame:
    parts = []
    for kind in ("test", "permuted", "uniform", "uniform_negative"):
        table = study("random_inputs", repeats, lost, epochs=(1,)).drop(columns=[*METRICS, "code_bits"])
        parts.append(table.assign(inputs=kind, redundancy=0.5, active_share=0.25))
        parts[-1].loc[table.repeat < lost, ["redundancy", "active_share"]] = np.nan
    return pd.concat(parts, ignore_index=True)


def charted(repeats: int, lost: int) -> pd.DataFrame:
    tables = [study(name, repeats, lost, epochs=(1,)) for name in ("sample_size", "training_time")]
    return phase_table(*tables, thresholds=THRESHOLDS)


CASES = {name: lambda *case, name=name: study(name, *case) for name in STUDIES}
CASES |= {"random_inputs": random_inputs, "phase_chart": charted}


@pytest.mark.parametrize(("repeats", "lost"), [(1, 0), (2, 2)])
@pytest.mark.parametrize("name", CASES)
def test_a_study_of_one_of_everything_is_drawn_and_told(name, repeats, lost, tmp_path):
    figure, settings = FIGURES[name], {"thresholds": THRESHOLDS} if name == "phase_chart" else {}
    write_csv(CASES[name](repeats, lost), tmp_path / "t.csv")
    table = read_csv(tmp_path / "t.csv")
    load(figure.draw)(table, **settings).savefig(tmp_path / "f.png", dpi=20)
    summary = load(figure.summary)(table)
    measured = repeats > lost
    assert len(summary) or not measured
    if len(table):  # the report makes no boxes of empty tables
        text = " ".join(claim["text"] for claim in load(figure.claims)(table) if claim)
        assert "nan" not in text.lower()
        assert measured or not text, "nothing is claimed of networks that were not measured"
