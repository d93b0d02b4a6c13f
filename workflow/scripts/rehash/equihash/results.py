"""What the report says about the wing's figures: summary tables for people, and claims."""

from __future__ import annotations

import pandas as pd

from rehash.equihash.tables import (
    CODES,
    COUNTED,
    LABELS,
    LEAST_BUCKETS,
    MEDIANS,
    PAIR_KINDS,
    SETTING,
    SIZE,
    TERM_GRADIENTS,
    UNTRAINED,
    WATCHED,
    by_model,
    parameter_words,
    query_shares,
    retrieved_words,
    split_reference,
    with_settings,
)
from rehash.series import range_words, seed_words, with_series
from rehash.verdicts import CHANGES, DEFINITION, Claims, against_predicted, compared_runs

TITLE = "Learned equihash functions"
SHORT = "Equihash"  # in lists of the works
CITED = "Duchesneau's thesis"
TEXT = (
    "An equihash maps an item to a fingerprint such that noisy views of one thing get the same and views of different "
    "things do not, so that a hash table finds what was seen before (Duchesneau's thesis). Items are mosaics of a "
    "bank's images, made from a seed when they are needed and never stored. The published photo models took one to two "
    "weeks of a GPU each; their perfect-retrieval rates (31.5% on 10^9 items for ShannonHamming on triples) are "
    "compared with those of a database of their task that is asked its own items, where there is one. "
    f"{DEFINITION} A single network's rate is compared by its own 95% interval."
)
_DIAGNOSED = {
    "clipped": "clipped elements of the gradient, share",
    "largest_gradient": "largest element",
    "saturated": "logits beyond 9, share",
    "largest_logit": "largest logit",
}
_RATES, _RADII = ("recall", "fallout"), (0, 1, 2, 3)
_OF_PAIRS = ("recall_at_", "fallout_at_")
_PROBES = (1, 10, 100, 1000)  # shown in the summary table
_FREQUENCIES = (1, 2, 5, 10, 20, 50)  # shown in the summary table


def views_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of images and labels of each split of a task, as text."""
    return table.assign(**{column: table[column].map("{:,}".format) for column in ("pictures", "labels")})


def perlin_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return the spectra of a Perlin bank at some frequencies, as text."""
    shown = table[table.frequency.isin(_FREQUENCIES)]
    return shown.assign(**{column: shown[column].map("{:.3g}".format) for column in ("power_mean", "power_sd")})


def training_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each model and split: its numbers at the end of training (see `seed_words`)."""
    table = with_series(table)
    last = table.loc[table.groupby(["series", "split", "seed"]).step.idxmax()]
    rows = []
    for (name, split), found in last.groupby(["series", "split"], sort=False):
        row = {"model": name, "split": split, "seeds": len(found)}
        row |= {"step": range_words(found.step), "pairs": range_words(found.pairs)}
        for shown in WATCHED:
            unit = f", share of {shown.most} bits" if shown.most > 1 else ""
            row[f"{shown.title}{unit}"] = seed_words(found[shown.metric] / shown.most)
        for metric, (words, _) in MEDIANS.items():
            row[f"median distance, {words} (bits)"] = seed_words(found[metric], "{:.1f}")
        rows.append(row)
    return pd.DataFrame(rows)


def diagnostics_summary(table: pd.DataFrame, histograms: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each model: its diagnostics at the last evaluation (see `seed_words`).

    Shares and largest values are the largest since the evaluation before; norms of gradients are medians over views.
    """
    table = with_series(table)
    last = table[table.step == table.groupby(["series", "seed"]).step.transform("max")]
    rows = []
    for name, found in last.groupby("series", sort=False):
        row = {"model": name, "seeds": found.seed.nunique(), "step": range_words(found.step)}
        most = found[found.statistic == "most"]
        for quantity, words in _DIAGNOSED.items():
            row[words] = seed_words(most.value[most.quantity == quantity], "{:.3g}")
        medians = found[found.statistic == "median"]
        for quantity, of in ((TERM_GRADIENTS, None), ("pair_gradient", PAIR_KINDS)):
            mine = medians[medians.quantity == quantity]
            norms = {term: seed_words(mine.value[mine.of == term], "{:.3g}") for term in mine.of.unique()}
            row[f"norm of the gradient of {'terms' if of is None else 'pairs'}"] = "; ".join(
                f"{of[term] if of else term} {words}" for term, words in norms.items()
            )
        rows.append(row)
    return pd.DataFrame(rows)


def distances_summary(histogram: pd.DataFrame, rates: pd.DataFrame, statistics: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each model, trained and untrained: rates, and distances of views of different labels.

    Rates of one seed have their 95% interval. Cells of several seeds are means. Fallout, whose values can lie decades
    apart or be 0, is given with the least and the largest value, all others as `seed_words` writes them.
    """
    rows = []
    for name, found in by_model(rates).items():
        for untrained, mine in found.groupby("untrained"):
            made = CODES if (mine.variant == CODES).all() else "trained"
            row = {"model": name, "network": UNTRAINED if untrained else made, "seeds": mine.seed.nunique()}
            for metric in _RATES:
                for r in _RADII:
                    row[f"{metric}, r = {r}"] = _rate_words(mine[mine.metric == f"{metric}_at_{r}"])
            keys = mine[["model", "variant"]].drop_duplicates()
            unrelated = statistics[statistics.pairs_of == "different"].merge(keys)
            row["different labels: mean distance (bits)"] = seed_words(unrelated["mean"], "{:.2f}")
            row["deviation (bits)"] = seed_words(unrelated.deviation, "{:.2f}")
            row["from Binomial(k, ½) (total variation)"] = seed_words(unrelated.binomial)
            rows.append(row)
    return pd.DataFrame(rows)


def _rate_words(rows: pd.DataFrame) -> str:
    """Return the words for the rates of one metric and radius."""
    values = rows.value.dropna()
    if values.empty:
        return "none"
    if len(values) == 1:
        row = rows.iloc[0]
        return f"{row.value:.3g} ({row.low:.3g} to {row.high:.3g})"
    if rows.metric.str.startswith("recall").all():
        return seed_words(values, "{:.3g}")
    return f"{values.mean():.3g} ({values.min():.3g} to {values.max():.3g})"


def family_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each setting of a family and database: means over seeds of metrics (see `seed_words`).

    One run has its own interval. Rates of collisions and false positives are as in the figure: their means are
    geometric, and "at most" stands where a run met none and so counts as the upper end of its interval.
    """
    rows = []
    for (size, database, model, _, setting), found in with_settings(table).groupby(SETTING):
        row = {"database": f"{database}, {size:,} items", "model": model, parameter_words(table): setting}
        row["seeds"] = found.seed.nunique()
        for metric in table.metric.unique():
            row[metric.replace("_", " ")] = _setting_words(found[found.metric == metric].dropna(subset="value"))
        rows.append(row)
    return pd.DataFrame(rows)


def _setting_words(rows: pd.DataFrame) -> str:
    """Return the words for the runs of one setting, metric and database."""
    counted = rows.metric.str.startswith(COUNTED)
    limit = rows.value.eq(0) & counted
    most = rows.value.max()
    form = "{:,.0f}" if most > 1 else "{:.3f}" if most >= 0.01 else "{:.2g}"
    if len(rows) == 1 and not limit.any():
        row = rows.iloc[0]
        return f"{form.format(row.value)} ({form.format(row.low)} to {form.format(row.high)})"
    words = seed_words(rows.value.where(~limit, rows.high), form, geometric=bool(counted.all()))
    return f"at most {words}" if limit.any() else words


def bucket_sizes_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each size and model, and for the reference: statistics of buckets (see `seed_words`)."""
    reference, table = split_reference(table)
    reference = reference.assign(series=f"{LABELS}, expected", seed=0)
    rows = []
    for size in sorted(table.database_size.unique()):
        both = pd.concat([part[part.database_size == size] for part in (table, reference)])
        for (database, name), found in both.groupby(["database", "series"], sort=False):
            runs = pd.DataFrame([_statistics(run) for _, run in found.groupby("seed")])
            row = {"model": name, "database": database, "seeds": "" if name in set(reference.series) else len(runs)}
            row |= {"items": range_words(runs["items"]), "buckets": seed_words(runs.buckets, "{:,.0f}")}
            row["items in a bucket, mean"] = seed_words(runs["mean"], "{:,.2f}")
            row["largest"] = seed_words(runs.largest, "{:,.0f}")
            row["share of items alone in their bucket"] = seed_words(runs.alone)
            rows.append(row)
    return pd.DataFrame(rows)


def query_buckets_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each size and model: the shares of queries that retrieve 0, 1, 2 to 9, ... items.

    Each share of positive queries is followed by that of queries that have a relevant item among them (see
    `seed_words`). Negative queries have the share that retrieves nothing, which is right.
    """
    table, rows = with_series(table), []
    for (size, database, name), found in table.groupby([*SIZE, "series"], sort=False):
        runs = [run for _, run in found.groupby("seed")]
        shares = [query_shares(run) for run in runs]
        row = {"model": name, "database": f"{database}, {size:,.0f} items", "seeds": len(runs)}
        row["positive queries"] = range_words(pd.Series([share.queries.sum() for share in shares]))
        for group in retrieved_words():
            every, right = ([share.loc[group, what] for share in shares] for what in ("share", "found"))
            also = f", {seed_words(right)} found" if any(share > 0 for share in right) else ""
            row[f"{group} items" if group != "1" else "1 item"] = f"{seed_words(every)}{also}"
        negative = [run[run.asked == "negative"] for run in runs]
        empty = [n.queries[n.retrieved == 0].sum() / n.queries.sum() for n in negative if len(n)]
        rows.append({**row, "negative queries, 0 items": seed_words(empty)})
    return pd.DataFrame(rows)


def gallery_summary(table: pd.DataFrame, rates: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each number of probes: the share of queries with each outcome, with 95% intervals."""
    rows = []
    for probes, found in rates.groupby("probes"):
        row = {"probes": f"{probes:,}", "queries": f"{found.n.iloc[0]:,}"}
        rows.append(
            {**row, **{one.outcome: f"{one.value:.3f} ({one.low:.3f} to {one.high:.3f})" for one in found.itertuples()}}
        )
    return pd.DataFrame(rows)


def _statistics(run: pd.DataFrame) -> dict[str, float]:
    """Return statistics of the buckets of one run or of the reference, which ends where `LEAST_BUCKETS` says."""
    items, buckets = (run.bucket_size * run.buckets).sum(), run.buckets.sum()
    alone = run.buckets[run.bucket_size == 1].sum() / items
    largest = run.bucket_size[run.buckets >= LEAST_BUCKETS].max()
    return {"items": items, "buckets": buckets, "mean": items / buckets, "largest": largest, "alone": alone}


def probes_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each size and model: recall and precision after 1, 10, 100 and 1,000 probes.

    Numbers of probes that the table lacks are left out. One run has its 95% interval, several are written as
    `seed_words` does it.
    """
    table = with_series(table)
    probes = [count for count in _PROBES if count in set(table.probes)]
    rows = []
    for (size, database, name), found in table.groupby([*SIZE, "series"], sort=False):
        row = {"model": name, "database": f"{database}, {size:,.0f} items", "queries": range_words(found.n)}
        row["seeds"] = found.seed.nunique()
        for metric in ("recall", "precision"):
            for count in probes:
                mine = found[(found.metric == metric) & (found.probes == count)].dropna(subset="value")
                words = seed_words(mine.value)
                if len(mine) == 1:
                    words += " ({:.3f} to {:.3f})".format(*mine[["low", "high"]].iloc[0])
                row[f"{metric}, {count:,} {'probe' if count == 1 else 'probes'}"] = words
        rows.append(row)
    return pd.DataFrame(rows)


def retrieval_summary(table: pd.DataFrame, predicted: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each model and size of a database: all metrics, with 95% intervals.

    One run has its own interval, several are written as `seed_words` does it. Rates of false positives and collisions
    are as in the figure: their means are geometric, and "at most" stands where a run counted none. Metrics of pairs of
    views (recall_at_r and fallout_at_r) do not depend on the size of a database and stand with the largest size that
    has them.
    """
    table = with_series(table)
    pairs = table.metric.str.startswith(_OF_PAIRS)
    largest = table.database_size.where(pairs).groupby([table.series, table.database]).transform("max")
    table = table[~pairs | (table.database_size == largest)]
    rows = []
    for (name, database, size), found in table.groupby(["series", "database", "database_size"], sort=False):
        row = {"model": name, "database": database, "items": f"{size:,.0f}", "seeds": found.seed.nunique()}
        for words, metric in (("positive", "true_positive_rate"), ("negative", "false_positive_rate")):
            row[f"{words} queries"] = range_words(found[found.metric == metric].n)
        for metric in table.metric.unique():
            mine = found[found.metric == metric]
            row[metric.replace("_", " ")] = "" if mine.empty else _metric_words(mine, metric)
        rows.append(row)
    return pd.DataFrame(rows)


def checkpoints_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each model, size of a database and step of training: metrics, as `retrieval_summary`."""
    table = table[~table.metric.str.startswith(_OF_PAIRS)]
    rows = []
    for (model, database, size, step), found in table.groupby(["model", "database", "database_size", "step"]):
        row = {"model": model, "database": f"{database}, {size:,} items", "step": f"{step:,}"}
        row["seeds"] = found.seed.nunique()
        for metric in table.metric.unique():
            row[metric.replace("_", " ")] = _metric_words(found[found.metric == metric], metric)
        rows.append(row)
    return pd.DataFrame(rows)


def _metric_words(rows: pd.DataFrame, metric: str) -> str:
    """Return the words for one metric, model and size."""
    rows = rows.dropna(subset="value")
    counted = metric.startswith(COUNTED)
    limit = rows.value.eq(0) & counted
    shown = rows.value.where(~limit, rows.high)
    form = "{:,.0f}" if metric == "internal_collisions" else "{:.3f}" if shown.max() >= 0.01 else "{:.3g}"
    if len(rows) == 1 and not limit.any():
        return _own(rows, form)
    words = seed_words(shown, form, geometric=counted)
    return f"at most {words}" if limit.any() else words


def _own(rows: pd.DataFrame, form: str) -> str:
    """Return the value of one run and its interval, in words."""
    value, low, high = map(form.format, rows[["value", "low", "high"]].iloc[0])
    return f"{value} ({low} to {high})"


def _percent(rows: pd.DataFrame) -> str:
    if rows.empty:
        return "not run"
    rows = rows.assign(**100 * rows[["value", "low", "high"]])
    return _own(rows, "{:.2f}") if len(rows) == 1 else seed_words(rows.value, "{:.2f}")


def perfect_retrieval_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row of text for each model and size: the published rate, ours with an interval, how they compare."""
    measured = with_series(table.dropna(subset="value"))
    table = table.assign(series=measured.series.reindex(table.index).fillna(table.model))
    keys = ["task", "series", "database", "database_size"]
    rows = []
    for (task, name, database, size), found in table.groupby(keys, sort=False, dropna=False):
        ours = found.dropna(subset="value")
        theirs = found.published.dropna()
        states = found.status.value_counts(sort=False)
        row = {"task": task, "model": name, "database": "" if pd.isna(database) else database}
        row |= {"items": f"{size:,.0f}", "published (%)": "none" if theirs.empty else f"{100 * theirs.iloc[0]:.1f}"}
        row["ours (%)"] = _percent(ours)
        row |= {"queries": range_words(ours.n), "seeds": str(ours.seed.nunique() or "")}
        row["status"] = ", ".join(f"{state} ({n})" if len(states) > 1 else state for state, n in states.items())
        rows.append(row)
    return pd.DataFrame(rows)


def distances_claims(histogram: pd.DataFrame, rates: pd.DataFrame, statistics: pd.DataFrame) -> Claims:
    """Compare trained with untrained networks: how often two views of one label, and of two, get one fingerprint."""
    found = []
    words = {
        "recall_at_0": "The share of pairs of views of one label that get the same fingerprint",
        "fallout_at_0": "The share of pairs of views of different labels that get the same fingerprint",
    }
    for name, rows in by_model(rates).items():
        for metric, text in words.items():
            mine = rows[rows.metric == metric].set_index("seed")
            ends = mine[mine.untrained], mine[~mine.untrained]
            names = ("before training", "after training")
            found.append(compared_runs(*ends, f"{name}: {text[0].lower()}{text[1:]}", names, verdicts=CHANGES))
    return [claim for claim in found if claim]


def retrieval_claims(table: pd.DataFrame, predicted: pd.DataFrame) -> Claims:
    """Compare found with predicted metrics, for each network without weights whose metrics follow from theory."""
    found = []
    for (model, seed), rows in predicted.groupby(["model", "seed"]):
        name = rows.metric.str.replace("_", " ") + " of " + rows.database_size.map("{:,}".format) + " items"
        found.append(against_predicted(rows.assign(name=name), f"{model}, seed {seed}"))
    return [claim for claim in found if claim]


def perfect_retrieval_claims(table: pd.DataFrame) -> Claims:
    """Count the published rates that agree with ours in all runs, and those that cannot be compared."""
    published = table.dropna(subset="published")
    if published.empty:
        return []
    each = published.groupby(["task", "model", "database_size"]).status
    states = each.agg(lambda of_runs: " and ".join(sorted(set(of_runs)))).value_counts()
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    reasons = "".join(f"; {reason}" for reason in published.why.dropna().unique())
    verdict = f"{states.get('inside', 0)} of {states.sum()} published rates inside"
    if not published.status.isin(["inside", "outside"]).any():
        verdict = "No published rate is compared"
    return [{"verdict": verdict, "text": f"Published rates: {counts}{reasons}."}]
