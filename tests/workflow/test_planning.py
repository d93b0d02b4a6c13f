"""What Snakemake plans, refuses and shows, without running anything."""

import inspect
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from graphs import DEFAULT, GPU_RULES, PAPER, ROOT, RULES, merged, snakemake
from rehash import graph
from rehash.config import validated
from rehash.datasets import sizes as dataset_sizes
from rehash.digest import SCRIPTS, reached_definitions
from rehash.equihash import sizes
from rehash.hash_encoders import plan
from rehash.hash_encoders import sizes as encoder_sizes
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.studies import STUDIES
from rehash.tgsh import plan as tgsh
from rehash.tgsh.registry import FIGURES


def planned(output: str) -> dict[str, int]:
    """Rule -> number of jobs, from a dry run's first table."""
    table = output.split("total")[0]
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", table, flags=re.M)}


def test_default_graph(tmp_path):
    jobs = planned(snakemake(tmp_path, "-n", "-q", "rules", configs=[]))
    config = validated(yaml.safe_load(DEFAULT.read_text()))
    blocks = {study: config["hash_encoders"][study]["mnist5k"] for study in STUDIES}
    assert len(blocks["capacity"]["layer_widths"]) >= 8 and all(block["repeats"] >= 3 for block in blocks.values())
    cohorts = sum(len(block["layer_widths"]) for block in blocks.values())
    one_each = ("all", "build_dataset", "chart_phases", "collect_regions", "compare_published")
    one_each += ("write_report", "invert_encoder", "train_baselines", "collect_baselines", "compare_notebook")
    one_each += ("collect_layers", "show_retrieval", "plot_gallery")
    one_each += ("measure_orthogonality", "plot_orthogonality", "train_held_out", "plot_held_out")
    one_each += (
        "plot_dataset",
        "measure_spectrum",
        "compare_perfect_retrieval",
        "plot_perlin",
        "plot_perfect_retrieval",
        "generate_perlin",
    )
    one_each += ("draw_queries", "describe_labels", "compare_models", "plot_retrieval", "plot_bucket_sizes")
    one_each += ("plot_query_buckets", "plot_probes", "collect_training", "plot_training", "measure_distances")
    one_each += ("plot_distances", "plot_diagnostics")
    one_each += tuple(
        f"plot_{name}" for name in (*plan.ORDER, "notebook", "baselines") if name not in ("depth", "layers_regions")
    )
    a_benchmark = ("show_tasks", "train_flynet", "measure_accuracy", "relate_tasks", "measure_responses")
    a_benchmark += ("measure_codes", "generate_digits")
    a_benchmark += ("plot_tasks", "plot_accuracy", "plot_task_similarity", "plot_hash_property", "plot_codes")
    a_benchmark += ("plot_generated", "plot_manifolds", "measure_transfer", "plot_transfer")
    sources = config["comparison"]["retrieval"]["mnist5k"]["sources"]
    compared = dict.fromkeys(("encode_source", "measure_retrieval"), len(sources))
    compared |= {"fit_source": len({"simhash", "pca", "itq", "spectral"} & set(sources)), "collect_retrieval": 1}
    compared |= dict.fromkeys(("plot_trade", "plot_retrieval_of_codes", "plot_precision_recall"), 1)
    assert list(config["tgsh"]["benchmarks"]) == ["rotation", "shift", "augment"]
    assert jobs == {
        **dict.fromkeys(one_each, 1),
        **dict.fromkeys(("train_mlps", "measure_properties"), cohorts),
        "measure_random_inputs": len(blocks["training_time"]["layer_widths"]),
        "measure_regions": 2,  # before and after training, and along one
        "collect_study": len(plan.COLLECTED),
        **dict.fromkeys(a_benchmark, 1),
        **dict.fromkeys(("show_views", "plot_views"), 2),
        # a network that is trained for seconds, two that come with rehash, and one untrained
        **dict.fromkeys(("encode_shard", "merge_index", "evaluate_partition", "encode_queries", "evaluate_index"), 4),
        "import_hash": 2,
        "build_bank": 2,
        "train_hash": 2 + 4 + 2 * 2,  # trained, and all untrained; and two of single digits at two lengths
        **{"train_model": 1, "encode_model": 2, "measure_layers": 2},  # trained, and untrained beside it
        **compared,
    }


def test_paper_graph_is_the_published_studies(tmp_path):
    """1,400 networks: widths, sample sizes and epochs of the published studies, 10 of each."""
    output = snakemake(tmp_path, "-n", "all", configs=[PAPER])
    jobs = re.findall(r"Training networks: (\d+) of width (\d+) on (\w+) \((\w+), (\w+)\)", output)
    trained = {}
    for count, width, dataset, study, protocol in jobs:
        assert protocol == {"mnist": "figures", "cifar10": "scripts"}[dataset]
        trained.setdefault((dataset, study), {})[int(width)] = int(count)
    mnist = [3, 7, 10, 15, 20, 23, 27, 30, 33, 37, 40, 43, 47, 50, 53, 57, 60, 65, 70, 75, 80, 90, 100]
    assert trained == {
        ("mnist", "capacity"): dict.fromkeys(mnist, 10),
        ("mnist", "sample_size"): dict.fromkeys((40, 50, 60), 14 * 10),
        ("mnist", "training_time"): dict.fromkeys((40, 50, 60), 10),
        ("cifar10", "capacity"): dict.fromkeys(range(10, 201, 10), 10),
        ("cifar10", "sample_size"): dict.fromkeys((10, 20, 40, 80), 12 * 10),
        ("cifar10", "training_time"): dict.fromkeys((10, 20, 40, 80), 10),
    }
    assert sum(sum(widths.values()) for widths in trained.values()) == 1400
    assert planned(output)["fetch_file"] == 5
    families = re.findall(r"Training (\w+) on mnist: (\S+), seed (321[0-4])$", output, flags=re.M)
    ablations = [run for run in families if "=" in run[1]]
    runs = 400 + 10 + 5  # and those of today's pseudo_grad_ablation.json, and discrete 4-tuples by their name
    assert len(ablations) == len(set(ablations)) == runs
    assert len(re.findall(r"Evaluating \w+ \(\S+=\S+, seed \d+\) on the database 10mdb", output)) == runs
    assert len(re.findall(r"Evaluating \w+ \(default, seed \d+\) on the database 10mdb", output)) == 5
    assert len(families) == runs + 4 * 2  # and each model, trained and untrained


def test_published_photo_models_can_be_asked_for(tmp_path):
    """Where their images are; without them Snakemake says which file is missing."""
    targets = ["results/equihash/tasks/openimages/distances.pdf", "results/equihash/tasks/openimages/training.pdf"]
    targets.append("results/equihash/tasks/openimages_single/training.pdf")  # of photos that are no mosaics
    assert "data/openimages" in snakemake(tmp_path, "-n", *targets, check=False, configs=[PAPER])
    (tmp_path / "data" / "openimages").mkdir(parents=True)
    jobs = planned(snakemake(tmp_path, "-n", *targets, configs=[PAPER]))
    assert jobs["train_hash"] == 5 * 2 + 1 and jobs["generate_perlin"] == 2 and jobs["build_bank"] == 1


def test_a_billion_items_are_hundreds_of_files(tmp_path):
    """The published table of 2023: five networks on 10^9 photo mosaics, and on their first 10^6, 10^7 and 10^8."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "180_100q.hdf5").touch()
    build = "equihash: {build: {databases: [natural_1b], models: [natural]}}"  # as docs/equihash.md says
    (tmp_path / "mine.yaml").write_text(build, encoding="utf-8")
    target, configs = "results/equihash/perfect_retrieval.pdf", [PAPER, tmp_path / "mine.yaml"]
    output = snakemake(tmp_path, "-n", target, configs=configs)
    jobs, models = planned(output), 5
    assert jobs["compare_models"] == jobs["compare_perfect_retrieval"] == 1
    assert jobs["describe_labels"] == 1 and jobs["encode_shard"] == 100 * models
    assert jobs["merge_index"] == jobs["evaluate_partition"] == 64 * models
    assert jobs["draw_queries"] == 1 and jobs["encode_queries"] == jobs["evaluate_index"] == models
    files = set(re.findall(r"results/equihash/\S+?\.h5", output))
    assert 200 < sum("shannon_hamming/" in path or "databases" in path for path in files) < 1000


def test_a_study_has_a_training_share_of_its_own():
    config = validated(merged(DEFAULT))
    shares = {dataset: plan.training_params(config, "capacity", dataset, "figures", "3")["train_share"]
              for dataset in ("mnist", "fashion_mnist")}  # fmt: skip
    assert shares == {"mnist": 1, "fashion_mnist": 0.8}
    paper = validated(merged(DEFAULT, PAPER))
    cells = plan.training_params(paper, "sample_size", "mnist", "figures", "10")["cells"]
    assert [cell["tiled"] for cell in cells] == [False] * 14


def test_paper_grid_covers_every_published_point():
    """Each value of the published curves has a counterpart in the plan, and the inputs that it needs."""
    config = validated(merged(DEFAULT, PAPER))
    wing = config["hash_encoders"]
    axes = {"capacity": "layer_widths", "sample_size": "sample_sizes", "training_time": "epochs"}
    for row in pd.read_csv(ROOT / "workflow" / "resources" / "published_hash_encoders.csv").itertuples():
        block = wing[row.study][row.dataset]
        assert row.layer_width in block["layer_widths"] and row.x in block[axes[row.study]], row
        if row.study == "sample_size":
            inputs = {"mnist": 60_000, "cifar10": 50_000}[row.dataset]
            assert row.x <= plan.train_share(config, row.study, row.dataset) * inputs, row


@pytest.mark.parametrize(
    ("dataset", "inputs", "widths", "sizes", "epochs", "width"),
    [
        ("svhn", 50_000, (21, 10, 100), (9, 100, 50_000), (13, 0, 100), [30, 40, 50]),
        ("adult", 21_113, (10, 10, 300), (9, 100, 20_000), (10, 0, 100), [60, 80, 100]),
        ("imdb", 25_000, (11, 10, 200), (10, 100, 25_000), (14, 0, 20), [150]),
    ],
)
def test_public_studies_of_other_data_have_their_published_extent(dataset, inputs, widths, sizes, epochs, width):
    """Number, first and last of widths, sample sizes and epochs, as docs/coverage.md has them of the public scripts."""
    config = validated(merged(DEFAULT, PAPER))
    blocks = {study: config["hash_encoders"][study][dataset] for study in ("capacity", "sample_size", "training_time")}
    assert all(block["repeats"] == 5 and block["depth"] == 1 for block in blocks.values())
    lists = (
        blocks["capacity"]["layer_widths"],
        blocks["sample_size"]["sample_sizes"],
        blocks["training_time"]["epochs"],
    )
    assert tuple((len(values), values[0], values[-1]) for values in lists) == (widths, sizes, epochs)
    assert blocks["sample_size"]["layer_widths"] == blocks["training_time"]["layer_widths"] == width
    assert set(width) <= set(blocks["capacity"]["layer_widths"]), "so that one chart has them all"
    total = {"svhn": 73_257, "adult": 30_162, "imdb": 25_000}[dataset]
    assert round(plan.train_share(config, "sample_size", dataset) * total) == inputs >= sizes[2]
    assert dataset not in config["hash_encoders"]["datasets"]
    for study in blocks:
        protocol = Protocol(**plan.training_params(config, study, dataset, dataset, "5")["protocol"])
        assert protocol.patience is None and protocol.norm is None and protocol.epochs == epochs[2]
    rates = [protocol.rate(epoch) for epoch in (0, 40, 60, 90)]
    assert rates == (pytest.approx([0.01, 0.002, 4e-4, 8e-5]) if dataset == "svhn" else [0.001] * 4)


@pytest.mark.parametrize(
    "target",
    ["hash_encoders", "results/hash_encoders/mnist5k/label_noise.pdf", "results/hash_encoders/mnist/capacity.pdf"],
)
def test_one_request(tmp_path, target):
    jobs = planned(snakemake(tmp_path, "-n", target, "-q", "rules", configs=[]))
    assert jobs["collect_study"] >= 1 and any(name.startswith("plot_") for name in jobs)


@pytest.mark.parametrize("dataset", ["mnist5k", "mnist", "fashion_mnist"])
def test_one_figure_of_a_benchmark(tmp_path, dataset):
    jobs = planned(snakemake(tmp_path, "-n", f"results/tgsh/{dataset}/shift/hash_property.pdf", configs=[]))
    fetched = {} if dataset == "mnist5k" else {"fetch_file": 4}
    made = dict.fromkeys(("build_dataset", "train_flynet", "measure_responses", "plot_hash_property"), 1)
    assert jobs == {**made, **fetched}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["results/hash_encoders/mnits/capacity.pdf"],
            "config: datasets: unknown dataset 'mnits'; did you mean 'mnist'?",
        ),
        (
            ["results/hash_encoders/mnist/networks/capacity/script/depth=1/layer_width=3/training_3.csv"],
            "unknown protocol 'script'; did you mean 'scripts'?",
        ),
        (
            ["results/tgsh/mnist5k/rotatoin/accuracy.pdf"],
            "config: tgsh.benchmarks: unknown benchmark 'rotatoin'; did you mean 'rotation'?",
        ),
        (
            ["results/tgsh/cifar10/rotation/accuracy.pdf"],
            "config: tgsh.flynet: no block for dataset 'cifar10'; add one beside fashion_mnist, mnist, mnist5k",
        ),
        (["--config", "sede=1"], "config: top level: unknown key 'sede'; did you mean 'seed'?"),
    ],
)
def test_a_typo_is_named(tmp_path, words, message):
    output = snakemake(tmp_path, "-n", *words, check=False, configs=[])
    assert message in output
    assert not (tmp_path / "results").exists()


def test_rules_read_like_documentation(tmp_path):
    lines = [
        line for line in snakemake(tmp_path, "--list-rules", configs=[]).splitlines() if re.match(r"^\w+( \(|$)", line)
    ]
    rules = {re.split(r"\W", line)[0]: line for line in lines}
    assert {"all", "hash_encoders", "tgsh", "equihash", "train_mlps", "write_report"} <= set(rules)
    assert all(re.search(r"\(.{20,}\.\)$", line) for line in rules.values()), rules


def test_catalog_entry_includes_the_workflow(tmp_path):
    words = (tmp_path, "-n", "all", "-q", "rules")
    assert planned(snakemake(*words, snakefile="workflow/Snakefile", configs=[]))["train_mlps"] > 9


def test_rules_that_use_the_device_ask_for_it():
    """A rule asks for a GPU exactly if its script reaches the function that picks the device."""
    asking = {name: name in GPU_RULES for name, rule in RULES.items() if f"scripts/{name}.py" in rule}
    reaching = {script: ("rehash.training", "resolve_device") in reached_definitions(script) for script in asking}
    assert {**asking, "search_index": True} == reaching and sum(asking.values()) == 20
    assert 'compute={**compute, "device": "cpu"}' in RULES["search_index"], "which shows a network a few images"
    assert all("compute=compute," in RULES[rule] for rule in GPU_RULES), "by which a job knows that it has to use it"


@pytest.mark.parametrize(
    ("device", "here", "gpus"), [("auto", True, 1), ("auto", False, 0), ("cpu", True, 0), ("cuda", False, 1)]
)
def test_gpus(device, here, gpus):
    assert graph.gpus(device, here) == gpus


SIZES = [
    function
    for module in (graph, dataset_sizes, encoder_sizes, tgsh, sizes)
    for name, function in vars(module).items()
    if inspect.isfunction(function) and function.__module__ == module.__name__
    if "attempt" in inspect.signature(function).parameters and not name.startswith("_")
]


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size.__module__}.{size.__name__}")
def test_a_second_attempt_asks_for_twice_as_much(size):
    names = {"task": "digits", "model": "shannon_hamming", "variant": "default", "seed": "1", "database": "small"}
    names |= {"shards": "2", "partitions": "2", "dataset": "mnist5k", "benchmark": "rotation", "study": "capacity"}
    names |= {"protocol": "scripts", "perlin": "small", "input_mb": 100, "bits": 40, "work": 20, "views": 1e6}
    names |= {
        "network": "",
        "depth": "1",
        "layer_width": "30",
        "repeats": "3",
        "amount": 60,
        "gpu": False,
        "size": graph.Size(),
        "bank": "photos",
        "place": str(PAPER),
    }
    names["config"] = validated(merged(DEFAULT))
    names["config"]["equihash"]["perlin"]["outside"] = {"path": str(PAPER)}
    names |= {"perlin": "outside"} if size is sizes.perlin_import_minutes else {}
    names |= {"model": "vgg4"} if size.__module__ == encoder_sizes.__name__ else {}
    wanted = [name for name, p in inspect.signature(size).parameters.items() if p.kind != p.VAR_KEYWORD]
    given = {name: names[name] for name in wanted if name in names}
    first, second, third = (size(**given, attempt=attempt) for attempt in (1, 2, 3))
    assert first > 0 and second == pytest.approx(2 * first, abs=2) and third >= 3 * first - 3


def test_memory_and_time_grow_with_the_work_and_the_attempt():
    config = validated(yaml.safe_load(DEFAULT.read_text()))
    job = (config, "capacity", "mnist", "scripts", "1", "40", "3", graph.Size(), False)
    first, second = (encoder_sizes.training_minutes(*job, attempt) for attempt in (1, 2))
    assert second == pytest.approx(2 * first, abs=2) and first > graph.minutes(0, 1)


def test_the_time_of_a_training_or_encoding_follows_from_its_device():
    """On a GPU it asks for less, whatever `device` says: a cluster refuses jobs that are longer than it allows."""
    config = validated(merged(DEFAULT, PAPER))
    names = {"task": "mnist", "model": "shannon_hamming", "variant": "default", "seed": "1", "database": "10mdb"}
    names |= {"dataset": "mnist", "benchmark": "rotation", "study": "capacity", "protocol": "scripts", "shards": "1"}
    names |= {"depth": "1", "layer_width": "40", "repeats": "3", "size": graph.Size()}
    of_layers = {"model_training_minutes", "encoding_minutes"}
    told = [size for size in SIZES if "gpu" in inspect.signature(size).parameters]
    assert {size.__name__ for size in told if size.__module__.endswith(".sizes")} == {
        "training_minutes", "distance_minutes", "shard_minutes", "query_minutes", "view_minutes", *of_layers
    }  # fmt: skip
    assert {size.__module__ for size in told} == {module.__name__ for module in (encoder_sizes, tgsh, sizes)}
    for size in told:
        wanted = inspect.signature(size).parameters
        own = {"dataset": "cifar10", "model": "resnet20"} if size.__name__ in of_layers else {}
        given = {name: value for name, value in {**names, "views": 1e8, **own}.items() if name in wanted}
        times = {
            (device, gpu): size(**given, config={**config, "device": device}, gpu=gpu, attempt=1)
            for device in ("auto", "cuda", "cpu")
            for gpu in (False, True)
        }
        assert len({times[device, True] for device in ("auto", "cuda", "cpu")}) == 1
        assert len({times[device, False] for device in ("auto", "cuda", "cpu")}) == 1
        assert times["auto", True] < times["auto", False]


TIMES = """
import sys
from functools import partial
sys.path.insert(0, "{scripts}")
from rehash import graph

time_of = partial(graph.bound_minutes, {{"max_runtime": config.get("most")}}, workflow.get_rule)

rule all:
    input: "here", "there", "elsewhere"

def minutes(config, gpu, attempt, work): return attempt * (work if gpu else 10 * work)

rule here:
    output: "here"
    resources: gpu={gpus}, runtime=time_of(minutes, work=6)
    shell: "touch {{output}}"

rule there:
    output: "there"
    resources: gpu={gpus}, runtime=time_of(minutes, work=5)
    shell: "touch {{output}}"

rule elsewhere:
    output: "elsewhere"
    resources: runtime=time_of(graph.growing, amount=70)
    shell: "touch {{output}}"
"""


SIZED = """
import sys
from functools import partial
sys.path.insert(0, "{scripts}")
from rehash import graph

of, time_of = partial(graph.bound, {{}}), partial(graph.bound_minutes, {{"max_runtime": None}}, workflow.get_rule)

rule asks:
    input: dataset="d.h5"
    output: "asked"
    resources: mem_mb=of(lambda size, attempt: size.inputs * attempt), runtime=time_of(lambda size, attempt: size.train)
    shell: "echo {{resources.mem_mb}} {{resources.runtime}} > {{output}}"

rule builds:
    output: dataset="d.h5", provenance="d.json"
    shell: "cp given.json d.json; touch d.h5"
"""


def test_a_job_asks_for_what_its_dataset_needs_once_that_is_built(tmp_path):
    """In one run: open while the dataset is not there, and known when the job starts."""
    (tmp_path / "Snakefile").write_text(SIZED.format(scripts=SCRIPTS))
    (tmp_path / "given.json").write_text('{"samples": {"train": 123, "test": 7}, "input_shape": [4, 5], "classes": 3}')
    command = [sys.executable, "-m", "snakemake", "--cores", "1"]
    plan = subprocess.run([*command, "-n"], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert "mem_mb=<TBD>" in plan.stdout and "runtime=<TBD>" in plan.stdout, plan.stdout + plan.stderr
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "asked").read_text() == "20 123\n"


@pytest.mark.parametrize(
    ("gpus", "words", "expected"),
    [
        (0, [], {"here": 60, "there": 50, "elsewhere": 70}),
        (1, [], {"here": 6, "there": 5, "elsewhere": 70}),
        (0, ["--set-resources", "here:gpu=1", "there:gpu=0"], {"here": 6, "there": 50, "elsewhere": 70}),
        (1, ["--set-resources", "here:gpu=0", "there:gpu=2"], {"here": 60, "there": 5, "elsewhere": 70}),
        (0, ["--set-resources", 'here:gres="gpu:a100:1"'], {"here": 6, "there": 50, "elsewhere": 70}),
        (0, ["--config", "most=55"], {"here": 55, "there": 50, "elsewhere": 55}),
        (0, ["--config", "most=4", "--set-resources", "here:gpu=1"], {"here": 4, "there": 4, "elsewhere": 4}),
    ],
)
def test_run_times_follow_from_what_a_job_is_given_and_have_a_limit(tmp_path, gpus, words, expected):
    """A cluster's login node has no GPU; the profile's line, in any of a site's words, says that its jobs have one."""
    (tmp_path / "Snakefile").write_text(TIMES.format(scripts=SCRIPTS, gpus=gpus))
    command = [sys.executable, "-m", "snakemake", "-n", "--cores", "1", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200)
    text = done.stdout + done.stderr
    found = re.findall(r"^rule (\w+):\n(?:    .*\n)*?    resources: .*?runtime=(\d+)", text, flags=re.M)
    assert {rule: int(time) for rule, time in found} == expected, text


def test_every_run_time_has_the_limit():
    times = re.findall(r"runtime=(\w+)\(", "\n".join(RULES.values()))
    assert len(times) > 20 and set(times) == {"time_of"}
    assert validated(merged(DEFAULT))["max_runtime"] is None


# The config is the default one, found beside the Snakefile, with one's own laid over it.


def test_a_folder_of_ones_own_needs_its_own_settings_only(tmp_path):
    """As docs/cookbook.md says: `--directory` and `--configfile mine.yaml`, and no copy of the defaults."""
    (tmp_path / "mine.yaml").write_text("hash_encoders: {capacity: {mnist5k: {layer_widths: [5], repeats: 7}}}\n")
    target = "results/hash_encoders/mnist5k/capacity.pdf"
    words = (sys.executable, "-m", "snakemake", "-s", ROOT / "Snakefile", "--directory", tmp_path, "-n", target)
    done = subprocess.run(
        [*map(str, words), "--configfile", "mine.yaml"], cwd=tmp_path, capture_output=True, text=True, timeout=300
    )
    assert "Training networks: 7 of width 5 on mnist5k" in done.stdout, done.stdout + done.stderr
    assert planned(done.stdout)["train_mlps"] == 1


def test_the_config_of_the_folder_is_laid_over_the_default(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text("hash_encoders: {capacity: {mnist5k: {layer_widths: [5]}}}\n")
    (tmp_path / "mine.yaml").write_text("hash_encoders: {capacity: {mnist5k: {repeats: 7}}}\n")
    words = (tmp_path, "-n", "results/hash_encoders/mnist5k/capacity.pdf")
    assert "Training networks: 3 of width 5 on mnist5k" in snakemake(*words, configs=[])
    assert "Training networks: 7 of width 5 on mnist5k" in snakemake(*words, configs=[tmp_path / "mine.yaml"])


def copied(folder: Path) -> Path:
    """A copy of the project, to be changed."""
    folder.mkdir(exist_ok=True)
    for name in ("Snakefile", "config", "workflow", "envs", "profiles", "tests"):
        source = ROOT / name
        shutil.copytree(source, folder / name) if source.is_dir() else shutil.copy2(source, folder / name)
    return folder


STUDY = """
STUDIES["weight_decay"] = Study(
    about="The weight-decay study, by dataset.",
    column="l2",
    axis="weight decay (factor of the squared kernels)",
    word="weight decay",
    keys={"factors": _list("number", "Factors of the penalty.", minimum=0)},
    cells=lambda block: [{"l2": factor} for factor in block["factors"]],
)
PUBLISHED ="""


def test_a_new_study_is_one_entry_and_one_caption(tmp_path):
    house = copied(tmp_path / "house")
    studies = house / "workflow/scripts/rehash/hash_encoders/studies.py"
    studies.write_text(studies.read_text().replace("PUBLISHED =", STUDY.lstrip(), 1))
    (house / "workflow/report/weight_decay.rst").write_text("What weight decay does to codes.\n")
    settings = {"layer_widths": [4], "factors": [0, 0.1], "repeats": 2}
    wing = {"weight_decay": {"mnist5k": settings}, "protocols": {"scripts": {"epochs": 2}}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump({"hash_encoders": wing}))
    words = (tmp_path / "run", "--cores", 2, "results/hash_encoders/mnist5k/weight_decay.png")
    output = snakemake(*words, root=house, configs=[tmp_path / "mine.yaml"])
    assert "Training networks: 4 of width 4 on mnist5k (weight_decay, scripts)" in output
    folder = tmp_path / "run" / "results" / "hash_encoders" / "mnist5k"
    assert set(pd.read_csv(folder / "weight_decay.csv").l2) == {0, 0.1}
    assert (folder / "weight_decay.png").stat().st_size > 10_000
    (tmp_path / "mine.yaml").write_text("hash_encoders: {weight_decay: {mnist5k: {layer_widths: [4], factor: [1]}}}\n")
    output = snakemake(*words, root=house, configs=[tmp_path / "mine.yaml"], check=False)
    assert "config: hash_encoders.weight_decay.mnist5k: unknown key 'factor'; did you mean 'factors'?" in output


# Reruns follow meaning: the real graph, the real library, edited in a copy.


@pytest.fixture(scope="module")
def finished(built, tmp_path_factory):
    """A copy of the project and of a finished run of it."""
    folder = copied(tmp_path_factory.mktemp("copy"))
    shutil.copytree(built, folder / "run", copy_function=shutil.copy2)
    # The environments' and captions' paths have changed with the folder, nothing else; this is not what is tested here.
    triggers = ["--rerun-triggers", "params", "mtime"]

    def plan(**edits: tuple[str, str]) -> set[str]:
        saved = {}
        for name, (old, new) in edits.items():
            path = folder / "workflow" / "scripts" / "rehash" / (name.replace("__", "/") + ".py")
            saved[path] = path.read_text()
            assert old in saved[path]
            path.write_text(saved[path].replace(old, new, 1))
        output = snakemake(folder / "run", "-n", "all", *triggers, root=folder)
        for path, text in saved.items():
            path.write_text(text)
        return set(planned(output)) - {"all"}

    return plan


STUDIED = {f"plot_{study}" for study in STUDIES}
MEASURED = {"measure_properties", "collect_study", *STUDIED, "chart_phases", "plot_phase_chart"}
MEASURED |= {"plot_depth", "compare_published", "plot_published", "plot_regions_time", "write_report"}
LOSSES = "return -probabilities.clamp(clip, 1 - clip).log().mean(1)"


def test_nothing_changed_plans_nothing(finished):
    assert finished() == set()


def test_a_comment_or_docstring_plans_nothing(finished):
    assert (
        finished(
            hash_encoders__networks=(LOSSES, f"# why\n    {LOSSES}"), bits=('"""Return the number of', '"""Number of')
        )
        == set()
    )


def test_an_unused_helper_plans_nothing(finished):
    assert finished(hash_encoders__networks=("def losses(", "def helper():\n    return 1\n\n\ndef losses(")) == set()


COMPARED = {"encode_source", "measure_retrieval", "collect_retrieval"}
COMPARED |= {"plot_trade", "plot_retrieval_of_codes", "plot_precision_recall"}


def test_a_changed_loss_plans_training_and_what_follows(finished):
    changed = ("return losses_MB.mean(1), right_M", "return 2 * losses_MB.mean(1), right_M")
    follows = {"train_mlps", "measure_random_inputs", "measure_regions", "collect_regions"}
    follows |= {"plot_random_inputs", "plot_regions", "fit_source", *MEASURED, *COMPARED}
    assert finished(hash_encoders__networks=changed) == follows


def test_a_changed_plot_plans_its_own_figure_only(finished):
    changed = ('"redundancy ratio"', '"redundancy"')
    assert finished(hash_encoders__figures__capacity=changed) == {"plot_capacity", "write_report"}


def test_changed_words_of_the_report_plan_the_report_only(finished):
    assert finished(tgsh__results=('"bits on"', '"active"')) == {"write_report"}


def test_a_changed_property_plans_measuring_and_what_follows(finished):
    layers = {"measure_layers", "collect_layers", "plot_layers"}
    assert finished(hash_encoders__kmeans=("STARTS = 10", "STARTS = 9")) == MEASURED | layers


def test_a_changed_gradient_plans_flynet_and_what_follows(finished):
    changed = ("return loss, right, strength * by_vector_U", "return loss, right, 2 * strength * by_vector_U")
    follows = {"train_flynet", "measure_accuracy", "relate_tasks", "measure_responses", "measure_codes"}
    follows |= {"generate_digits", "collect_baselines", "compare_notebook", "write_report"}
    follows |= {"measure_transfer", "train_held_out"}
    follows |= {f"plot_{name}" for name in FIGURES if name not in ("tasks", "orthogonality")} | COMPARED
    assert finished(tgsh__flynet=changed) == follows


def test_a_changed_area_plans_responses_and_what_follows(finished):
    changed = ("np.trapezoid(tpr, fpr)", "np.trapezoid(tpr, fpr) + 0")
    assert finished(tgsh__responses=changed) == {
        "measure_responses",
        "plot_hash_property",
        "plot_manifolds",
        "write_report",
    }


def test_a_new_reader_plans_nothing(finished):
    """Readers are found while the job runs: another format does not rebuild what was read."""
    assert finished(datasets__readers__npz=("def read(", "def other():\n    return 1\n\n\ndef read(")) == set()


def test_only_a_merge_reads_the_shards_of_fingerprints():
    """So that they need not be kept."""
    made = {"encode_shard", "generate_fingerprints", "read_fingerprints"}
    parts = {name: rule.partition("output:") for name, rule in RULES.items()}
    assert {name for name, (inputs, _, _) in parts.items() if "shard_files" in inputs} == {"merge_index"}
    assert {name for name, (_, _, rest) in parts.items() if "FINGERPRINTS}" in rest} == made
    assert not [name for name, (inputs, _, _) in parts.items() if "FINGERPRINTS" in inputs]
