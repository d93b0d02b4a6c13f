"""From a benchmark's tables to its figures, claims and sections of the report."""

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from graphs import ROOT
from rehash.errors import InputError
from rehash.figures.registry import load
from rehash.figures.style import save_figure
from rehash.hdf5 import created, seal
from rehash.report.sections import section
from rehash.store import read_csv, write_csv
from rehash.tgsh.figures.labels import task_words
from rehash.tgsh.figures.relations import rank_words
from rehash.tgsh.figures.responses import densities, plot_hash_property
from rehash.tgsh.figures.sheets import draw_tasks
from rehash.tgsh.manifolds import PAIR_COLUMNS
from rehash.tgsh.methods import METHODS, setting_of
from rehash.tgsh.registry import FIGURES, WING
from rehash.tgsh.results import accuracy_summary, baselines_summary, notebook_claims
from rehash.tgsh.summaries import by_distance, tasks_interval
from rehash.verdicts import SINGLE, Claims

KEYS = {"dataset": "d", "benchmark": "b"}
STATES = ("unmodulated", "untrained", "trained")
KINDS = ("same task, same digit", "intra", "inter, same picture", "inter, other picture", "other task, other digit")
NEUTRAL = {"angle": 0.0, "dx": 0.0, "dy": 0.0, "scale": 1.0, "shear": 0.0, "contrast": 1.0}
QUESTIONS = ("same digit, within a task", "same digit, across tasks", "same task", "same task, other pictures")
DIGITS = 3
# Method -> accuracy on a task right after it is trained, and after a later one.
LEFT = {
    "flynet": (0.8, 0.8), "linear_probe": (0.85, 0.85), "full_per_task": (0.9, 0.9), "full_in_sequence": (0.9, 0.4),
    "online_ewc": (0.8, 0.5), "experience_replay": (0.9, 0.7),
}  # fmt: skip


def frame(rows) -> pd.DataFrame:
    return pd.DataFrame([{**KEYS, **row} for row in rows])


def jitter(repeat: int) -> float:
    return 0.01 * (repeat - 1)  # a standard deviation of 0.01 over three repeats


def transformations(count: int, factors: tuple[str, ...]) -> list[dict]:
    return [{**NEUTRAL, **{name: NEUTRAL[name] + 0.5 * t for name in factors}} for t in range(count)]


def recovery(repeats: int, values=None, tasks: int = 4) -> pd.DataFrame:
    """Of each state; `values` maps a question to its three means."""
    rows = [("ROC area", question, 0.5) for question in QUESTIONS]
    rows += [("nearest neighbour", "digit", 1 / DIGITS), ("nearest neighbour", "task", 1 / tasks)]
    return frame(
        {"repeat": r, "state": state, "measure": measure, "question": question, "chance": chance,
         "value": (values or {}).get(question, (0.6, 0.6, 0.6))[place] + jitter(r)
         if tasks > 1 or question not in QUESTIONS[1:] else np.nan}
        for r in range(repeats)
        for place, state in enumerate(STATES)
        for measure, question, chance in rows
    )  # fmt: skip


def made(repeats: int, tasks: int, factors=("angle",)) -> dict[str, pd.DataFrame | np.ndarray]:
    """File name -> tiny tables (and images) of a benchmark."""
    numbers, how = range(tasks), transformations(tasks, factors)
    pairs = [(r, a, b) for r in range(repeats) for a in numbers for b in numbers]
    kinds = KINDS if tasks > 1 else KINDS[:2]  # the others are of pairs across tasks
    return {
        "tasks.h5": np.random.default_rng(0).random((tasks, DIGITS, 28, 28)),
        "generated.h5": np.random.default_rng(1).normal(0, 0.02, (tasks, DIGITS, 28, 28)),
        "tasks.csv": frame({"task": t, **how[t]} for t in numbers),
        "accuracy.csv": frame(
            {"repeat": r, "task": t, **how[t], "accuracy_untrained": 0.1, "accuracy_at_training": 0.9 + jitter(r),
             "accuracy_after_all": 0.9 + jitter(r)}
            for r in range(repeats) for t in numbers
        ),
        "published.csv": frame(
            {"units": 7840, "angle": 10 * t, "epoch": 1, "published": 0.93, "ours": 0.92,
             "sd": 0.01 if repeats > 1 else np.nan, "n": repeats, "difference": -0.01,
             "verdict": "inside" if repeats > 1 else "no spread"}
            for t in numbers
        ),
        "published_similarity.csv": pd.DataFrame(
            [{**KEYS, "units": 7840, "epochs": 1, "state": state, "angle_a": 10 * a, "angle_b": 10 * b,
              "published": 0.7, "reading_error": 0.002, "ours": 0.71, "sd": 0.01 if repeats > 1 else np.nan,
              "n": repeats, "difference": 0.01, "verdict": "inside" if repeats > 1 else "no spread"}
             for state in ("untrained", "trained") for a in numbers for b in numbers if a < b],
            columns=[*KEYS, "units", "epochs", "state", "angle_a", "angle_b", "published", "reading_error", "ours", "sd",
                     "n", "difference", "verdict"],
        ),
        "task_similarity.csv": frame(
            {"repeat": r, "task_a": a, "task_b": b, "distance": float(abs(a - b)),
             "similarity_untrained": float(a == b), "similarity_trained": 1 / (1 + abs(a - b))}
            for r, a, b in pairs
        ),
        "task_correlation.csv": frame(
            {"repeat": r, "state": state, "spearman": value + jitter(r) if tasks > 2 else np.nan}
            for r in range(repeats) for state, value in (("untrained", 0.0), ("trained", -0.8))
        ),
        "recovery.csv": recovery(repeats, tasks=tasks),
        "pair_similarity.csv": frame(
            {"repeat": r, "state": state, "kind": kind, "digit": 0, "similarity": s, "count": 4}
            for r in range(repeats) for state in STATES for place, kind in enumerate(kinds)
            for s in (0.11 + 0.2 * place, 0.13 + 0.2 * place)
        ),
        "roc.csv": frame(
            {"repeat": r, "state": state, "question": question, "false_positive": x, "true_positive": x**0.5}
            for r in range(repeats) for state in STATES for question in QUESTIONS for x in np.linspace(0, 1, 11)
        ),
        "manifolds.csv": frame(
            {"repeat": r, "state": state, "length": length, "variance": 0.5 + jitter(r), "distance": 0.1 + place,
             "ratio": (0.2 + 2 * place + jitter(r)) if tasks > 1 else np.nan, "digit_variance": 0.4,
             "digit_distance": 0.2, "digit_ratio": 0.5 + jitter(r), "triples": 99 * (tasks > 1),
             **{name: 0.5 + 0.2 * place + jitter(r) if tasks > 1 else np.nan
                for name in ("clause_two", "clause_two_one_image")}}
            for r in range(repeats) for place, state in enumerate(STATES) for length in ("unit length", "as they are")
        ),
        "manifold_pairs.csv": pd.DataFrame(
            [{**KEYS, "repeat": r, "state": state, "length": length, "task_a": a, "task_b": b,
              "distance": float(abs(a - b)), "squared_distance": 0.1 * abs(a - b), "clause_two": 0.6 + 0.01 * a}
             for r, a, b in pairs if a != b for state in STATES for length in ("unit length", "as they are")],
            columns=[*KEYS, *PAIR_COLUMNS],
        ),
        "sign_bits.csv": frame(
            {"repeat": r, "state": state, "bits": bits, **{
                f"{name}{end}": value + jitter(r) if tasks > 1 else np.nan
                for name, value in (("within", 0.5), ("across", 0.3), ("rho", 0.6)) for end in ("", "_hyperplanes")
            }}
            for r in range(repeats) for state in STATES for bits in (1, 4, 16, 64)
        ),
        "transfer.csv": frame(
            {"repeat": r, "state": state, "modulation": a, "task": b, "distance": float(abs(a - b)),
             "similarity": 1 / (1 + abs(a - b)),
             "accuracy": 0.1 + jitter(r) + (0.7 / (1 + abs(a - b)) if state == "trained" else 0)}
            for r, a, b in pairs for state in ("untrained", "trained")
        ),
        "transfer_correlation.csv": frame(
            {"repeat": r, "state": state, "beside": beside, "spearman": value + jitter(r) if tasks > 2 else np.nan}
            for r in range(repeats) for state, value in (("untrained", 0.0), ("trained", -0.8))
            for beside in ("distance", "similarity")
        ),
        "forward.csv": frame(
            {"repeat": r, "task": 0, "start": start, "known": 1, "distance": 1.0, "accuracy_start": 0.1,
             "accuracy_final": 0.9 + jitter(r), "steps": steps + r, "steps_to_same": steps + 2 * r}
            for r in range(repeats) for start, steps in (("random", 40), ("nearest", 20))
        ),
        "forward_curve.csv": frame(
            {"repeat": r, "task": 0, "start": start, "step": step, "accuracy": 0.1 + 0.01 * step + jitter(r)}
            for r in range(repeats) for start in ("random", "nearest") for step in (0, 1, 10, 60)
        ),
        "one_shot.csv": frame(
            {"repeat": r, "task": 0, "held_out": held, "modulation": name, "accuracy": 0.4 + jitter(r) + 0.1 * place,
             "accuracy_known": 0.5 if held == "class" else np.nan, "chance": 1 / DIGITS}
            for r in range(repeats) for held in (("task", "class") if repeats > 1 else ("task",))
            for place, name in enumerate(("untrained", "unmodulated", "nearest" if held == "task" else "without"))
        ),
        "orthogonality.csv": pd.DataFrame(
            {"dataset": "d", "repeat": r, "units": units, "of": of, "deviation": units**-0.5 + jitter(r) / 10,
             "predicted": units**-0.5}
            for r in range(repeats) for units in (100, 400) for of in ("task vectors", "responses to one image")
        ),
        "codes.csv": frame(
            {"repeat": r, "state": state, "task": t, "code_bits": 98, "active_share": 0.2, "redundancy_test": 0.0,
             "knn": 0.8 + jitter(r), "collisions": 0.0, "collisions_digit": 0.0}
            for r in range(repeats) for state in STATES for t in numbers
        ),
        "generated.csv": frame(
            {"repeat": r, "state": state, "task": t, "digit": d, "recognised": d, "correlation": 0.1,
             "nearest": d if state == "trained" else (d + 1) % DIGITS}
            for r in range(repeats) for state in ("untrained", "trained") for t in numbers for d in range(DIGITS)
        ),
        "baselines.csv": frame(
            {"setting": setting_of(method, False), "method": method, "repeat": r, "trained": i, "task": j,
             "accuracy": jitter(r) + (0.1 if i < j else after if i == j else last), "accuracy_start": 0.05}
            for method, (after, last) in LEFT.items()
            for r in range(repeats) for i in numbers for j in numbers
        ),
        "baseline_costs.csv": pd.DataFrame(
            {"method": method, "learned": 99.0, "kept": 33.0, "memory_bytes": 0, "seconds": 0.125} for method in LEFT
        ),
    }  # fmt: skip


def tables(figure: str) -> list[str]:
    """The names of the files that a figure is drawn from."""
    return [Path(path).name for path in FIGURES[figure].drawn_from]


def claims(files: dict, figure: str) -> Claims:
    """What the report says of a figure with these tables."""
    names = [*tables(figure), *(Path(path).name for path in FIGURES[figure].evidence)]
    return load(FIGURES[figure].claims)(*(files[name] for name in names if name.endswith(".csv")))


def write(files: dict, folder) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if name.endswith(".csv"):
            write_csv(content, folder / name)
        else:
            with created(folder / name) as file:
                file["images"] = content
                seal(file)


CASES = {
    "shifts": (3, 4, ("dx", "dy")),
    "many": (2, 25, tuple(NEUTRAL)),
    "one network": (1, 3, ("angle",)),
    "one of each": (1, 1, ()),
}


@pytest.fixture(scope="module", params=CASES)
def folder(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("figures")
    write(made(*CASES[request.param]), path)
    return path


@pytest.mark.parametrize("figure", FIGURES)
def test_every_figure_draws_and_names_its_axes(folder, figure, tmp_path):
    paths = [folder / name for name in tables(figure)]
    drawn = load(FIGURES[figure].draw)(*(read_csv(path) if path.suffix == ".csv" else path for path in paths))
    title = drawn.get_suptitle()
    assert title.startswith("d, b" if "benchmark" in FIGURES[figure].wildcards else "d: ") and "nan" not in title
    words = title + "".join(axis.get_title() for axis in drawn.axes)
    spread = ("standard deviation", "one network", "one repeat")
    assert figure in ("tasks", "notebook") or any(part in words for part in spread)
    assert all(axis.get_xlabel() or axis.get_ylabel() for axis in drawn.axes)
    save_figure(drawn, tmp_path / "f.png")
    assert plt.imread(tmp_path / "f.png").shape[1] > 700


@pytest.mark.parametrize("figure", FIGURES)
def test_every_section_has_numbers_and_no_nan(folder, figure, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keys = {name: KEYS[name] for name in FIGURES[figure].wildcards}
    place = tmp_path / "results/tgsh" / "/".join(keys.values())
    place.parent.mkdir(parents=True)
    place.symlink_to(folder)
    (entry,) = replace(WING, asked=lambda config: [(figure, keys)], data=lambda *_, **of: "Data: made up.").entries({})
    Image.new("L", (1, 1)).save(f"{entry['stem']}.png")
    made_of = section(entry, ROOT / "workflow" / "report" / f"{entry['caption']}.rst")
    assert not made_of["missing"], "nothing failed"
    of, path = " ".join(keys.values()), "/".join(keys.values())
    assert made_of["anchor"] == f"tgsh-{of.replace(' ', '-')}-{figure}" and made_of["of"] == of and made_of["title"]
    assert made_of["data"] == "Data: made up."
    provenance = FIGURES[figure].provenance or f"{FIGURES[figure].stem}.json"
    assert made_of["files"]["provenance (JSON)"] == provenance.format(**keys).removeprefix("results/")
    assert {f"tgsh/{path}/{name}" for name in tables(figure)} < set(made_of["files"].values())
    assert "nan" not in made_of["table"].lower() and "What to see" in made_of["caption"]
    said = [*made_of["claims"], *([made_of["headline"]] if made_of["headline"] else [])]
    assert all("nan" not in " ".join(claim.values()) for claim in said)


def only(files: dict, figure: str, words: str) -> dict[str, str]:
    """The one claim whose text has `words`."""
    (found,) = [claim for claim in claims(files, figure) if words in claim["text"]]
    return found


def test_accuracy_claims():
    files = made(3, 4)
    kept = only(files, "accuracy", "equals")
    assert kept["verdict"] == "Zero forgetting: holds" and "12 of 12 rows (3 networks, 4 tasks)" in kept["text"]
    risen = only(files, "accuracy", "mean accuracy")
    assert risen["verdict"] == "Holds, beyond the spread" and "0.900 ± 0.010 (n = 3) after all tasks" in risen["text"]
    assert "difference +0.800 (95% interval +0.775 to +0.825)" in risen["text"]  # 4.303 x 0.01 / sqrt 3
    files["accuracy.csv"].loc[0, "accuracy_after_all"] = np.nextafter(0.89, 1)
    lost = only(files, "accuracy", "equals")
    assert lost["verdict"] == "Zero forgetting: does not hold" and "11 of 12 rows" in lost["text"]


@pytest.mark.parametrize(
    ("means", "verdict"),
    [
        ((0.6, 0.5, 0.7), "Training adds, beyond the spread"),
        ((0.5, 0.7, 0.7), "Training adds nothing beyond the spread"),
        ((0.6, 1.0, 0.9), "Training takes away, beyond the spread"),
    ],
)
def test_what_training_adds_is_judged_against_the_better_control(means, verdict):
    files = {**made(3, 4), "recovery.csv": recovery(3, {"same digit, within a task": means})}
    found = only(files, "hash_property", "within a task")
    assert found["verdict"] == verdict
    assert f"{means[2]:.3f} ± 0.010 after training (n = 3; chance is 0.500)" in found["text"]
    better = "the frozen response" if means[0] > means[1] else "the untrained one"
    assert f"after training less {better} {means[2] - max(means[:2]):+.3f}" in found["text"]


def test_a_difference_whose_interval_holds_zero_is_not_beyond_the_spread():
    """Means 0.06 apart with deviations of 0.05 together, but the differences are 0, 0.05 and 0.13."""
    files = made(3, 4)
    spearman = files["task_correlation.csv"]
    spearman.loc[spearman.state == "untrained", "spearman"] = [-0.50, -0.51, -0.49]
    spearman.loc[spearman.state == "trained", "spearman"] = [-0.50, -0.56, -0.62]
    found = only(files, "task_similarity", "Near tasks")
    assert found["verdict"] == "No difference beyond the spread" and "difference -0.060" in found["text"]
    spearman.loc[spearman.state == "trained", "spearman"] = [0.1, 0.11, 0.12]
    assert only(files, "task_similarity", "Near tasks")["verdict"] == "Does not hold, beyond the spread"


def test_intra_and_inter_similarities_are_means_over_pairs():
    found = only(made(3, 4), "hash_property", "hash by task")  # made so: inter 0.52, intra 0.32
    assert found["verdict"] == "Does not hold, beyond the spread"
    assert "0.520 ± 0.000 (n = 3) of one image in two tasks" in found["text"] and "-0.200" in found["text"]


def test_baseline_claims():
    files = made(3, 4)
    words = "network in sequence (domain-incremental) and 0.000 ± 0.000 (n = 3) for FlyNet (task-incremental)"
    beside = only(files, "baselines", words)
    assert beside["text"].startswith("Forgetting after the last task is 0.500 ± 0.000 (n = 3) for one fully trained")
    assert beside["verdict"] == "Two settings, so no verdict"
    behind = only(files, "baselines", "a full network a task")
    assert behind["verdict"] == "FlyNet is behind, beyond the spread" and "-0.100" in behind["text"]
    assert only(files, "baselines", "a linear probe")["verdict"] == "FlyNet is behind, beyond the spread"
    better, less = (claim for claim in claims(files, "baselines") if "experience replay" in claim["text"])
    assert less["verdict"] == "It forgets less, beyond the spread" and "-0.300" in less["text"]
    assert better["verdict"] == "What it keeps helps, beyond the spread" and "(domain-incremental)" in better["text"]


def test_baselines_are_summarised_by_setting_and_keep_those_without_forward_transfer():
    files = made(3, 4)
    found = baselines_summary(files["baselines.csv"], files["baseline_costs.csv"]).set_index("method")
    assert list(found.index) == [METHODS[name].title for name in METHODS if name in LEFT]
    assert found["forward transfer"].to_dict() == {
        METHODS[name].title: "" if METHODS[name].told else "0.050 ± 0.010" for name in LEFT
    }
    assert found["forgetting"]["experience replay"] == "0.200 ± 0.000" and set(found.n) == {3}
    assert set(found["numbers kept a task"]) == {"33"} and set(found["seconds a task"]) == {"0.125"}
    one = made(1, 1)
    assert "forgetting" not in baselines_summary(one["baselines.csv"], one["baseline_costs.csv"])


def test_published_claims():
    files = made(3, 4)
    table, pairs = files["published.csv"], files["published_similarity.csv"]
    table.loc[0, "verdict"] = "outside"

    def verdicts(**changed):
        found = notebook_claims(*({"published": table, "published_similarity": pairs} | changed).values())
        return [claim["verdict"] for claim in found], found

    assert verdicts()[0] == ["3 of 4 angles inside", "6 of 6 pairs of tasks inside"]
    _, other = verdicts(published=table.assign(verdict="context", units=98))
    assert other[0]["verdict"] == "Context, no comparison" and "98 units" in other[0]["text"]
    _, longer = verdicts(published_similarity=pairs.assign(verdict="context", epochs=3))
    assert longer[1]["verdict"] == "Context, no comparison" and "3 epochs" in longer[1]["text"]
    _, single = verdicts(published_similarity=pairs[pairs.state == "trained"].iloc[:1].assign(verdict="context"))
    assert "over 1 pair of tasks, but" in single[1]["text"]
    assert verdicts(published=table.iloc[:0])[0] == ["6 of 6 pairs of tasks inside"]
    assert verdicts(published=table.iloc[:0], published_similarity=pairs.iloc[:0])[0] == []


def test_generated_and_code_claims():
    files = made(3, 4)
    assert only(files, "generated", "takes for the digit")["verdict"] == "No difference beyond the spread"
    assert only(files, "generated", "most like")["verdict"] == "Holds, beyond the spread"
    assert claims(files, "codes")[0]["verdict"] == "Every image has a code of its own"
    files["codes.csv"].loc[files["codes.csv"].state == "trained", "collisions"] = 0.25
    shared = claims(files, "codes")[0]
    assert shared["verdict"] == "Some images share a code" and "a share of 0.25" in shared["text"]


def test_claims_of_the_definition_name_both_controls():
    files = made(3, 4)
    first = only(files, "manifolds", "The first clause")
    assert first["verdict"] == "Training adds, beyond the spread" and "2.200 ± 0.010 before training" in first["text"]
    assert "after training less the untrained one +2.000" in first["text"]
    assert only(files, "manifolds", "The second clause")["verdict"] == "Training adds, beyond the spread"
    assert only(files, "manifolds", "two tasks,")["verdict"] == "Training adds nothing beyond the spread"
    alone = only(made(1, 4), "manifolds", "bootstrap over the tasks")
    assert "holds is 0.615 (95%" in alone["text"] and alone["verdict"] == "Above 0.500, by an interval over tasks"
    worth = only(made(1, 4), "transfer", "bootstrap over the tasks")
    assert "other tasks is 0.372 (95%" in worth["text"] and worth["verdict"].startswith("Above 0.090")


def test_claims_of_transfer_and_held_out_tasks():
    files = made(3, 4)
    everywhere = only(files, "transfer", "all other tasks")
    # Of twelve ordered pairs six are one apart, four two and two three: 0.1 + 0.7 (6 / 2 + 4 / 3 + 2 / 4) / 12.
    assert everywhere["verdict"] == "Holds, beyond the spread" and "0.382 ± 0.010" in everywhere["text"]
    steps = only(files, "held_out", "95% of its final accuracy")
    assert steps["verdict"] == "Holds, beyond the spread" and "difference -20.000" in steps["text"]
    shot = only(files, "held_out", "held-out class")
    assert shot["verdict"] == "Training adds, beyond the spread" and "0.500 ± 0.010" in shot["text"]
    assert claims(files, "orthogonality")[0]["verdict"] == "2 of 2 predicted values inside"


def test_an_interval_over_tasks_is_wide_where_one_task_differs():
    rows = [{"task_a": a, "task_b": b, "x": float(0 in (a, b))} for a in range(8) for b in range(8) if a != b]
    low, high = tasks_interval(pd.DataFrame(rows), "x")
    assert low == 0 and 0.4 < high < 0.8  # task 0 is not drawn in a third of the samples, and often twice
    even = tasks_interval(pd.DataFrame(rows).assign(x=0.5), "x")
    assert even == (0.5, 0.5) and np.isnan(tasks_interval(pd.DataFrame(rows).iloc[:0], "x")).all()


@pytest.mark.parametrize("figure", ["task_similarity", "hash_property", "generated", "baselines"])
def test_one_network_is_no_ground_for_a_verdict(figure):
    assert {claim["verdict"] for claim in claims(made(1, 4), figure)} == {SINGLE}


def test_no_correlation_is_said():
    found = only(made(3, 1), "task_similarity", "no rank correlation")
    assert found["verdict"] == "Nothing to correlate" and rank_words(pd.Series([np.nan])) == "none"


def test_pairs_are_grouped_by_distance():
    rows = by_distance(made(3, 4)["task_similarity.csv"])
    assert rows.distance.tolist() == [1, 2, 3] and rows.pairs.tolist() == [3, 2, 1] and set(rows.n) == {3}
    assert np.allclose(rows.similarity_trained_mean, [1 / 2, 1 / 3, 1 / 4])
    many = by_distance(made(2, 25)["task_similarity.csv"])
    assert len(many) <= 12 and many.pairs.sum() == 25 * 24 / 2 and (np.diff(many.distance) > 0).all()


def test_the_area_without_pairs_of_one_image_stands_beside_that_of_the_same_task_alone():
    files = made(3, 4)
    table = recovery(3, {"same task": (0.6, 0.7, 0.8), "same task, other pictures": (0.61, 0.72, 0.93)})
    figure = plot_hash_property(table, files["pair_similarity.csv"], files["roc.csv"])
    legends = {axis.get_title(): axis.get_legend() for axis in figure.axes if axis.get_title().startswith("ROC")}
    assert legends["ROC: same task"].get_title().get_text() == "area below (without pairs of one image)"
    trained = legends["ROC: same task"].get_texts()[-1].get_text()
    assert "0.800 ± 0.010" in trained and trained.endswith("(0.930)")
    others = [legend.get_title().get_text() for title, legend in legends.items() if title != "ROC: same task"]
    assert others == ["area below", "area below"]


def test_densities_are_of_one():
    found = densities(made(2, 4)["pair_similarity.csv"])
    assert np.allclose(found.groupby(["state", "kind"]).density_mean.sum() * 0.02, 1)
    assert found[found.density_mean > 0].groupby("kind").similarity.min()["intra"] == 0.31


@pytest.mark.parametrize(
    ("factors", "words"),
    [((), "2"), (("angle",), "1"), (("dx", "dy"), "1, 1"), (("angle", "scale"), "task 2\nturn 1°\nsize 2.00")],
)
def test_words_for_tasks(factors, words):
    assert task_words(made(1, 3, factors)["tasks.csv"])[2] == words


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "tasks.h5").write_bytes(b"rubbish")
    with pytest.raises(InputError, match=r"tasks\.h5: not a file of images of rehash, or damaged"):
        draw_tasks(tmp_path / "tasks.h5", made(1, 1)["tasks.csv"])


def test_summaries_say_means_deviations_and_n():
    shown = accuracy_summary(made(3, 4)["accuracy.csv"])
    assert list(shown)[:3] == ["task", "angle", "n"] and shown["after all tasks"][0] == "0.900 ± 0.010"
