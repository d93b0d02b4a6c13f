"""Each script's environment holds what the script imports, in the versions of requirements.txt."""

import re
import sys

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from graphs import ROOT, RULES, imports_of

SCRIPTS = ROOT / "workflow" / "scripts"
# Import names that differ from the package's, and what a library needs at run time without our naming it.
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "faiss": "faiss-cpu"}
# its progress bar; its pages that need no network
NEEDED_WITH = {"pooch": {"tqdm"}, "altair": {"vl-convert-python"}}
# What a script finds while it runs.
FOUND_LATER = {
    "build_dataset": sorted((SCRIPTS / "rehash" / "datasets" / "readers").glob("*.py")),
    "build_bank": sorted((SCRIPTS / "rehash" / "equihash" / "images" / "readers").glob("*.py")),
    "train_hash": sorted((SCRIPTS / "rehash" / "equihash" / "learning" / "objectives").glob("*.py")),
    "draw_figure": sorted((SCRIPTS / "rehash").glob("*/figures/*.py")),
    "write_report": sorted((SCRIPTS / "rehash").glob("*/results.py")),
}
# Packages of which a script reads a file that they ship.
SHIPPED_WITH = {"build_bank": {"scikit-image", "scikit-learn"}}


def rule_environments() -> dict[str, str]:
    """Script name -> environment file name, from the rules."""
    pairs = {}
    for name, rule in RULES.items():
        script, environment = re.search(r"scripts/(\w+)\.py", rule), re.search(r"envs/(\w+)\.yaml", rule)
        if script:
            assert environment, f"rule {name} names no environment"
            pairs[script[1]] = environment[1]
    return pairs


def third_party(script: str) -> set[str]:
    """Packages that the script imports, itself or through the library, function-level imports included."""
    todo, seen = [SCRIPTS / f"{script}.py", *FOUND_LATER.get(script, [])], set()
    found = set(SHIPPED_WITH.get(script, ()))
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports_of(path):
            top = name.split(".")[0]
            if top == "rehash":
                base = SCRIPTS.joinpath(*name.split("."))
                parents = [
                    SCRIPTS.joinpath(*name.split(".")[:n]) / "__init__.py" for n in range(1, name.count(".") + 2)
                ]
                todo += [p for p in (base.with_suffix(".py"), *parents) if p.is_file()]
            elif top not in sys.stdlib_module_names:
                found |= {PACKAGES.get(top, top)} | NEEDED_WITH.get(top, set())
    return found


def pins(lines: list[str]) -> dict[str, str]:
    requirements = [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]
    return {canonicalize_name(r.name): str(r.specifier) for r in requirements}


def environment(name: str) -> dict:
    return yaml.safe_load((ROOT / "envs" / f"{name}.yaml").read_text())


def environment_pins(name: str) -> dict[str, str]:
    return pins(next(d["pip"] for d in environment(name)["dependencies"] if isinstance(d, dict)))


def test_every_script_belongs_to_a_rule_of_its_name():
    assert set(rule_environments()) == {path.stem for path in SCRIPTS.glob("*.py")}
    for name, rule in RULES.items():
        assert set(re.findall(r"scripts/(\w+)\.py", rule)) <= {name}
        assert set(re.findall(r"digest\(\"(\w+)\"", rule)) <= {name}


@pytest.mark.parametrize("script", sorted(rule_environments()))
def test_environment_pins_what_the_script_imports(script):
    pinned = environment_pins(rule_environments()[script])
    missing = {canonicalize_name(p) for p in third_party(script)} - set(pinned)
    assert not missing, f"envs/{rule_environments()[script]}.yaml lacks {missing}"


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "envs").glob("*.yaml")))
def test_environment_agrees_with_requirements(name):
    required = pins((ROOT / "requirements.txt").read_text().splitlines())
    for package, version in environment_pins(name).items():
        assert required.get(package) == version and version.startswith("==")
    assert environment(name)["channels"] == ["conda-forge", "nodefaults"]


@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "envs").glob("*.yaml")))
def test_environment_holds_nothing_unused(name):
    used = {canonicalize_name(p) for s, e in rule_environments().items() if e == name for p in third_party(s)}
    assert set(environment_pins(name)) <= used


def test_scripts_that_need_no_torch_do_not_import_it():
    assert "torch" not in set().union(
        *(
            third_party(s)
            for s in (
                *("build_dataset", "collect_study", "draw_figure", "write_report"),
                *("draw_queries", "generate_fingerprints", "merge_index", "evaluate_partition", "evaluate_index"),
                *("compare_models", "compare_perfect_retrieval"),
            )
        )
    )
