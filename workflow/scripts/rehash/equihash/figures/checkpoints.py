"""The figure of retrieval against training time: what an index answers with the network of several steps."""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import StrMethodFormatter

from rehash.equihash.figures.retrieval import draw_line, set_values
from rehash.figures.seeds import add_legend, dashes, series_style
from rehash.figures.style import panels, say
from rehash.series import LEAST_SEEDS, seed_lines, spread_words


class _Panel(NamedTuple):
    """A metric with its panel; if `counted`, its values can lie decades apart, and a zero is an upper limit."""

    metric: str
    label: str
    counted: bool = False


_PANELS = (
    _Panel("recall", "share of relevant items"),
    _Panel("perfect_retrieval_rate", "share of positive queries"),
    _Panel("alone_in_bucket_rate", "share of queries"),
    _Panel("false_positive_rate", "share of negative queries", True),
    _Panel("irrelevant_collision_rate", "share of pairs", True),
)
_LIMIT = {"color": "0.3", "marker": "o", "linestyle": "none", "markerfacecolor": "white"}


def plot_checkpoints(table: pd.DataFrame) -> Figure:
    """Draw metrics on a whole database against the step at which the network was taken, with a line for each model.

    From three seeds on a mark is the mean over seeds and its bar the mean's 95% interval, geometric on logarithmic
    axes; runs of fewer seeds are all drawn, with their own intervals. A run in which nothing was counted stands at the
    upper end of its interval, open and with an arrow.

    Args:
        table: of one database; task, model, seed, database, database_size (items), metric, value, low, high, n, step.
            Metrics that it lacks have no panel.
    """
    table = table[table.database_size == table.database_size.max()]
    shown = [panel for panel in _PANELS if panel.metric in set(table.metric)]
    models = table.model.unique()
    figure, axes = panels(len(shown), width=3.1, height=3.4)
    counts = table.groupby("model").seed.nunique()
    own = "; bar of a run: its 95% interval" if counts.min() < LEAST_SEEDS else ""
    where = f"task {table.task.iloc[0]}, database {table.database.iloc[0]}, {table.database_size.iloc[0]:,} items"
    spread = f"{spread_words(counts, 'bar')}{own}"
    figure.suptitle(f"{where}: what an exact look-up finds as training goes\n{spread}", fontsize=9)
    limits = False
    for panel, wanted in zip(axes, shown):
        panel.set(title=wanted.metric.replace("_", " "), ylabel=wanted.label, xlabel="step of the optimiser")
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        panel.locator_params(axis="x", nbins=5, integer=True)
        rows = table[table.metric == wanted.metric]
        lines = [seed_lines(rows[rows.model == model], "step", wanted.counted) for model in models]
        if rows.value.isna().all():
            say(panel, "not measured")
            continue
        set_values(panel, [line for found in lines for line in found], logarithmic=wanted.counted)
        for series, found in enumerate(lines):
            for line in found:
                draw_line(panel, line, series, line.step)
                limits |= line.limit.any()
    handles = [
        Line2D([], [], **series_style(series), linestyle=dashes(series), label=model)
        for series, model in enumerate(models)
    ]
    if limits:
        handles.append(Line2D([], [], **_LIMIT, label="none counted: upper limit"))
    add_legend(figure, handles)
    return figure
