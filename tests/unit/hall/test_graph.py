"""Functions of the config as Snakemake calls them, and the paths and texts that rules are made of."""

import json
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
    answer = graph.bound(CONFIG, graph.memory_mb)
    assert asked(answer) == {"attempt", "input"}
    assert called(answer, attempt=2, mb=100) == graph.memory_mb(100, 2) == 4600
    alone = graph.bound(CONFIG, lambda input_mb: 2 * input_mb)
    assert asked(alone) == {"input"} and called(alone, mb=1.5) == 3


def test_a_bound_function_has_its_fixed_arguments():
    answer = graph.bound(CONFIG, graph.memory_mb, base=10, per_input_mb=3)
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
