"""The Slurm profile on a real Slurm: one node with two stand-in GPUs, judged by Slurm's own records."""

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pandas as pd
import psutil
import pytest
import yaml

from graphs import DEFAULT, GPU_RULES, PAPER, ROOT, RULES, SMALL, merged, snakemake, tables
from rehash import graph
from rehash.equihash.plan import variant_name

PROFILES = ROOT / "profiles"
SCRIPTS = ROOT / "tests" / "slurm"
# More jobs at once than GPUs, so that Slurm has to hold some back; without a database it is asked by squeue.
ON_SLURM = "--jobs 6 --slurm-status-command squeue --slurm-init-seconds-before-status-checks 2".split()
ON_SLURM += ["--config", "device=cpu"]  # nobody can compute on a stand-in, and a job that was given a GPU has to
VARIANTS = [variant_name({"alpha": alpha, "gamma": 0.001}) for alpha in (0.05, 0.5)]


def profile(name: str) -> dict:
    return yaml.safe_load((PROFILES / name / "config.yaml").read_text())


def test_the_profile_knows_every_rule_that_uses_a_gpu():
    asked = profile("slurm")["set-resources"]
    assert len(GPU_RULES) >= 12
    assert {rule for rule, resources in asked.items() if resources == {"gpu": 1}} == GPU_RULES


def test_every_retry_asks_for_more():
    """A rule's memory and time are functions that know its attempt; the profile has the default."""
    constants = {rule for rule, body in RULES.items() if re.search(r"\b(mem_mb|runtime)=\d", body)}
    assert not constants
    for name in ("mem_mb", "runtime"):
        assert profile("slurm")["default-resources"][name].endswith(" * attempt")


def test_what_is_drawn_or_collected_shares_a_submission_and_nothing_that_trains():
    small = {rule for rule, body in RULES.items() if "    group:" in body}
    assert small >= {rule for rule in RULES if rule.startswith(("collect_", "compare_", "chart_"))}
    assert not small & GPU_RULES
    assert "groups" not in profile("slurm")


def test_the_profile_keeps_the_defaults_of_the_house():
    settings = profile("slurm")
    default = {key: value for key, value in profile("default").items() if key != "resources"}
    assert {key: settings.get(key) for key in default} == default


def test_names_hold_no_commas():
    """Snakemake cuts the wildcards that it hands to a job elsewhere at commas, and so makes another file than it waits for."""
    assert not any("," in variant for variant in VARIANTS)


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    """A Slurm that this module's commands talk to; stopped at the end, whatever happened."""
    if graph.machine_has_gpu():
        pytest.skip("this machine has a GPU: jobs would compute on it in place of the stand-ins")
    folder = tmp_path_factory.mktemp("slurm")
    try:
        up = subprocess.run(
            [SCRIPTS / "up.sh", folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            timeout=900,
        )
        if up.returncode == 77:
            pytest.skip(up.stderr.splitlines()[-1])
        assert up.returncode == 0, up.stderr
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_", "SRUN_"))]:
                patch.delenv(name)
            patch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
            patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
            yield folder
    finally:
        subprocess.run([SCRIPTS / "down.sh", folder], check=True, timeout=120)


def records(directory: Path) -> list[dict[str, str]]:
    """What Slurm recorded of the jobs of one folder; `rule` is a rule's name, or a group's with its rules' names."""
    words = ["scontrol", "--details", "--oneliner", "show", "job"]
    text = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in text.splitlines()]
    found = [record for record in found if record.get("WorkDir") == str(directory)]
    for record in found:
        record["rule"] = re.fullmatch(r"rule_(.*?)(_wildcards_.*)?", record["Comment"])[1]
    return found


def asked_for(record: dict[str, str]) -> tuple[str, str]:
    """What a job asked for by --gpus and by --gres, in the words of old and new Slurms alike."""
    return tuple(record.get(name, "").replace("/", ":") for name in ("TresPerJob", "TresPerNode"))


def most_at_once(spans: list[tuple[str, str]]) -> int:
    """Slurm's times are whole seconds, rounded down: of two jobs on one GPU the second begins when the first ends."""
    return max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans)


def check_gpus(found: list[dict[str, str]]) -> None:
    """GPU rules asked for one GPU and got it, others did not; never more than two ran, though more wanted to."""
    for record in found:
        uses = record["rule"] in GPU_RULES
        assert asked_for(record) == ("gres:gpu:1" if uses else "", ""), record
        assert record["JOB_GRES"] == ("gpu:standin:1" if uses else "(null)"), record
    on_gpu = [record for record in found if record["rule"] in GPU_RULES]
    assert most_at_once([(record["StartTime"], record["EndTime"]) for record in on_gpu]) == 2
    assert most_at_once([(record["SubmitTime"], record["EndTime"]) for record in on_gpu]) > 2


def test_a_part_of_every_wing(slurm, built, tmp_path):
    """GPU rules of each wing, CPU rules, groups of plots: the same tables as without Slurm."""
    for name in ("equihash/banks", "datasets"):
        shutil.copytree(built / "results" / name, tmp_path / "results" / name)
    targets = [
        "hash_encoders/mnist5k/label_noise.pdf",
        "tgsh/mnist5k/permuted-convolution/training.csv",
        *(f"equihash/models/digits/hash_net/{variant}/seed=1/training.csv" for variant in VARIANTS),
        "equihash/databases/few/labels/0-of-1.h5",
    ]
    snakemake(
        tmp_path, *(f"results/{target}" for target in targets), "--workflow-profile", PROFILES / "slurm", *ON_SLURM
    )
    found = records(tmp_path)
    check_gpus(found)
    assert {record["JobState"] for record in found} == {"COMPLETED"}
    rules = "train_mlps train_flynet train_hash measure_properties describe_labels write_labels"
    assert {*rules.split()} <= {record["rule"] for record in found}
    assert "figure_collect_study_plot_label_noise" in {record["rule"] for record in found}
    made, expected = tables(tmp_path), tables(built)
    assert len(made) > 6 and made == {name: expected[name] for name in made}


@pytest.mark.long
def test_the_whole_graph(slurm, built, tmp_path):
    snakemake(tmp_path, "all", "--workflow-profile", PROFILES / "slurm", *ON_SLURM, timeout=7200)
    found = records(tmp_path)
    check_gpus(found)
    assert {record["JobState"] for record in found} == {"COMPLETED"}
    assert {record["rule"] for record in found} >= GPU_RULES
    assert tables(tmp_path) == tables(built)


@pytest.mark.long
def test_a_billion_in_miniature(slurm, tmp_path):
    """The jobs of a published database of 10^9 photographs, as many shards and partitions, for 10^6 small ones."""
    published = merged(DEFAULT, PAPER)["equihash"]["databases"]["1bdb"]
    few = {"task": "four_photos", "items": 10**6, "sizes": [1000, 10_000, 100_000], "item_pairs": 1000}
    few |= {kind: 1000 for kind in ("positives", "negatives", "pairs")}
    # Four of the 32 photographs of the test split, since mosaics of two would all be among 10^6 items.
    task = {"kind": "warped", "bank": "photos45", "perlin": "square", "grid": [2, 2], "picture": [45, 45]}
    task |= {"overlap": [22, 22]}
    square = {"height": 68, "width": 68, "count": 256, "lattice": [2, 3]}
    schedule = {"steps": 4, "micro_batches": 2, "pairs": 8, "evaluate_every": 4, "evaluation_pairs": 50}
    models = {"four_photos": {"shannon_hamming": {"network": "small_photo_cnn", "training": schedule}}}
    blocks = {"databases": {"1bdb": published | few}, "models": models, "tasks": {"four_photos": task}}
    (tmp_path / "few.yaml").write_text(yaml.safe_dump({"equihash": {**blocks, "perlin": {"square": square}}}))
    target = "results/equihash/databases/1bdb/retrieval.csv"
    words = (target, "--workflow-profile", PROFILES / "slurm", *ON_SLURM)
    snakemake(tmp_path, *words, configs=[tmp_path / "few.yaml"], timeout=7200)
    found = records(tmp_path)
    check_gpus(found)
    assert {record["JobState"] for record in found} == {"COMPLETED"}
    counts = Counter(record["rule"] for record in found)
    assert counts["encode_shard"] == 100 and counts["merge_index"] == counts["evaluate_partition"] == 64
    table = pd.read_csv(tmp_path / target)
    assert sorted(table.database_size.unique()) == [1000, 10_000, 100_000, 10**6]


@pytest.mark.long
def test_a_job_whose_time_is_up_saves_its_state(slurm, built, tmp_path):
    """Of four minutes: Slurm's signal comes two before the end, or up to a minute sooner."""
    for name in ("equihash/banks", "datasets"):
        shutil.copytree(built / "results" / name, tmp_path / "results" / name)
    settings = profile("slurm") | {"retries": 0}
    settings["set-resources"]["train_hash"]["runtime"] = 4
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "config.yaml").write_text(yaml.safe_dump(settings))
    schedule = {"steps": 10**6, "evaluate_every": 10**6}
    models = {"digits": {"shannon_hamming": {"training": schedule}}}
    (tmp_path / "endless.yaml").write_text(yaml.safe_dump({"equihash": {"models": models}, "save_every_seconds": 3600}))
    target = Path("results/equihash/models/digits/shannon_hamming/default/seed=3210/network.safetensors")
    words = (target, "--workflow-profile", tmp_path / "profile", *ON_SLURM)
    snakemake(tmp_path, *words, configs=[SMALL, tmp_path / "endless.yaml"], check=False)
    (record,) = records(tmp_path)
    assert (record["rule"], record["JobState"], record["TimeLimit"]) == ("train_hash", "FAILED", "00:04:00")
    assert "00:00:50" < record["RunTime"] < "00:03:30"
    folder = (tmp_path / target).parent
    assert "stopped by signal 15; the state is saved" in (folder / "network.train_hash.log").read_text()
    assert len([*folder.glob(".network.safetensors.*.state")]) == 1 and not (tmp_path / target).exists()


def lives(pid: int) -> bool:
    """A container's first process may leave the dead as zombies."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_what_was_started_is_stopped_and_nothing_else(slurm, tmp_path):
    """A second Slurm, up and down beside the first."""
    up = subprocess.run([SCRIPTS / "up.sh", tmp_path], capture_output=True, text=True, timeout=900)
    assert up.returncode == 0, up.stderr
    daemons = [
        [int(line.split()[1]) for line in (folder / "pids").read_text().splitlines()] for folder in (tmp_path, slurm)
    ]
    assert all(len(pids) == 3 and all(map(lives, pids)) for pids in daemons)
    subprocess.run([SCRIPTS / "down.sh", tmp_path], check=True, timeout=120)
    assert not any(map(lives, daemons[0])) and all(map(lives, daemons[1]))
    assert subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout.split()[0] in (
        "idle",
        "mixed",
    )


WAYS = {
    "{gpu: 1}": ("gres:gpu:1", ""),
    '{gpu: 0, gres: "gpu:1"}': ("", "gres:gpu:1"),
    "{gpu: 1, gpu_model: a100}": ("gres:gpu:a100:1", ""),
    '{gpu: 0, gres: "gpu:a100:1"}': ("", "gres:gpu:a100:1"),
    "{gpu: 1, slurm_partition: my_gpus}": ("gres:gpu:1", ""),
    "{gpu: 0}": ("", ""),
}


@pytest.mark.long
def test_each_kind_of_site_and_a_retry(slurm, tmp_path):
    """The lines of profiles/README.md, word for word, each on a rule of its own; beside them a group that fails once."""
    lines = re.findall(r"`train_mlps: &gpu (\{.*?\})`", (PROFILES / "README.md").read_text())
    assert lines == list(WAYS)
    settings = profile("slurm")
    for number, line in enumerate(lines):
        words = line.replace("a100", "standin").replace("my_gpus", "gpus")
        settings["set-resources"][f"way_{number}"] = yaml.safe_load(words)
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile" / "config.yaml").write_text(yaml.safe_dump(settings))
    ways = [f"rule way_{n}:\n    output: 'way_{n}'\n    shell: 'touch {{output}}'\n" for n in range(len(lines))]
    (tmp_path / "Snakefile").write_text(
        f"""
rule all:
    input: [f"way_{{n}}" for n in range({len(lines)})], "figure"
rule collect_study:
    output: "table"
    group: "figure"
    resources: attempts=lambda wildcards, attempt: attempt
    shell: "test {{resources.attempts}} = 2 && touch {{output}}"
rule plot_label_noise:
    input: "table"
    output: "figure"
    group: "figure"
    shell: "touch {{output}}"
"""
        + "".join(ways)
    )
    snakemake(tmp_path, "--workflow-profile", tmp_path / "profile", *ON_SLURM, root=tmp_path)
    found = {record["rule"]: record for record in records(tmp_path)}
    for number, (line, asked) in enumerate(WAYS.items()):
        record = found[f"way_{number}"]
        assert asked_for(record) == tuple(words.replace("a100", "standin") for words in asked), line
        assert record["JOB_GRES"] == ("gpu:standin:1" if any(asked) else "(null)"), line
        assert record["Partition"] == ("gpus" if "my_gpus" in line else "main"), line
    tried = [record for record in records(tmp_path) if record["rule"] == "figure_collect_study_plot_label_noise"]
    assert [record["JobState"] for record in tried] == ["FAILED", "COMPLETED"]
    assert [record["MinMemoryNode"] for record in tried] == ["2000M", "4000M"]
    assert [record["TimeLimit"] for record in tried] == ["01:00:00", "02:00:00"]
