"""Each script's environment holds what the script imports, in the versions of requirements.txt."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import rehash
from graphs import ROOT, RULES, imports_of
from rehash.comparison.kinds import KINDS

SCRIPTS = ROOT / "workflow" / "scripts"
# Import names that differ from the package's, and what a library needs at run time without our naming it.
PACKAGES = {"PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "faiss": "faiss-cpu"}
PACKAGES |= {"triton": "torch"}  # which brings it where it can use a GPU; the library does without it, too
# its progress bar; its pages that need no network
NEEDED_WITH = {"pooch": {"tqdm"}, "altair": {"vl-convert-python"}}
# What a script finds while it runs.
OPENERS = sorted({SCRIPTS / f"{kind.open.split(':')[0].replace('.', '/')}.py" for kind in KINDS.values() if kind.open})
FOUND_LATER = {
    **dict.fromkeys(
        ("encode_source", "fit_source", "encode_shard", "encode_queries", "search_index", "measure_distances"), OPENERS
    ),
    "build_dataset": sorted((SCRIPTS / "rehash" / "datasets" / "readers").glob("*.py")),
    "build_bank": sorted((SCRIPTS / "rehash" / "equihash" / "images" / "readers").glob("*.py")),
    "train_hash": sorted((SCRIPTS / "rehash" / "equihash" / "learning" / "objectives").glob("*.py")),
    "draw_figure": sorted((SCRIPTS / "rehash").glob("*/figures/*.py")),
    "write_report": sorted(
        path for name in ("results", "headlines") for path in (SCRIPTS / "rehash").glob(f"*/{name}.py")
    ),
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


def imported(*paths: Path, at_once: bool = False) -> set[str]:
    """Modules and names that files import from elsewhere, themselves or through the library."""
    todo, seen, found = list(paths), set(), set()
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in imports_of(path, at_once):
            if name.split(".")[0] == "rehash":
                base = SCRIPTS.joinpath(*name.split("."))
                parents = [
                    SCRIPTS.joinpath(*name.split(".")[:n]) / "__init__.py" for n in range(1, name.count(".") + 2)
                ]
                todo += [p for p in (base.with_suffix(".py"), *parents) if p.is_file()]
            else:
                found.add(name)
    return found


def third_party(script: str) -> set[str]:
    """Packages that the script imports, itself or through the library, function-level imports included."""
    found = set(SHIPPED_WITH.get(script, ()))
    for name in imported(SCRIPTS / f"{script}.py", *FOUND_LATER.get(script, [])):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names:
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


# What a script imports of these before it begins takes a third of a second to two seconds; no job waits in vain for it.
HEAVY = {
    "torch": "train_flynet train_baselines train_hash train_mlps train_model import_hash encode_shard encode_queries "
    "show_views show_retrieval search_index measure_accuracy measure_codes measure_distances measure_properties measure_random_inputs measure_regions "
    "measure_transfer train_held_out measure_orthogonality measure_responses measure_model_regions encode_model measure_layers encode_source fit_source",
    "faiss": "measure_codes measure_properties measure_layers",
    "matplotlib": "draw_figure",
    "scipy.stats": "generate_fingerprints generate_query_codes",
    "sklearn": "",
}
NO_TABLES = "build_bank collect_provenance describe_labels draw_queries encode_model fetch_file fetch_weights merge_index "  # so without pandas
NO_TABLES += "read_fingerprints read_labels read_queries read_query_codes take_checkpoint write_labels"


@pytest.mark.parametrize("script", sorted(rule_environments()))
def test_a_script_imports_only_what_it_uses_at_once(script):
    found = imported(SCRIPTS / f"{script}.py", *FOUND_LATER.get(script, []), at_once=True)
    heavy = {name for name in [*HEAVY, "pandas"] if any(f"{each}.".startswith(f"{name}.") for each in found)}
    allowed = {name for name, scripts in HEAVY.items() if script in scripts.split()}
    assert heavy == (allowed if script in NO_TABLES.split() else allowed | {"pandas"})


def packages_of(*paths: Path) -> set[str]:
    """The packages that files import, themselves or through the library."""
    tops = {name.split(".")[0] for name in imported(*paths)} - set(sys.stdlib_module_names)
    return {canonicalize_name(PACKAGES.get(top, top)) for top in tops}


def named(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


def test_the_package_needs_what_it_imports():
    """What the public functions import, and as an extra what all others do, from the versions on that are tested."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    public = [SCRIPTS / f"{module.replace('.', '/')}.py" for module in rehash._PUBLIC.values()]
    assert named(project["dependencies"]) == packages_of(*public)
    files = {"vl-convert-python", "scikit-image"}  # altair's pages without a network; an image that a bank reads
    others = project["optional-dependencies"]["all"]
    assert named(others) == (packages_of(*(SCRIPTS / "rehash").rglob("*.py")) | files) - packages_of(*public)
    tested = pins((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())
    for line in [*project["dependencies"], *others]:
        needed = Requirement(line)
        least = str(needed.specifier).removeprefix(">=")
        assert tested[canonicalize_name(needed.name)].startswith(f"=={least}."), line
