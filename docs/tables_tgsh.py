"""The generated tables of docs/tgsh.md, from the kept results; what was not run says so."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from rehash.intervals import mean_interval
from rehash.tables import mean_and_sd
from rehash.tgsh.results import baselines_summary, held_out_summary

RESULTS = Path(__file__).parent / "results"
PUBLISHED = Path(__file__).parents[1] / "workflow" / "resources" / "published_tgsh_histograms.csv"
BENCHMARKS = ("rotation", "shift", "augment")
STATES = {"unmodulated": "frozen response alone", "untrained": "before training", "trained": "after training"}
CODES = ("active_share", "redundancy_test", "knn", "collisions", "collisions_digit")
APART = (10, 20, 30, 60, 90, 120, 150, 180)  # degrees
ERRORS = {
    "class": "a place in the batch for a class",
    "task": "task 1's images for task 4's",
    "three": "a four for a three",
    "decoder": "the decoder overwritten",
}
# What the notebook prints of pairs of two images, in its order.
PRINTED = {
    "seven and three in task 0": 0.4222761392593384,
    "seven and three in task 4": 0.4381292164325714,
    "sevens in tasks 0 and 4": 0.1955752670764923,
    "threes in tasks 0 and 4": 0.2520766854286194,
}


def kept(benchmark: str, table: str) -> pd.DataFrame | None:
    """A kept table of a benchmark, or None if it was not run at full size."""
    path = RESULTS / f"tgsh_{benchmark}_{table}.csv"
    return pd.read_csv(path) if path.exists() else None


def over_networks(rows: pd.DataFrame, metric: str) -> str:
    """Mean and standard deviation over networks of their means over tasks (and whatever else)."""
    means = rows.groupby("repeat")[metric].mean()
    return mean_and_sd(means.mean(), means.std())


def by_benchmark(table: str, columns: Sequence[str], cells) -> pd.DataFrame:
    """The lines that `cells` makes of each benchmark's kept table; one of "not run" where there is none."""
    lines = []
    for benchmark in BENCHMARKS:
        rows = kept(benchmark, table)
        made: Iterable[Sequence[object]] = [["not run"] * len(columns)] if rows is None else cells(rows)
        lines += [[benchmark, *line] for line in made]
    return pd.DataFrame(lines, columns=["benchmark", *columns])


def published() -> pd.DataFrame:
    """The notebook's accuracies and ours, angle by angle, for each kept comparison."""
    words = {"rotation": "36 tasks", "notebook": "its five tasks"}
    lines = {}
    for benchmark, tasks in words.items():
        for row in kept(benchmark, "published").itertuples():
            line = lines.setdefault(row.angle, {"angle": f"{row.angle:g}", "published": f"{row.published:.4f}"})
            cell = f"{mean_and_sd(row.ours, row.sd)} ({row.difference:+.4f}) {row.verdict}"
            line[f"ours, {tasks} (n = {row.n})"] = cell
    return pd.DataFrame(lines.values())


def similarities() -> pd.DataFrame:
    """The cosines of the notebook's task vectors and ours of the same training, pair by pair."""
    rows = kept("notebook", "published_similarity")
    if rows is None:
        return pd.DataFrame({"similarities beside ours": ["not run"]})
    lines = []
    for (a, b), pair in (
        rows.assign(apart=rows.angle_b - rows.angle_a).sort_values("apart").groupby(["angle_a", "angle_b"], sort=False)
    ):
        line = {"angles": f"{a:g} and {b:g}"}
        for state in ("untrained", "trained"):
            row, when = pair[pair.state == state].iloc[0], STATES[state]
            line[f"published, {when}"] = f"{row.published:.3f}"
            line[f"ours, {when} (n = {row.n})"] = (
                f"{mean_and_sd(row.ours, row.sd)} ({row.difference:+.3f}) {row.verdict}"
            )
        lines.append(line)
    return pd.DataFrame(lines)


def histograms() -> pd.DataFrame:
    """The notebook's two histograms of similarity beside ours of the same training: means, and the area in common."""
    published = pd.read_csv(PUBLISHED)
    rows = kept("notebook", "histograms").merge(published, on=["kind", "low"], suffixes=("", "_published"))
    rows["width"], rows["middle"] = rows.high - rows.low, (rows.high + rows.low) / 2
    rows["mean"] = rows.density * rows.width * rows.middle
    rows["mean_published"] = rows.density_published * rows.width * rows.middle
    rows["common"] = rows[["density", "density_published"]].min(axis=1) * rows.width
    lines = []
    for kind, part in rows.groupby("kind", sort=False):
        one = part[(part.way == "notebook") & (part.repeat == 0)]
        line = {"similarity": kind, "published": f"{one.mean_published.sum():.3f}"}
        for way, words in (("notebook", "the notebook's way"), ("right", "of digits")):
            sums = part[part.way == way].groupby("repeat")[["mean", "common"]].sum()
            line[f"ours, {words} (n = {len(sums)})"] = mean_and_sd(sums["mean"].mean(), sums["mean"].std())
            line[f"area in common, {words}"] = mean_and_sd(sums.common.mean(), sums.common.std())
        lines.append(line)
    return pd.DataFrame(lines)


def accuracy() -> pd.DataFrame:
    """Accuracy over tasks and networks, and what is left of it after the last task."""

    def cells(rows: pd.DataFrame):
        forgotten = (rows.accuracy_at_training - rows.accuracy_after_all).abs().max()
        means = (over_networks(rows, f"accuracy_{when}") for when in ("untrained", "at_training", "after_all"))
        worst = rows.groupby("task").accuracy_after_all.mean()
        yield [
            rows.task.nunique(),
            rows.repeat.nunique(),
            *means,
            f"{worst.min():.3f} to {worst.max():.3f}",
            f"{forgotten:g}",
        ]

    columns = ["tasks", "n", "before training", "right after training", "after all tasks", "by task", "largest change"]
    return by_benchmark("accuracy", columns, cells)


def relations() -> pd.DataFrame:
    """Spearman's correlation of similarity with distance."""

    def cells(rows: pd.DataFrame):
        yield [over_networks(rows[rows.state == state], "spearman") for state in ("untrained", "trained")]

    return by_benchmark("task_correlation", ["before training", "after training"], cells)


def similarity_by_angle() -> pd.DataFrame:
    """Cosine of the task vectors of two rotations, and accuracy of one's on the other, by the angle between them."""
    cosines, transfer = kept("rotation", "task_similarity"), kept("rotation", "transfer")
    lines = ["distance (pixels)", *(f"cosine, {STATES[state]}" for state in ("untrained", "trained"))]
    table = {"degrees apart": [*lines, "accuracy on the other"]}
    for angle in APART:
        part = cosines[_apart(cosines.task_a, cosines.task_b) == angle]
        means = [over_networks(part, f"similarity_{state}") for state in ("untrained", "trained")]
        moved = transfer[(_apart(transfer.modulation, transfer.task) == angle) & (transfer.state == "trained")]
        table[str(angle)] = [f"{part.distance.mean():.1f}", *means, over_networks(moved, "accuracy")]
    return pd.DataFrame(table)


def _apart(one: pd.Series, other: pd.Series) -> pd.Series:
    """The angle, in degrees, between rotations by their numbers."""
    steps, tasks = (one - other).abs(), one.nunique()
    return steps.where(steps <= tasks / 2, tasks - steps) * 360 // tasks


def recovery() -> pd.DataFrame:
    """ROC areas and nearest neighbours, by state."""

    def cells(rows: pd.DataFrame):
        for (measure, question), part in rows.groupby(["measure", "question"], sort=False):
            values = (over_networks(part[part.state == state], "value") for state in STATES)
            yield [f"{measure}: {question}", *values, f"{part.chance.iloc[0]:.3f}"]

    return by_benchmark("recovery", ["measure", *STATES.values(), "chance"], cells)


def codes() -> pd.DataFrame:
    """The measures on hash codes, by state."""

    def cells(rows: pd.DataFrame):
        for state, words in STATES.items():
            yield [words, *(over_networks(rows[rows.state == state], metric) for metric in CODES)]

    return by_benchmark("codes", ["state", *CODES], cells)


def generated() -> pd.DataFrame:
    """How good generated images are, by state."""

    def cells(rows: pd.DataFrame):
        rows = rows.assign(recognised=rows.recognised == rows.digit, nearest=rows.nearest == rows.digit)
        for state in ("untrained", "trained"):
            part = rows[rows.state == state]
            yield [STATES[state], *(over_networks(part, metric) for metric in ("recognised", "correlation", "nearest"))]

    return by_benchmark("generated", ["state", "recognised", "correlation", "nearest"], cells)


def baselines() -> pd.DataFrame:
    """What is left after the last task, and what a task costs, by setting and method."""
    found = []
    for benchmark in BENCHMARKS:
        rows, costs = kept(benchmark, "baselines"), kept(benchmark, "baseline_costs")
        if rows is not None and costs is not None:
            summary = baselines_summary(rows, costs)
            summary.insert(2, "tasks", rows.task.nunique())
        else:
            summary = pd.DataFrame({name: ["not run"] for name in ("setting", "method", "average accuracy")})
        found.append(summary.assign(benchmark=benchmark))
    table = pd.concat(found, ignore_index=True).fillna("")
    return table[["benchmark", *(name for name in table if name != "benchmark")]]


def claims(benchmark: str) -> pd.DataFrame:
    """A line for each claim of the paper's abstract and title, after training and beside both controls."""
    names = ("manifolds", "sign_bits", "transfer", "transfer_correlation", "recovery", "task_correlation")
    tables = [kept(benchmark, name) for name in names]
    if any(table is None for table in tables):
        return pd.DataFrame({"claims": ["not run"]})
    manifolds, signs, transfer, transfer_ranks, recovered, ranks = tables
    unit, plain = (manifolds[manifolds.length == name] for name in ("unit length", "as they are"))
    others = transfer[transfer.modulation != transfer.task]
    near = others[others.distance <= others.distance.min() + 0.01]
    means = recovered[recovered.measure == "nearest mean"]
    realised, title = "a random network with modulations realises T-GSH", "manifolds common across tasks"
    relations = "modulations tell how tasks relate"
    lines = [
        (realised, "first clause: squared distance of two tasks' means / variance within one", unit, "ratio"),
        (realised, "second clause: share of triples, unit length", unit, "clause_two"),
        (realised, "the same, of one image in two tasks", unit, "clause_two_one_image"),
        (realised, "the same, of all, responses as they are", plain, "clause_two"),
        (realised, "rho of 16 sign bits (lower is better)", signs[signs.bits == 16], "rho"),
        (realised, "the same, of random hyperplanes", signs[signs.bits == 16], "rho_hyperplanes"),
        ("the manifold is recoverable", "nearest mean: task", means[means.question == "task"], "value"),
        ("it learns the manifolds of classes (GSH)", "nearest mean: digit", means[means.question == "digit"], "value"),
        ("it learns the manifolds of classes (GSH)", "digits' distance / variance", unit, "digit_ratio"),
        (relations, "Spearman of similarity and distance", ranks, "spearman"),
        (title, "accuracy of a modulation on other tasks", others, "accuracy"),
        (title, "the same, on the nearest ones", near, "accuracy"),
        (title, "Spearman of it and distance", transfer_ranks[transfer_ranks.beside == "distance"], "spearman"),
    ]
    rows = [
        {"claim": claim, "measured": what, "n": table.repeat.nunique(),
         **{words: with_interval(table[table.state == state], column) for state, words in STATES.items()}}
        for claim, what, table, column in lines
    ]  # fmt: skip
    return pd.DataFrame(rows)


def with_interval(rows: pd.DataFrame, metric: str) -> str:
    """The mean over networks of their means, with its 95% interval; empty for no rows."""
    means = rows.groupby("repeat")[metric].mean()
    low, high = mean_interval(means)
    return f"{means.mean():.3f} ({low:.3f} to {high:.3f})" if len(means) else ""


def new_tasks() -> pd.DataFrame:
    """How fast new rotations are learned from either start, and what one image a class is worth in them."""
    tables = [kept("rotation", name) for name in ("forward", "forward_curve", "one_shot")]
    return pd.DataFrame({"new tasks": ["not run"]}) if any(t is None for t in tables) else held_out_summary(*tables)


def notebook_errors() -> pd.DataFrame:
    """Each error's effect: the notebook's way beside the right one."""
    table = pd.read_csv(RESULTS / "tgsh_notebook_errors.csv").query("error != 'printed'")
    lines = []
    for (error, what), part in table.groupby(["error", "what"], sort=False):
        line = {"error": ERRORS[error], "measured": what}
        for way in ("notebook", "right"):
            rows = part[part.way == way]
            line[way] = over_networks(rows, "value") if len(rows) else ""
            if rows.sd.notna().any() and rows.n.min() > 2:
                line[way] += f"; pairs: sd {rows.sd.mean():.3f}, n = {rows.n.max():,}"
        lines.append(line)
    return pd.DataFrame(lines).rename(columns={"notebook": "the notebook's way", "right": "as it should be"})


def printed() -> pd.DataFrame:
    """The four similarities that the notebook prints, ours its way, and ours of what it says they are."""
    table = pd.read_csv(RESULTS / "tgsh_notebook_errors.csv").query("error == 'printed'")
    lines = []
    for what, value in PRINTED.items():
        ways = (
            over_networks(table[(table.what == what) & (table.way == way)], "value") for way in ("notebook", "right")
        )
        lines.append([what, f"{value:.3f}", *ways])
    return pd.DataFrame(lines, columns=["similarity", "printed", "ours, the notebook's way", "ours, as it should be"])
