"""What a benchmark's numbers say, in sentences: means, standard deviations, n, 95% intervals, and whether it holds.

Each claim is a dictionary: `text`, and `verdict`. "Beyond the spread" means that two means differ by more than the two
standard deviations together, and that the 95% interval of the difference leaves out 0. It is paired by repeat, since
states of a repeat share a frozen network; with few repeats either criterion alone would claim too much.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from rehash.intervals import mean_interval
from rehash.tables import mean_and_sd
from rehash.tgsh.forgetting import continual_measures

Claims = list[dict[str, str]]
Tables = dict[str, pd.DataFrame]
SINGLE = "One network, so no spread to judge by"
_CONTROLS = {"unmodulated": "for the frozen response alone", "untrained": "before training"}
_NOTHING = "No difference beyond the spread"
_HOLDS = ("Holds, beyond the spread", _NOTHING, "Does not hold, beyond the spread")
_AHEAD = ("FlyNet is ahead, beyond the spread", _NOTHING, "FlyNet is behind, beyond the spread")
_ADDS = (
    "Training adds, beyond the spread",
    "Training adds nothing beyond the spread",
    "Training takes away, beyond the spread",
)
_METHODS = {"full_in_sequence": "one fully trained network in sequence", "full_per_task": "a full network a task"}


def claims(tables: Tables, figure: str) -> Claims:
    """What the tables of a figure say, by the names of their files; none for tables with no row."""
    if all(table.empty for table in tables.values()):
        return []
    return _CLAIMS[figure](tables)


def _accuracy(tables: Tables) -> Claims:
    table = tables["accuracy"]
    kept, rows = int(table.accuracy_at_training.eq(table.accuracy_after_all).sum()), len(table)
    where = f"{table.repeat.nunique()} networks, {table.task.nunique()} tasks"
    forgotten = "no row differs" if kept == rows else f"{rows - kept} differ"
    means = table.groupby("repeat")[["accuracy_untrained", "accuracy_after_all"]].mean()
    by_task = table.groupby("task").accuracy_after_all.mean()
    return [
        {
            "verdict": f"Zero forgetting: {'holds' if kept == rows else 'does not hold'}",
            "text": f"The accuracy of a task right after its training equals that after all tasks in {kept} of {rows} "
            f"rows ({where}); {forgotten}.",
        },
        _compared(
            means.accuracy_untrained,
            means.accuracy_after_all,
            "The mean accuracy over the tasks",
            ("before training", f"after all tasks (the tasks' means: {by_task.min():.3f} to {by_task.max():.3f})"),
        ),
    ]


def _published(tables: Tables) -> Claims:
    pairs = tables["published_similarity"]
    shown = {
        ("accuracy", "angles"): tables["published"],
        ("similarity of task vectors", "pairs of tasks"): pairs[pairs.state == "trained"],
    }
    return [_beside_notebook(table, *words) for words, table in shown.items() if len(table)]


def _beside_notebook(table: pd.DataFrame, what: str, items: str) -> dict[str, str]:
    """How many of the notebook's values lie inside our spread, or why none is judged."""
    largest = table.difference.abs().max()
    told = f"Ours less the notebook's {what} differs by up to {largest:.3f} over {len(table)} {items}"
    first = table.iloc[0]
    if table.verdict.eq("context").all():
        ours = f"{first.dataset} with {first.units:,} units" + (f", {first.epochs} epochs" if "epochs" in table else "")
        text = f"{told}, but the notebook has full MNIST, 7,840 units and one epoch, and this is {ours}."
        return {"verdict": "Context, no comparison", "text": text}
    if table.verdict.eq("no spread").all():
        return {"verdict": SINGLE, "text": f"{told}."}
    inside = table.verdict.eq("inside").sum()
    text = f"{told}; inside means within two standard deviations of our {first.n} networks. Theirs is one network."
    return {"verdict": f"{inside} of {len(table)} {items} inside", "text": text}


def _task_similarity(tables: Tables) -> Claims:
    ranks = tables["task_correlation"].pivot(index="repeat", columns="state", values="spearman").dropna()
    if ranks.empty:
        text = "Too few tasks, or all at one distance: no rank correlation of similarity and distance."
        return [{"verdict": "Nothing to correlate", "text": text}]
    return [
        _compared(
            ranks.untrained,
            ranks.trained,
            "Near tasks get similar task vectors: Spearman's correlation of similarity and distance over the pairs",
            ("before training", "after training"),
            rises=False,
        )
    ]


def _hash_property(tables: Tables) -> Claims:
    recovery = tables["recovery"]
    values = {
        key: part.pivot(index="repeat", columns="state", values="value").dropna()
        for key, part in recovery.groupby(["measure", "question"])
    }
    means = _mean_similarities(tables["pair_similarity"])
    task = values["ROC area", "same task"]
    found = [
        _compared(
            means["inter, same picture"],
            means["intra"],
            "Trained responses hash by task: the mean similarity",
            ("of one picture in two tasks (inter)", "of two digits in one task (intra)"),
        ),
        _compared(
            task.unmodulated,
            task.trained,
            "Modulation tells tasks apart: the ROC area for the same task",
            ("for the frozen response alone", "after training"),
        ),
    ]
    words = {
        ("ROC area", "same task"): "The ROC area for the same task (random task vectors are nearly orthogonal and so "
        "part all tasks; training brings near ones together)",
        ("ROC area", "same digit, within a task"): "The ROC area for the same digit within a task",
        ("ROC area", "same digit, across tasks"): "The ROC area for the same digit across tasks",
        ("nearest neighbour", "digit"): "The share of digits that the nearest neighbour recovers",
        ("nearest neighbour", "task"): "The share of tasks that the nearest neighbour recovers",
    }
    chances = recovery.groupby(["measure", "question"]).chance.first()
    # With one task there is no pair across tasks, and so no area.
    return [claim for claim in found if claim] + [
        _added(values[key], text, chances[key]) for key, text in words.items() if len(values[key])
    ]


def _mean_similarities(pairs: pd.DataFrame) -> pd.DataFrame:
    """Mean similarity of the trained responses of each kind of pairs, a row a repeat and a column a kind."""
    trained = pairs[pairs.state == "trained"]
    sums = (trained.similarity * trained["count"]).groupby([trained.repeat, trained.kind]).sum()
    means = sums / trained.groupby(["repeat", "kind"])["count"].sum()
    return means.unstack().reindex(columns=["intra", "inter, same picture"])


def _codes(tables: Tables) -> Claims:
    columns = ["knn", "redundancy_test", "collisions", "collisions_digit"]
    means = tables["codes"].groupby(["state", "repeat"])[columns].mean()
    trained = means.loc["trained"]
    text = (
        f"After training a share of {trained.collisions.mean():.2g} of the test pictures have a code that another has, "
        f"in any task, and {trained.collisions_digit.mean():.2g} one that another digit has; within a task the "
        f"redundancy ratio is {trained.redundancy_test.mean():.2g} (means over tasks, n = {len(trained)})."
    )
    unique = (trained[["collisions", "redundancy_test"]] == 0).all(axis=None)
    return [
        {"verdict": "Every picture has a code of its own" if unique else "Some pictures share a code", "text": text},
        _added(means.knn.unstack("state"), "The accuracy of K-NN on the codes"),
    ]


def _generated(tables: Tables) -> Claims:
    table = tables["generated"]
    words = {
        "recognised": "The share of generated pictures that the task's own network takes for the digit",
        "nearest": "The share of generated pictures that are most like the digit's mean picture",
    }
    found = []
    for column, text in words.items():
        right = table[column].eq(table.digit).groupby([table.repeat, table.state]).mean().unstack()
        chance = f" (chance {1 / table.digit.nunique():.3f})"
        found.append(_compared(right.untrained, right.trained, text + chance, ("before training", "after training")))
    return found


def _baselines(tables: Tables) -> Claims:
    measures = continual_measures(tables["baselines"]).pivot(index="repeat", columns="method")
    found = []
    for method, words in _METHODS.items():
        for metric, text in {"average_accuracy": "The average accuracy", "forgetting": "Forgetting"}.items():
            values = measures[metric].reindex(columns=[method, "flynet"]).dropna()
            # A network a task has no later task that it could forget for.
            if len(values) and (metric, method) != ("forgetting", "full_per_task"):
                rises = metric != "forgetting"
                ends = (f"for {words}", "for FlyNet")
                what = f"{text} after the last task"
                found.append(_compared(values[method], values.flynet, what, ends, rises=rises, verdicts=_AHEAD))
    return found


def _compared(
    start: pd.Series, end: pd.Series, what: str, names: tuple[str, str], *, rises: bool = True, verdicts=_HOLDS
) -> dict[str, str] | None:
    """The claim that `end` is above `start` (below it if not `rises`), values by repeat; None where there is none."""
    pairs = pd.concat([start.rename("start"), end.rename("end")], axis=1).dropna()
    if pairs.empty:
        return None
    text = f"{what} is {_told(pairs.start)} {names[0]} and {_told(pairs.end)} {names[1]}"
    return {"text": text + _difference(pairs, "difference"), "verdict": _verdict(pairs, verdicts, rises)}


def _added(values: pd.DataFrame, what: str, chance: float | None = None) -> dict[str, str]:
    """What training adds to the better of its two controls; `values` has a row a repeat and a column a state."""
    better = values[list(_CONTROLS)].mean().idxmax()
    pairs = pd.DataFrame({"start": values[better], "end": values.trained})
    states = {**_CONTROLS, "trained": "after training"}
    told = ", ".join(f"{mean_and_sd(values[s].mean(), values[s].std())} {words}" for s, words in states.items())
    by_chance = "" if chance is None else f"; chance is {chance:.3f}"
    text = f"{what} is {told} (n = {len(values)}{by_chance})"
    control = "the frozen response" if better == "unmodulated" else "the untrained one"
    return {
        "text": text + _difference(pairs, f"after training less {control}"),
        "verdict": _verdict(pairs, _ADDS, True),
    }


def _told(values: pd.Series) -> str:
    return f"{mean_and_sd(values.mean(), values.std())} (n = {len(values)})"


def _difference(pairs: pd.DataFrame, name: str) -> str:
    """The end of a sentence: by how much `end` exceeds `start`, with its interval; nothing for one repeat."""
    if len(pairs) < 2:
        return "."
    low, high = mean_interval(pairs.end - pairs.start)
    mean, low, high = map(_signed, ((pairs.end - pairs.start).mean(), low, high))
    return f"; {name} {mean} (95% interval {low} to {high})."


def _signed(value: float) -> str:
    """Three decimals, or one digit of what is less and not nothing."""
    return f"{value:+.0e}" if 0 < abs(value) < 0.0005 else f"{value:+.3f}"


def _verdict(pairs: pd.DataFrame, verdicts: tuple[str, str, str], rises: bool) -> str:
    """One of three: as claimed, within the spread, the other way round."""
    if len(pairs) < 2:
        return SINGLE
    difference = pairs.end.mean() - pairs.start.mean()
    low, high = mean_interval(pairs.end - pairs.start)
    if abs(difference) <= pairs.end.std() + pairs.start.std() or low <= 0 <= high:
        return verdicts[1]
    return verdicts[0] if (difference > 0) == rises else verdicts[2]


_CLAIMS: dict[str, Callable[[Tables], Claims]] = {
    "tasks": lambda tables: [],
    "accuracy": _accuracy,
    "published": _published,
    "task_similarity": _task_similarity,
    "hash_property": _hash_property,
    "codes": _codes,
    "generated": _generated,
    "baselines": _baselines,
}
