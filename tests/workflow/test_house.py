"""The rules of the house that a machine can check."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from graphs import ROOT, imports_of, snakemake

SCRIPTS = ROOT / "workflow" / "scripts"
WINGS = ("hash_encoders", "tgsh", "equihash", "comparison")
LIBRARY = sorted((SCRIPTS / "rehash").rglob("*.py"))


def run(*words: object) -> subprocess.CompletedProcess:
    return subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("words", [("check", "."), ("format", "--check", ".")], ids=["check", "format"])
def test_ruff(words):
    done = run(sys.executable, "-m", "ruff", *words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakefmt():
    files = [ROOT / "Snakefile", ROOT / "workflow" / "Snakefile", *(ROOT / "workflow" / "rules").glob("*.smk")]
    done = run(Path(sys.executable).parent / "snakefmt", "--check", *files)
    assert done.returncode == 0, done.stdout + done.stderr


def test_snakemake_lint(tmp_path):
    assert "Congratulations" in snakemake(tmp_path, "--lint", configs=[])


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(SCRIPTS)))
def test_imports_point_one_way(path):
    """Wings import the hall, never each other; the hall imports no wing. The comparison sees the others' plans alone.

    What `import rehash` offers stands above all, and nothing imports it.
    """
    home = path.relative_to(SCRIPTS / "rehash").parts[0]
    for name in imports_of(path):
        _, part, *rest = name.split(".") if name.startswith("rehash.") else ("", "")
        seen = home == "api" or (home == "comparison" and rest in ([], ["plan"]))
        assert part not in (*WINGS, "api") or part == home or seen, f"{path.name} imports {name}"


@pytest.mark.parametrize("path", LIBRARY, ids=lambda p: str(p.relative_to(SCRIPTS)))
def test_public_definitions_have_docstrings(path):
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree), "the module"
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name


@pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.py")), ids=lambda p: p.stem)
def test_scripts_hold_no_logic(path):
    """A script reads the rule, makes its calls, and never touches the whole config."""
    text = path.read_text()
    assert "snakemake.config" not in text
    tree = ast.parse(text)
    forbidden = (ast.FunctionDef, ast.ClassDef, ast.If, ast.While, ast.For, ast.Try, ast.Lambda)
    assert not [node for node in ast.walk(tree) if isinstance(node, forbidden)]


def test_no_path_of_one_machine():
    tracked = run("git", "ls-files").stdout.split() or pytest.skip("not a git checkout")
    for name in tracked:
        if not name.endswith((".png", ".pdf", ".safetensors")):
            text = (ROOT / name).read_text()
            assert not any(f"/{folder}/" in text for folder in ("work", "root", "home")) or name.startswith(
                "tests/workflow/test_house"
            )


# Tables that a job made beside its first one: by what name its provenance goes.
MADE_WITH = {
    **dict.fromkeys(("regions_lines", "regions_slices"), ("regions",)),
    **dict.fromkeys(("pair_similarity", "roc", "recovery"), ("hash_property",)),
    **dict.fromkeys(("manifolds", "manifold_pairs", "sign_bits"), ("hash_property",)),
    **dict.fromkeys(("forward", "forward_curve", "one_shot"), ("held_out",)),
    "transfer_correlation": ("transfer",),
    "baseline_costs": ("baselines",),
    **dict.fromkeys(("probes", "bucket_sizes", "query_buckets", "distances"), ("evaluation", "retrieval")),
    "gallery_rates": ("gallery",),
    "task_correlation": ("task_similarity",),
    "mnist5k_findings": ("mnist5k",),
    "predicted": ("retrieval",),
    "distances_statistics": ("distances", "retrieval"),
    "distances_histogram": ("distances",),
    "training": ("networks", "modulations", "network"),
    "losses": ("network",),
    **dict.fromkeys(("diagnostics", "histograms"), ("network", "training")),
    "expected": ("queries",),
    "published_similarity": ("published",),
    **dict.fromkeys(("trade", "precision_recall", "encoding_time", "curves"), ("retrieval",)),
}


def test_every_result_has_provenance(built):
    results = built / "results"
    made = [path for ending in ("csv", "h5", "safetensors") for path in results.rglob(f"[!.]*.{ending}")]
    assert len({path.name for path in made}) > 30
    for path in made:
        what, _, repeats = path.stem.partition("_") if re.fullmatch(r"training_\d+", path.stem) else (path.stem, "", "")
        others = [f"{name}_{repeats}" if repeats else name for name in MADE_WITH.get(what, [])]
        names = [path.with_suffix(".json"), *(path.with_name(f"{name}.json") for name in others)]
        found = [json.loads(name.read_text()) for name in names if name.exists()]
        assert found, path
        for facts in found:
            assert facts["params"]["code"] and facts["wall_seconds"] > 0 and facts["versions"]["numpy"], path
    facts = json.loads(next(results.rglob("networks_*.json")).read_text())
    assert facts["params"]["training"]["seed"] == 2021 and facts["device"] == "cpu" and 3200 in facts["sample_size"]
    assert facts["params"]["wildcards"]["protocol"] in ("scripts", "figures") and facts["versions"]["torch"]


class NoKeyTwice(yaml.SafeLoader):
    """YAML's last of two equal keys wins without a word."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key twice among {keys}"
        return super().construct_mapping(node, deep)


def test_no_key_stands_twice():
    tracked = run("git", "ls-files").stdout.split() or pytest.skip("not a git checkout")
    paths = [ROOT / name for name in tracked if name.endswith((".yaml", ".yml", ".cff"))]
    assert len(paths) > 10
    for path in paths:
        with open(path, encoding="utf-8") as file:
            yaml.load(file, NoKeyTwice)


def test_the_default_profile_runs_one_gpu_job_and_leaves_the_code_trigger_out():
    profile = yaml.safe_load((ROOT / "profiles" / "default" / "config.yaml").read_text())
    assert profile["resources"] == {"gpu": 1}
    assert set(profile["rerun-triggers"]) == {"mtime", "params", "input", "software-env"}


def test_saving_more_often_plans_nothing(built):
    assert "Nothing to be done" in snakemake(
        built, "all", "-n", "--config", "save_every_seconds=9", "on_code_change=continue"
    )
