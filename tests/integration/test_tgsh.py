"""The wing tgsh end to end, on the tests' graph."""

import time

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from graphs import killed, snakemake, tables
from rehash.tgsh.methods import METHODS

BENCHMARKS = {"rotation": 9, "permuted-convolution": 3}  # and their numbers of tasks
FIGURES = ("tasks", "accuracy", "task_similarity", "hash_property", "codes", "manifolds", "transfer")


def table(built, benchmark: str, name: str) -> pd.DataFrame:
    return pd.read_csv(built / "results" / "tgsh" / "mnist5k" / benchmark / f"{name}.csv")


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_accuracy_is_kept_to_the_last_bit(built, benchmark):
    found = table(built, benchmark, "accuracy")
    assert len(found) == 2 * BENCHMARKS[benchmark] and not found.isna().any().any()
    assert (found.accuracy_at_training.map(float.hex) == found.accuracy_after_all.map(float.hex)).all()


def test_rotations_are_learned_and_near_ones_get_similar_modulations(built):
    accuracy = table(built, "rotation", "accuracy")
    assert accuracy.accuracy_after_all.min() > 0.3 > accuracy.accuracy_untrained.max()
    ranks = table(built, "rotation", "task_correlation").set_index(["state", "repeat"]).spearman.unstack()
    assert (ranks.loc["trained"] < ranks.loc["untrained"] - 0.1).all()


def test_tables_hang_together(built):
    for benchmark, tasks in BENCHMARKS.items():
        similarity = table(built, benchmark, "task_similarity")
        assert len(similarity) == 2 * tasks**2
        same = similarity[similarity.task_a == similarity.task_b]
        assert np.allclose(same.similarity_trained, 1) and (same.distance == 0).all()
        pairs = table(built, benchmark, "pair_similarity")
        shown = 16 * tasks  # all but the last block of 8 images
        total = 62 * shown * (shown - 1) + 8 * tasks * (8 * tasks - 1)
        assert (pairs.groupby(["repeat", "state"])["count"].sum() == total).all()
        recovery = table(built, benchmark, "recovery")
        assert len(recovery) == 2 * 3 * 8 and recovery.value.between(0, 1).all()
        assert len(table(built, benchmark, "codes")) == 2 * 3 * tasks
        manifolds = table(built, benchmark, "manifolds")
        assert len(manifolds) == 2 * 3 * 2 and not manifolds.isna().any().any()
        # A pair's distance is of squares that the means over pairs are of, too.
        apart = table(built, benchmark, "manifold_pairs").groupby(["repeat", "state", "length"])
        means = manifolds.set_index(["repeat", "state", "length"]).sort_index()
        assert np.allclose(apart.squared_distance.mean(), means.distance)
        assert np.allclose(apart.clause_two.mean(), means.clause_two)
        transfer, accuracy = table(built, benchmark, "transfer"), table(built, benchmark, "accuracy")
        own = transfer[(transfer.modulation == transfer.task) & (transfer.state == "trained")]
        assert len(transfer) == 2 * 2 * tasks**2
        assert own.set_index(["repeat", "task"]).accuracy.equals(
            accuracy.set_index(["repeat", "task"]).accuracy_after_all.rename("accuracy")
        )
    assert len(table(built, "rotation", "generated")) == 2 * 2 * BENCHMARKS["rotation"] * 10
    forward, shots = table(built, "rotation", "forward"), table(built, "rotation", "one_shot")
    assert len(forward) == 2 * 2 * 2 and not {2, 5} & set(forward.known) and set(forward.task) == {2, 5}
    assert shots.groupby("held_out").size().to_dict() == {"class": 2 * 2 * 4, "task": 2 * 2 * 5}
    baselines = table(built, "rotation", "baselines")
    assert baselines.groupby("method").size().to_dict() == dict.fromkeys(METHODS, 2 * 3 * 3)
    costs = table(built, "rotation", "baseline_costs").set_index("method")
    assert list(costs.index) == list(METHODS) and (costs.seconds > 0).all() and costs.learned["flynet"] == 99
    assert costs.learned["linear_probe"] == 980 and costs["kept"]["online_ewc"] == costs.learned["full_per_task"]
    published = table(built, "rotation", "published")
    similarity = table(built, "rotation", "published_similarity")
    assert published.angle.tolist() == [0, 40] and (published.verdict == "context").all()
    assert similarity.state.tolist() == ["untrained", "trained"] and (similarity.verdict == "context").all()
    assert (similarity.angle_a == 0).all() and (similarity.angle_b == 40).all()


def test_another_network_on_another_stream(built):
    """A convolution on permuted pixels, which has a place of its own, and neither a pseudo-inverse nor a notebook."""
    folder = built / "results" / "tgsh" / "mnist5k" / "permuted-convolution"
    assert not (folder.parent / "permuted").exists()
    accuracy = table(built, "permuted-convolution", "accuracy")
    assert accuracy.permutation.tolist() == [0, 4, 8] * 2 and set(accuracy.benchmark) == {"permuted-convolution"}
    assert (accuracy.accuracy_at_training == accuracy.accuracy_after_all).all()
    means = accuracy.groupby("task")[["accuracy_untrained", "accuracy_after_all"]].mean()
    assert means.accuracy_after_all[0] > 0.4 and (means.accuracy_after_all > means.accuracy_untrained + 0.04).all()
    apart = table(built, "permuted-convolution", "task_similarity").query("task_a != task_b").distance
    assert apart.between(15, 17.5).all()


def test_every_figure_is_there(built):
    extra = {"rotation": ("generated", "baselines", "published", "held_out"), "permuted-convolution": ()}
    for benchmark in BENCHMARKS:
        folder = built / "results" / "tgsh" / "mnist5k" / benchmark
        drawn = {path.stem for path in folder.glob("*.png")}
        assert drawn == {*FIGURES, *extra[benchmark]}
        for name in drawn:
            picture = imread(folder / f"{name}.png")
            assert picture.shape[1] > 700 and picture.std() > 0.05, name
            assert (folder / f"{name}.pdf").read_bytes()[:5] == b"%PDF-"
            assert (folder / f"{'hash_property' if name == 'manifolds' else name}.json").is_file()


@pytest.mark.parametrize("target", ["training", pytest.param("full_networks", marks=pytest.mark.long)])
def test_killed_and_restarted_gives_the_same_bytes(built, tmp_path, target):
    words = (f"results/tgsh/mnist5k/rotation/{target}.csv", "--cores", 1, "--config", "save_every_seconds=0")
    folder = tmp_path / "results" / "tgsh" / "mnist5k" / "rotation"
    seen: list[float] = []

    def saved_for_a_while() -> bool:
        time.sleep(0.02)
        if any(folder.glob(".*.state")) and not seen:
            seen.append(time.monotonic())
        return bool(seen) and time.monotonic() - seen[0] > 0.3

    assert killed(tmp_path, *words, after=saved_for_a_while)
    snakemake(tmp_path, "--unlock")
    snakemake(tmp_path, words[0], "--cores", 1)
    assert "going on from step" in "".join(path.read_text() for path in folder.glob("*.train_*.log"))
    found, expected = tables(tmp_path), tables(built)
    assert found and found == {name: expected[name] for name in found}
    modulations = folder / "modulations.safetensors"
    if modulations.exists():
        whole = built / "results" / "tgsh" / "mnist5k" / "rotation" / "modulations.safetensors"
        assert modulations.read_bytes() == whole.read_bytes()
    assert not list(folder.glob(".*"))


def test_rubbish_in_place_of_modulations_is_named(built, tmp_path):
    """A damaged file stops the next job, names itself and the way to make it again, and leaves nothing half-written."""
    import shutil

    shutil.copytree(built, tmp_path / "run", copy_function=shutil.copy2)
    folder = tmp_path / "run" / "results" / "tgsh" / "mnist5k" / "rotation"
    (folder / "modulations.safetensors").write_bytes(b"rubbish")
    target = "results/tgsh/mnist5k/rotation/codes.csv"
    output = snakemake(tmp_path / "run", target, "--cores", 1, check=False)
    assert "modulations.safetensors: not a file of modulations of rehash, or damaged" in output
    assert "snakemake --cores all --force results/tgsh/mnist5k/rotation/modulations.safetensors" in output
    assert not (folder / "codes.csv").exists() and not list(folder.glob(".*"))
