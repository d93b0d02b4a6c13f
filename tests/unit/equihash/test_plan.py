"""Runs and families as pure functions of the config."""

import copy
import dataclasses
import importlib
import inspect
import re

import pytest
import yaml

from graphs import CONFIGS, PAPER, ROOT, merged
from rehash.config import load_schema, validated
from rehash.datasets.readers import image_folder as datasets_folder
from rehash.equihash import plan, sizes
from rehash.equihash.checks import READER_SETTINGS
from rehash.equihash.images.readers import image_folder as banks_folder
from rehash.errors import InputError
from rehash.graph import dataset_description

CONFIG = yaml.safe_load(CONFIGS[0].read_text())


def changed(**blocks) -> dict:
    config = copy.deepcopy(CONFIG)
    for part, content in blocks.items():
        config["equihash"].setdefault(part, {}).update(content)
    return validated(config)


def test_variants_are_paths_that_can_be_read_back():
    for values, name in (
        ({"lambda_s": 0.006}, "lambda_s=0.006"),
        ({"lambda_s": 0.00005, "permuted": True}, "lambda_s=5e-05+permuted=true"),
        ({"learning_rate": 1e25, "steps": 3}, "learning_rate=1e+25+steps=3"),
        ({"tuple_size": 4, "forward": "twice"}, "tuple_size=4+forward=twice"),
    ):
        assert plan.variant_name(values) == name and plan.variant_values(name) == values
    assert plan.variant_values("default") == {}
    with pytest.raises(InputError, match=r"expected default, untrained or parameters as lambda_s=0\.006"):
        plan.variant_values("lambda_s=0.0060")
    with pytest.raises(InputError, match="variant 'lambda_s'"):
        plan.variant_values("lambda_s")


def test_the_readers_of_folders_get_what_the_config_says_of_images():
    """Datasets and banks have the same settings of images, and each reaches its reader."""
    said = {"image_size": 9, "background": "navy", "colour": "grey", "value_range": [0, 9], "skip_corrupt": True}
    said |= {"max_pixels": 1000}
    block = {"reader": "image_folder", "path": "/data/i", **said}
    config = copy.deepcopy(CONFIG)
    config["datasets"]["mine"] = dict(block)
    config["equihash"].setdefault("banks", {})["mine"] = {**block, "shares": {"train": 0.5, "valid": 0.2, "test": 0.3}}
    config = validated(config)
    bank = plan.bank_description(config, "mine")
    shares = {"shares": {"train": 0.5, "valid": 0.2, "test": 0.3}}
    assert bank == {"name": "mine", "reader": "image_folder", **said, **shares}
    assert said.items() <= dataset_description(config, "mine").items()
    kept = {
        reader: {name for name, of in inspect.signature(reader.read).parameters.items() if of.kind is of.KEYWORD_ONLY}
        for reader in (datasets_folder, banks_folder)
    }
    assert kept == {datasets_folder: {*said}, banks_folder: {*said, "shares", "seed"}}
    for blocks in (config["datasets"], config["equihash"]["banks"]):
        blocks["mine"]["background"] = None  # so YAML reads #808080 without quotes
        with pytest.raises(InputError, match=r"mine.background: None is not of type 'string' .*'#rrggbb' in quotes"):
            validated(config)
        blocks["mine"]["background"] = "white"


def test_a_variant_changes_what_it_names_and_nothing_else():
    config = validated(copy.deepcopy(CONFIG))
    base = plan.run_params(config, "digits", "shannon_hamming", "default", "3210")
    assert base["settings"]["lambda_s"] == 0.01 and base["schedule"]["steps"] == 60 and base["seed"] == 3210
    varied = plan.run_params(config, "digits", "shannon_hamming", "lambda_s=0.5+steps=7+bits=32", "1")
    assert varied["settings"] == {**base["settings"], "lambda_s": 0.5}
    assert varied["schedule"] == {**base["schedule"], "steps": 7} and varied["bits"] == 32
    untrained = plan.run_params(config, "digits", "shannon_hamming", "untrained", "1")
    assert untrained["schedule"] == {**base["schedule"], "learning_rate": 0, "steps": 40}


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            {"models": {"digits": {"m": {"objective": "hashnet"}}}},
            "unknown objective 'hashnet'; did you mean 'hash_net'",
        ),
        (
            {"models": {"digits": {"m": {"settings": {"lamda_s": 1}}}}},
            "config: equihash.models.digits.m.settings: unknown setting of shannon_hamming 'lamda_s'; did you mean "
            "'lambda_s'",
        ),
        (
            {"models": {"digits": {"m": {"objective": "jmlh", "training": {"forward": "twice"}}}}},
            "models.digits.m: training.forward is twice, which repeats the public loops of hash_net_shannon, "
            "shannon_hamming; there is none that runs jmlh so: say once, or recomputed",
        ),
        (
            {"families": {"digits": {"f": {"model": "hash_net", "grid": {"forward": ["twice"]}, "database": "small"}}}},
            "there is none that runs hash_net so",
        ),
        ({"models": {"digts": {"m": {}}}}, "config: equihash.models: unknown task 'digts'; did you mean 'digits'"),
        (
            {"families": {"digits": {"f": {"model": "hash_net", "grid": {"alhpa": [1]}, "database": "small"}}}},
            "config: equihash.families.digits.f: .*unknown parameter 'alhpa'; did you mean 'alpha'",
        ),
        (
            {"families": {"digits": {"f": {"model": "hash_net", "grid": {"alpha": ["a"]}, "database": "small"}}}},
            "alpha of hash_net is 'a'; expected a number",
        ),
        (
            {"families": {"digits": {"f": {"model": "hashnet", "grid": {"alpha": [1]}, "database": "small"}}}},
            "unknown model 'hashnet'; did you mean 'hash_net'",
        ),
        (
            {"families": {"digits": {"f": {"model": "hash_net", "grid": {"alpha": [1]}, "database": "small_photos"}}}},
            "database small_photos is of the task small_photos; expected digits",
        ),
        ({"build": {"models": ["mnist"]}}, "unknown task without models 'mnist'"),
    ],
)
def test_mistakes_are_named(blocks, message):
    with pytest.raises(InputError, match=message):
        changed(**blocks)


@pytest.mark.parametrize(
    ("variant", "message"),
    [
        ("steps=0", "variant steps=0: training.steps: 0 is less than the minimum of 1"),
        ("bits=2", "variant bits=2: bits: 2 is less than the minimum of 4"),
        ("forward=onec", "training.forward: 'onec' is not one of"),
        ("learning_rate=fast", "training.learning_rate: 'fast' is not of type 'number'"),
    ],
)
def test_a_variant_is_checked_as_the_config_is(variant, message):
    with pytest.raises(InputError, match=message):
        plan.run_params(validated(copy.deepcopy(CONFIG)), "digits", "hash_net", variant, "1")


def test_fingerprints_of_a_database_fill_bytes():
    """The model is named, and the ways out work: other bits, or a task without a database."""
    twelve = {"bits": 12, "training": {"steps": 2}}
    words = "bits is 12, and the database small needs fingerprints of whole bytes"
    with pytest.raises(InputError, match=f"equihash.models.digits.m: {words}"):
        changed(models={"digits": {"m": twelve}})
    family = {"model": "hash_net", "grid": {"bits": [16, 12]}, "database": "small"}
    with pytest.raises(InputError, match=f"families.digits.f: variant bits=12: {words}"):
        changed(families={"digits": {"f": family}})
    config = changed(tasks={"apart": CONFIG["equihash"]["tasks"]["digits"]}, models={"apart": {"m": twelve}})
    assert plan.run_params(config, "apart", "m", "default", "1")["bits"] == 12
    asked = {"task": "digits", "model": "hash_net", "seed": "1", "database": "small"}
    with pytest.raises(InputError, match=words):
        plan.encoding_inputs(config, variant="bits=12", **asked)
    assert plan.encoding_inputs(config, variant="bits=16", **asked)["weights"].endswith("network.safetensors")


AUGMENTED = {"kind": "augmented", "bank": "digits5k", "grid": [1, 1], "picture": [28, 28]}
CLASSES = {**AUGMENTED, "labels": "classes"}
SLICES = {"train": [0, 3], "valid": [3, 6], "test": [6, 9]}


def test_a_task_gives_the_settings_of_its_kind_and_its_shape():
    """Settings by kind are attributes of Task, and shapes are the library's, with and without colour."""
    from rehash.equihash.images.task import FLOWS, KINDS, LABELS, Task

    attributes = {one.name for one in dataclasses.fields(Task)}
    assert tuple(plan.KIND_SETTINGS) == KINDS
    assert {key for keys in plan.KIND_SETTINGS.values() for key in keys} - {"perlin"} == attributes - {
        *("kind", "grid", "picture", "overlap", "bank_size")
    }
    properties = load_schema()["properties"]["equihash"]["properties"]["tasks"]["additionalProperties"]["properties"]
    assert properties["labels"]["enum"] == [*LABELS, None] and properties["kind"]["enum"] == list(KINDS)
    of = Task.of({"kind": "augmented", "grid": [1, 1], "picture": [28, 28]})
    for key in {*plan.KIND_SETTINGS["augmented"]} - {"labels"}:
        default = getattr(of, key)
        text = str(default).lower() if isinstance(default, bool) else f"{default:g}"
        assert f"null is {text}" in properties[key]["description"], key
    flow = properties["flow"]["properties"]
    assert [*FLOWS] == plan.FLOWING and [*flow] == [one.name for one in dataclasses.fields(FLOWS["natural"])]
    for key in ("coarse", "fine", "taper", "strength"):
        value = str(getattr(FLOWS["natural"], key)).lower()
        assert f"or {value} (natural)" in flow[key]["description"].replace(",", ""), key
    tasks = {"one": CLASSES, "two": {**AUGMENTED, "colour": True, "grid": [2, 1], "shift": 0, "flip": True}}
    config = changed(tasks=tasks)
    natural = {**config["equihash"]["tasks"]["photos"], "kind": "natural", "flow": {"strength": 1, "fade": [5, 9]}}
    config = changed(tasks={**tasks, "natural": natural})
    assert plan.task_settings(config, "natural")["flow"] == natural["flow"], "of the flow, too"
    for task in [*tasks, "digits", "photos", "small_photos", "natural"]:
        assert plan.shape_of(config, task) == Task.of(plan.task_settings(config, task)).shape, task
    settings = {**CLASSES, "overlap": [0, 0]}
    del settings["bank"]
    assert plan.task_settings(config, "one") == settings, "what is null is left to the library"
    made = Task.of(plan.task_settings(config, "two"))
    assert (made.shift, made.flip, made.rotation, made.gaussian, made.labels) == (0, True, 10, 0.05, "images")
    assert Task.of(plan.task_settings(config, "digits")).gaussian == 0.2


def test_supervised_models_are_planned_where_labels_are_classes():
    config = changed(tasks={"c": CLASSES}, models={"c": {"m": {"objective": "dsh", "network": "dsh_cnn", "bits": 12}}})
    run = plan.run_params(config, "c", "m", "default", "1")
    assert run["settings"] == {"margin": 2.0, "alpha": 0.01} and run["task"]["labels"] == "classes"


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            {"tasks": {"a": AUGMENTED}, "models": {"a": {"m": {"objective": "csq"}}}},
            "equihash.models.a.m: the objective csq learns from classes, but labels of its task are images; set "
            "equihash.tasks.a.labels to classes",
        ),
        (
            {"models": {"digits": {"m": {"objective": "greedy_hash"}}}},
            "models.digits.m: the objective greedy_hash learns .*; set equihash.tasks.digits.labels to classes .of a",
        ),
        (
            {"tasks": {"a": {**AUGMENTED, "kind": "noisy", "rotation": 5}}},
            "config: equihash.tasks.a: rotation is a setting of tasks of the kind augmented; this one is noisy, and "
            "has gaussian",
        ),
        (
            {"tasks": {"a": {**AUGMENTED, "hue": 0.1}}},
            "tasks.a: hue is a setting of tasks of the kind warped, natural; ",
        ),
        (
            {"models": {"digits": {"m": {"settings": {"tuple_size": 5}}}}},
            r"models.digits.m, variant default: its tuples: 7,624,512 tuples of 5 bits; .*covered: 4 ",
        ),
        (
            {"models": {"digits": {"m": {"settings": {"group_lambda_s": 1, "group_size": 8}}}}},
            "models.digits.m, variant default: its groups: 42,073,200 tuples of 8 of 32 bits; .* smaller groups",
        ),
        (
            {
                "families": {
                    "digits": {"f": {"model": "shannon_hamming", "database": "small", "grid": {"tuple_size": [3, 9]}}}
                }
            },
            "variant tuple_size=9: its tuples: of 9 bits each; expected 2 to 8",
        ),
        ({"tasks": {"a": {**AUGMENTED, "perlin": "small"}}}, "tasks.a: perlin is a setting of tasks of the kind warp"),
        (
            {"tasks": {"a": {**AUGMENTED, "kind": "natural"}}},
            "config: equihash.tasks.a: a natural task needs a Perlin bank",
        ),
        (
            {"databases": {"d": {"task": "digits", "items": 100, "asked": "items", "positives": 101}}},
            "equihash.databases.d.positives: 101 queries that are its own items; expected at most its 100 items",
        ),
        (
            {"tasks": {"a": {**CLASSES, "bank": "photos45"}}},
            r"tasks.a: labels are classes, but the bank photos45 .reader photos. has none; take a bank with the reader "
            "digits, of a dataset, or set labels: images",
        ),
        (
            {"tasks": {"a": CLASSES}, "databases": {"d": {"task": "a", "items": 100}}},
            "equihash.databases.d: labels of its task a are classes, .*; give it a task of the same bank with labels: ",
        ),
        (
            {"banks": {"b": {"reader": "photos", "slices": SLICES}}},
            "equihash.banks.b.slices: is a setting of the reader hdf5; this one is photos",
        ),
        (
            {"banks": {"b": {"reader": "hdf5", "path": "all.h5", "slices": {**SLICES, "test": [4, 8]}}}},
            "equihash.banks.b.slices: valid and test share the images 4 to 5; expected splits without a common image",
        ),
        (
            {"banks": {"b": {"reader": "hdf5", "path": "all.h5", "slices": {**SLICES, "test": [8, 8]}}}},
            r"equihash.banks.b.slices.test: \[8, 8\]; expected the second number above the first",
        ),
    ],
)
def test_mistakes_between_settings_are_named(blocks, message):
    with pytest.raises(InputError, match=message):
        changed(**blocks)


INSTANCES = {"kind": "instances", "bank": "stereo", "grid": [1, 2], "picture": [40, 40], "colour": True}


def test_a_folder_of_identities_gets_what_the_config_says_of_it():
    from rehash.equihash.images.readers import digiface, identities, stereo

    said = {"path": "/data/i", "skip_single": True, "skip_corrupt": True, "image_size": 9}
    faces = {"reader": "digiface", "path": "f", "splits": {"train": [0, 2], "valid": [2, 4], "test": [4, 6]}}
    config = changed(banks={"mine": {"reader": "identities", **said}, "faces": faces})
    del said["path"]
    assert plan.bank_description(config, "mine") == {"name": "mine", "reader": "identities", **said}
    assert plan.bank_description(config, "faces")["splits"] == faces["splits"]
    options = {reader: {*inspect.signature(reader.read).parameters} for reader in (identities, digiface, stereo)}
    assert options[identities] == {*inspect.signature(banks_folder.read).parameters, "skip_single"}
    assert options[digiface] == {"raw", "splits"} and options[stereo] == {"raw", "image_size"}


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            {"tasks": {"a": {**INSTANCES, "bank": "photos45"}}},
            r"equihash.tasks.a: views are instances, but the bank photos45 .reader photos. has no identities; take a bank "
            "with the reader identities or digiface or stereo, or another kind of task",
        ),
        (
            {"tasks": {"a": {**AUGMENTED, "bank": "stereo", "colour": True}}},
            r"tasks.a: the bank stereo .reader stereo. has identities, for tasks of the kind instances; this one is augm",
        ),
        (
            {"tasks": {"a": {**INSTANCES, "gaussian": 0.1}}},
            "gaussian is a setting of tasks of the kind noisy, augmented;",
        ),
        (
            {"tasks": {"a": {**AUGMENTED, "differ": "any_cell"}}},
            "differ is a setting of tasks of the kind instances; this",
        ),
        ({"tasks": {"a": {**INSTANCES, "differ": "cell"}}}, "tasks.a.differ: unknown value 'cell'; did you"),
        ({"banks": {"b": {"reader": "stereo", "images_limit": 9}}}, "banks.b.images_limit: counts images, which would"),
        ({"banks": {"b": {"reader": "identities"}}}, "banks.b: reader identities needs path; has none"),
        ({"banks": {"b": {"reader": "digiface", "paths": {"train": "x"}}}}, "reader digiface needs path; has paths"),
        (
            {"banks": {"b": {"reader": "digiface", "path": "x", "splits": {"train": [0, 1], "valid": [1, 2]}}}},
            "banks.b.splits: .*'test'",
        ),
        (
            {"tasks": {"a": INSTANCES}, "models": {"a": {"m": {"objective": "csq"}}}},
            "models.a.m: the objective csq learns from classes, but labels of its task are identities; set",
        ),
    ],
)
def test_mistakes_with_identities_are_named(blocks, message):
    with pytest.raises(InputError, match=message):
        changed(**blocks)


def test_the_published_tasks_of_faces_are_the_public_files():
    """configs/DigiFace and configs/DigiFaceMosaic of the public repository, number by number."""
    config = validated(merged(*CONFIGS[:1], PAPER))
    parts = ("micro_batches", "pairs", "steps", "clip", "learning_rate", "optimiser")
    for task, cells in (("digiface", 1), ("digiface_mosaic", 2)):
        assert plan.shape_of(config, task) == (3, 112, 112 * cells)
    for task, model, variant, batches, pairs, settings in (
        ("digiface", "shannon_hamming", "default", 64, 64, {"lambda_s": 0.1, "lambda_h": 1, "tuple_size": 3}),
        ("digiface", "shannon_hamming", "lambda_s=0.003+lambda_h=0.1", 64, 64, {"lambda_s": 0.003, "lambda_h": 0.1}),
        ("digiface", "pseudo_sh_quad", "default", 64, 64, {"lambda_s": 0.001, "lambda_h": 0.1, "tuple_size": 4,
         "covered": 3, "permuted": True, "discrete": True, "huber": 0.01, "huber_branch": 9, "prior": 1}),
        ("digiface", "pseudo_sh_quad", "lambda_s=0.003+lambda_h=0.1", 64, 64, {"lambda_s": 0.003, "tuple_size": 4}),
        ("digiface", "hash_net", "default", 32, 64, {"alpha": 0.05, "gamma": 0.0005, "power": 0.5, "beta_every": 200}),
        ("digiface", "jmlh", "default", 32, 32, {"classes": 10_000, "kl_weight": 0.1, "public": True}),
        ("digiface_mosaic", "shannon_hamming", "default", 32, 64, {"lambda_s": 0.03, "lambda_h": 1, "discrete": False}),
        ("digiface_mosaic", "hash_net", "default", 32, 64, {"alpha": 0.05}),
        ("digiface_mosaic", "jmlh", "default", 32, 32, {"classes": 10_000, "public": True}),
    ):  # fmt: skip
        run = plan.run_params(config, task, model, variant, "3210")
        assert run["network"] == "resnet18" and run["bits"] == 64, (task, model)
        assert {name: run["schedule"][name] for name in parts} == dict(
            zip(parts, (batches, pairs, 100_000, 10, 0.001, "adam"))
        ), (task, model)
        assert settings.items() <= run["settings"].items(), (task, model)
    assert {run["variant"] for family in config["equihash"]["families"]["digiface"]
            for run in plan.family_runs(config, "digiface", family)} == {"lambda_s=0.003+lambda_h=0.1"}  # fmt: skip


def test_families_are_grids_with_seeds():
    grid = {"tuple_size": [2], "lambda_s": [0.1, 1.0]}
    family = {"model": "shannon_hamming", "grid": grid, "seeds": [1, 2], "database": "small"}
    config = changed(families={"digits": {"f": family}})
    runs = plan.family_runs(config, "digits", "f")
    assert [(run["variant"], run["seed"]) for run in runs] == [
        ("tuple_size=2+lambda_s=0.1", 1),
        ("tuple_size=2+lambda_s=0.1", 2),
        ("tuple_size=2+lambda_s=1.0", 1),
        ("tuple_size=2+lambda_s=1.0", 2),
    ]
    assert plan.family_parameters(config, "digits", "f") == {
        "tuple_size=2+lambda_s=0.1": {"lambda_s": 0.1},
        "tuple_size=2+lambda_s=1.0": {"lambda_s": 1.0},
    }


def test_memory_grows_with_the_items_of_a_label():
    """Of few labels each has many items, all of which are held; but no more than the database has."""
    asked = {"task": "digits", "items": 10**8, "asked": "items", "negatives": 0, "pairs": 0}

    def query_mb(**more):
        config = changed(databases={"d": {**asked, **more}})
        return sizes.query_mb(config, "d", 1)

    few = query_mb(bank_size=10, positives=100)  # 10^4 labels of 10^4 items each
    assert query_mb(positives=100) == 1500 and few == 1500 + 2 * 100 * (1 + 10**4) * 200 // 10**6
    assert query_mb(bank_size=10, positives=10**6) == 1500 + 2 * (10**6 + 10**8) * 200 // 10**6


def test_a_config_that_builds_other_models_trains_none_of_the_demo():
    """Lists that it does not name keep the demo's tasks."""
    config = changed(build={"tasks": ["places"], "databases": ["places"], "models": ["places"]})
    assert {of.get("task", "places") for _, of in plan.asked(config)} == {"places"}


def test_the_readme_of_objectives_lists_them_all():
    from rehash.equihash.learning import objectives

    page = (ROOT / "docs" / "equihash.md").read_text().split("\n## Objectives\n")[1].split("\n## ")[0]
    items = [" ".join(item.split()) for item in page.split("\n- ")]
    for name in objectives.names():
        row = next(item for item in items if item.startswith(f"`{name}`: *loss:*"))
        for setting, default in objectives.defaults(name).items():
            shared = name == "hash_net_shannon" and setting not in ("alpha", "lambda_s")
            text = str(default).lower() if isinstance(default, bool | str) else f"{default:g}"
            assert shared or f"`{setting}` {text}" in row, (name, setting)


def test_defaults_of_the_training_are_the_librarys():
    from rehash.equihash.learning.train import FORWARDS, Schedule

    blocks = load_schema()["properties"]["equihash"]["properties"]["models"]["additionalProperties"]
    properties = blocks["additionalProperties"]["properties"]["training"]["properties"]
    defaults = {name: list(value) if value == () else value for name, value in vars(Schedule()).items()}
    assert {key: value["default"] for key, value in properties.items()} == {**defaults, "checkpoints": []}
    assert tuple(properties["forward"]["enum"]) == FORWARDS


def test_settings_of_a_bank_are_those_of_its_reader():
    for reader, settings in READER_SETTINGS.items():
        read = importlib.import_module(f"rehash.equihash.images.readers.{reader}").read
        known = {each.name for each in inspect.signature(read).parameters.values() if each.kind is each.KEYWORD_ONLY}
        assert {*settings} == known - {"seed"}, reader
    with pytest.raises(
        InputError, match=r"banks\.photos\.copies: is a setting of the reader digits; this one is photos"
    ):
        changed(banks={"photos": {"reader": "photos", "copies": 3}})


def test_a_database_evaluates_the_models_it_names(tmp_path):
    (tmp_path / "network.safetensors").write_bytes(b"")
    models = {
        "theirs": {"import": str(tmp_path / "network.safetensors"), "bits": 16, "seeds": [4, 5]},
        "known": {"synthetic": {"flips": 0.1, "name_bits": 9}},
    }
    small = {"models": ["theirs"], "untrained": ["theirs", "hash_net"]}
    all_models = {**CONFIG["equihash"]["models"]["digits"], **models}
    every = {key: value for key, value in CONFIG["equihash"]["databases"]["small"].items() if key not in small}
    config = changed(models={"digits": all_models}, databases={"small": every})
    whole = [(run["model"], run["variant"]) for run in plan.database_runs(config, "small")]
    assert {*whole} >= {("theirs", "imported"), ("known", "synthetic"), ("hash_net", "default")}
    assert "untrained" not in dict(whole).values(), "unless it is asked for"
    config["equihash"]["databases"]["small"] |= small
    named = [(run["model"], run["variant"], run["seed"]) for run in plan.database_runs(config, "small")]
    seed = CONFIG["equihash"]["models"]["digits"]["hash_net"].get("seeds", [3210])[0]
    assert sorted(named) == [("hash_net", "untrained", seed), ("theirs", "imported", 4), ("theirs", "untrained", 4)]
    assert plan.run_params(config, "digits", "theirs", "untrained", "4")["bits"] == 16
    with pytest.raises(InputError, match="it is imported, not trained here; its variants are imported and untrained"):
        plan.run_params(config, "digits", "theirs", "default", "4")
    for key, value, message in (
        ("models", "thiers", "small.models: unknown model 'thiers'; did you mean 'theirs'"),
        ("untrained", "known", "small.untrained: known is synthetic, which has no network before training"),
    ):
        block = {**every, key: [value]}
        with pytest.raises(InputError, match=message):
            changed(models={"digits": all_models}, databases={"small": block})
    config["equihash"]["databases"]["small"] |= {"models": [], "untrained": []}
    with pytest.raises(InputError, match=r"databases\.small\.models: is empty; .*: name shannon_hamming or"):
        plan.compared(config, "small")


def test_networks_that_are_shipped_have_names():
    theirs = {"theirs": {"import": "digits_shanon_hamming"}}
    config = changed(models={"digits": {**CONFIG["equihash"]["models"]["digits"], **theirs}})
    with pytest.raises(InputError, match=r"digits_shanon_hamming does not exist.* by name: .*digits_shannon_hamming"):
        plan.checkpoint(config, "digits", "theirs")
    config["equihash"]["models"]["digits"]["theirs"]["import"] = "digits_shannon_hamming"
    assert plan.checkpoint(config, "digits", "theirs").endswith("digits_shannon_hamming.safetensors")
    content = plan.checkpoint_content(config, "digits", "theirs", "0")
    assert re.fullmatch("[0-9a-f]{32} [0-9a-f]{32}", content), "of the network and of its curves"
