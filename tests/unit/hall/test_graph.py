"""Functions of the config as Snakemake calls them, and the paths and texts that rules are made of."""

import inspect
import json
import os
import types

import pytest
from snakemake.common import get_input_function_aux_params
from snakemake.iocontainers import Wildcards

from rehash import graph
from rehash.errors import InputError

CONFIG = {"seed": 1}
OFFERED = ("attempt", "input", "output", "threads", "resources")  # what Snakemake can hand over besides wildcards


def asked(function) -> set[str]:
    """What Snakemake hands over besides the wildcards."""
    return set(get_input_function_aux_params(function, dict.fromkeys(OFFERED)))


def memory_mb(input_mb: float, attempt: int, *, base: float = 1500, per_input_mb: float = 8) -> int:
    """As the wings' functions of memory are."""
    return int((base + per_input_mb * input_mb) * attempt)


def called(function, attempt: int = 1, mb: float = 0, **wildcards: str):
    """The answer to Snakemake's call, which hands over what the signature names and nothing else."""
    offered = {"attempt": attempt, "input": types.SimpleNamespace(size_mb=mb)}
    return function(Wildcards(fromdict=wildcards), **{name: offered[name] for name in asked(function)})


def test_a_bound_function_takes_the_wildcards_that_it_names():
    answer = graph.bound(CONFIG, lambda config, model, seed: (config, model, seed))
    assert called(answer, model="m", seed="3", shard="7") == (CONFIG, "m", "3") and asked(answer) == set()
    assert called(graph.bound(CONFIG, lambda seed: seed), model="m", seed="3") == "3"
    assert called(graph.bound(CONFIG, lambda config: config), model="m") == CONFIG
    assert called(graph.bound(CONFIG, lambda: 7), model="m") == 7


def test_a_bound_function_is_told_the_attempt_if_it_asks():
    answer = graph.bound(CONFIG, lambda model, attempt: f"{model}{attempt}")
    assert [called(answer, attempt=attempt, model="m") for attempt in (1, 3)] == ["m1", "m3"]
    assert asked(answer) == {"attempt"}
    assert answer(Wildcards(fromdict={"model": "m"})) == "m1", "the first attempt, where none is told"


def test_a_bound_function_is_told_the_size_of_its_input_if_it_asks():
    answer = graph.bound(CONFIG, memory_mb)
    assert asked(answer) == {"attempt", "input"}
    assert called(answer, attempt=2, mb=100) == 4600
    alone = graph.bound(CONFIG, lambda input_mb: 2 * input_mb)
    assert asked(alone) == {"input"} and called(alone, mb=1.5) == 3


def facts(folder, **found) -> str:
    """A dataset's path, with a provenance beside it."""
    (folder / "d.h5").touch()
    (folder / "d.json").write_text(json.dumps(found))
    return str(folder / "d.h5")


def test_the_size_of_a_dataset_is_that_of_its_provenance(tmp_path):
    path = facts(tmp_path, samples={"train": 9, "test": 3}, input_shape=[4, 5, 3], classes=2)
    found = graph.dataset_size(path)
    assert found == graph.Size(train=9, test=3, inputs=60, number_bytes=1, classes=2)
    assert found.mb == pytest.approx(12 * 60 / 1e6)
    os.utime(
        facts(tmp_path, samples={"train": 9, "test": 3}, input_shape=[100], classes=2).replace("h5", "json"), (1, 1)
    )
    assert graph.dataset_size(path) == graph.Size(9, 3, 100, 4, 2), "vectors of float32, in a file written anew"


def test_a_gallery_is_part_of_the_size(tmp_path):
    samples = {"train": 5, "test": 1, "gallery": 59}
    found = graph.dataset_size(facts(tmp_path, samples=samples, input_shape=[2, 2, 3], classes=2))
    assert (found.train, found.test, found.gallery) == (5, 1, 59) and found.mb == pytest.approx(65 * 12 / 1e6)


def test_a_dataset_without_known_size_counts_as_a_published_one(tmp_path):
    assert graph.dataset_size(facts(tmp_path, rule="build_dataset")) == graph.Size(60_000, 10_000, 3072, 1, 10)
    (tmp_path / "d.json").unlink()
    assert graph.dataset_size(str(tmp_path / "d.h5")) == graph.Size()


def test_a_dataset_that_is_not_there_leaves_its_size_open(tmp_path):
    """By the error that Snakemake understands: of a file that is among the job's inputs."""
    missing = str(tmp_path / "none.h5")
    with pytest.raises(FileNotFoundError) as error:
        graph.dataset_size(missing)
    assert error.value.filename == missing


def test_a_bound_function_is_told_the_size_of_its_dataset_if_it_asks(tmp_path):
    path = facts(tmp_path, samples={"train": 9, "test": 3}, input_shape=[4, 5, 3], classes=2)
    answer = graph.bound(CONFIG, lambda size, attempt: size.inputs * attempt)
    assert asked(answer) == {"attempt", "input"}
    assert answer(Wildcards(), attempt=2, input=types.SimpleNamespace(dataset=path)) == 120
    rule = types.SimpleNamespace(resources={})
    timed = graph.bound_minutes({"max_runtime": None}, lambda name: rule, lambda size, gpu: size.train)
    assert timed(Wildcards(), attempt=1, rulename="r", input=types.SimpleNamespace(dataset=path)) == 9
    assert set(inspect.signature(timed).parameters) == {"wildcards", "attempt", "rulename", "input"}
    plain = graph.bound_minutes({"max_runtime": None}, lambda name: rule, lambda attempt: attempt)
    assert set(inspect.signature(plain).parameters) == {"wildcards", "attempt", "rulename"}


def test_a_bound_function_has_its_fixed_arguments():
    answer = graph.bound(CONFIG, memory_mb, base=10, per_input_mb=3)
    assert called(answer, attempt=2, mb=5) == 50
    fixed = graph.bound(CONFIG, lambda config, model: (config, model), model="always")
    assert called(fixed, model="m") == (CONFIG, "always"), "not the wildcard of that name"
    other = graph.bound(CONFIG, lambda attempt: attempt, attempt=5)
    assert called(other, attempt=2) == 5


def test_a_bound_function_with_two_stars_takes_all_wildcards():
    answer = graph.bound(CONFIG, lambda config, name, **wildcards: (config, name, wildcards), name="plot")
    assert called(answer, attempt=2, dataset="d", study="s") == (CONFIG, "plot", {"dataset": "d", "study": "s"})
    assert asked(answer) == set(), "Snakemake would hand over all that it has to a function with two stars"
    more = graph.bound(CONFIG, lambda config, attempt, input_mb, **wildcards: (attempt, input_mb, wildcards))
    assert called(more, attempt=2, mb=9, dataset="d") == (2, 9, {"dataset": "d"})


def test_each_bound_function_has_a_signature_of_its_own():
    first = graph.bound(CONFIG, lambda attempt: attempt)
    second = graph.bound(CONFIG, lambda input_mb: input_mb)
    assert asked(first) == {"attempt"} and asked(second) == {"input"}


def test_untracked_values_are_texts_that_a_resource_can_be():
    resources = graph.untracked(
        words=graph.bound({}, lambda dataset: {"source": dataset}), mirrors=lambda wildcards: ["a", None]
    )
    texts = {name: called(value, dataset="d") for name, value in resources.items()}
    assert {name: json.loads(text) for name, text in texts.items()} == {
        "words": {"source": "d"},
        "mirrors": ["a", None],
    }
    assert all(isinstance(text, str) for text in texts.values())


@pytest.mark.parametrize(
    ("output", "log"),
    [
        ("results/datasets/{dataset}.h5", "results/datasets/{dataset}.r.log"),
        ("results/a.b/{x}.csv", "results/a.b/{x}.r.log"),
        ("results/{a}/n.v2.safetensors", "results/{a}/n.v2.r.log"),
        ("results/report.html", "results/report.r.log"),
        ("results/provenance.json", "results/provenance.r.log"),
        ("results/{a}.pdf", "results/{a}.r.log"),
        ("results/downloads/{dataset}/{file}", "results/downloads/{dataset}/{file}.r.log"),
        ("results/downloads/a.tar.gz", "results/downloads/a.tar.gz.r.log"),
    ],
)
def test_a_log_lies_beside_its_rules_first_output(output, log):
    assert graph.log_of("r", output) == log
    assert graph.benchmark_of("r", output) == log.removesuffix(".log") + ".tsv"


def test_logs_of_two_rules_and_of_two_jobs_differ():
    assert graph.log_of("a", "x.csv") != graph.log_of("b", "x.csv") != graph.log_of("b", "y.csv")


def test_a_download_is_known_by_its_name():
    files = {"train": {"name": "a.gz", "md5": "1"}, "test": {"name": "b", "md5": "2"}}
    config = {"datasets": {"digits": {"files": files, "mirrors": ["m", "n"], "path": None}}}
    assert graph.download_md5(config, "digits", "b") == "2" and graph.mirrors(config, "digits", "b") == ["m", "n"]
    with pytest.raises(
        InputError, match=r"config: datasets\.digits\.files: unknown file 'a\.gx'; did you mean 'a\.gz'"
    ):
        graph.download_md5(config, "digits", "a.gx")
    with pytest.raises(InputError, match="config: datasets: unknown dataset 'digist'; did you mean 'digits'"):
        graph.mirrors(config, "digist", "b")


def test_a_digest_covers_what_the_script_finds_while_it_runs():
    alone, also = graph.digest_of("draw_figure"), graph.digest_of("draw_figure", "rehash.bits:pack")
    found = {alone(Wildcards()), also(Wildcards()), graph.digest_of("draw_figure", "rehash.bits:unpack")(None)}
    assert len(found) == 3 and alone(Wildcards()) == graph.digest_of("draw_figure")(None)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (graph.growing(100, 3), 300),
        (graph.minutes(5, 1), 15),
        (graph.minutes(5, 3), 60),
        (graph.minutes(5, 2, base=0), 10),
    ],
)
def test_a_retry_has_more_memory_and_time(found, expected):
    assert found == expected
