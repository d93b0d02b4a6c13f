import copy
import dataclasses

import pytest
import yaml

from rehash.config import ROOT, check_files, load_schema, over_defaults, validated
from rehash.errors import InputError

BASE = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def changed(path: str, value) -> dict:
    config = copy.deepcopy(BASE)
    *parents, last = path.split("/")
    block = config
    for key in parents:
        block = block[key]
    block[last] = value
    return config


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("sede", 1, "config: top level: unknown key 'sede'; did you mean 'seed'?"),
        ("device", "cude", "config: device: unknown value 'cude'; did you mean 'cuda'?"),
        ("seed", "one", "config: seed: 'one' is not of type 'integer'"),
        ("hash_encoders/capcity", {}, "config: hash_encoders: unknown key 'capcity'; did you mean 'capacity'?"),
        ("hash_encoders/datasets", ["mnits"], "config: hash_encoders.datasets: unknown dataset 'mnits'; did you mean 'mnist'?"),
        (
            "hash_encoders/capacity/mnist5k/protocols",
            ["script"],
            "config: hash_encoders.capacity.mnist5k.protocols: unknown protocol 'script'; did you mean 'scripts'?",
        ),
        ("hash_encoders/capacity/mnist5k/layer_widths", [40, 0], "config: hash_encoders.capacity.mnist5k.layer_widths.1: 0 is less than the minimum of 1"),
        ("hash_encoders/capacity/mnist5k/repeats", 0, "repeats: 0 is less than the minimum of 1"),
        ("hash_encoders/protocols/scripts/optimizer", "adam", "did you mean 'optimiser'?"),
        ("hash_encoders/protocols/scripts/batch_norm/epsilon", 1, "config: hash_encoders.protocols.scripts.batch_norm: unknown key 'epsilon'; did you mean 'eps'?"),
        ("hash_encoders/capacity/mnist5k/layer_widths", [3.0], "layer_widths.0: 3.0 is not of type 'integer'"),
        ("hash_encoders/protocols/scripts/l2", float("nan"), "l2: nan is not of type 'number'"),
        ("hash_encoders/protocols/scripts/learning_rate", float("inf"), "inf is not of type 'number'"),
        ("hash_encoders/protocols/my-p", BASE["hash_encoders"]["protocols"]["scripts"], "hash_encoders.protocols: the name 'my-p' may have only letters, digits and underscores"),
        ("datasets/a.b", BASE["datasets"]["mnist5k"], "config: datasets: the name 'a.b' may have only"),
        ("datasets/mnist/files/trian_images", {"name": "x", "md5": "0" * 32}, "files: unknown key 'trian_images'; did you mean 'train_images'?"),
        ("datasets/mnist/files/train_images/name", "../x", "'../x' does not match"),
        ("hash_encoders/datasets", [], "hash_encoders.datasets: [] should be non-empty"),
        ("datasets/mnist/mirrors", [], "config: datasets.mnist: reader idx needs a path, or mirrors and the files train_images, train_labels, test_images, test_labels; missing: mirrors"),
        ("datasets/mine", {"reader": "image_folder"}, "config: datasets.mine: reader image_folder needs a path"),
        ("datasets/mnist/path", "/data", "config: datasets.mnist: has a path, and mirrors or files, too"),
        ("datasets/mnist/checksum", "0" * 32, "config: datasets.mnist: checksum is of a path; files on mirrors have an md5 each"),
        ("hash_encoders/regions/svnh", {"layer_widths": [3]}, "config: hash_encoders.regions: unknown dataset 'svnh'; did you mean 'svhn'?"),
        ("hash_encoders/regions/svhn", {"layer_widths": [10], "studies": ["training_time"]}, "config: hash_encoders.regions.svhn.studies: svhn has no study 'training_time'; add a block hash_encoders.training_time.svhn, or name only studies that it has"),
        ("hash_encoders/regions/mnist", {"layer_widths": [40], "epochs": [0, 3]}, "config: hash_encoders.regions.mnist.epochs: only networks of training_time are kept at epochs; expected studies: [training_time], or epochs: null"),
        ("hash_encoders/regions/mnist/directions", ["up"], "directions.0: unknown value 'up'"),
        ("hash_encoders/label_noise/mnist5k/shares", [1.5], "shares.0: 1.5 is greater than the maximum of 1"),
        ("hash_encoders/training_time/mnist5k/epochs", [0], "epochs: [0] does not contain items matching"),
        ("hash_encoders/sample_size/mnist5k/sample_sizes", [1], "sample_sizes.0: 1 is less than the minimum of 2"),
        ("hash_encoders/protocols/scripts/learning_rate", "1e-3", "'1e-3' is text to YAML, expected a number; write 1.0e-3, not 1e-3"),
        ("hash_encoders/phase_chart/thresholds/redundancy_near_zero", 0.9, "redundancy_near_zero is 0.9; expected less than redundancy_high, which is 0.5"),
        ("datasets/mnist/image_size", 9, "config: datasets.mnist.image_size: the reader idx has no such setting; leave it out. It has: none"),
        ("datasets/mnist/files/train_images/name", "..", "'..' does not match"),
        ("datasets/mnist/files/train_images/name", "train-labels-idx1-ubyte", "two roles have the same name"),
        ("hash_encoders/published/mnist5k/role", "contxt", "did you mean 'context'?"),
        ("datasets/mnist/reader", "idxx", "did you mean 'idx'?"),
        ("tgsh/benchmarks/rotation", {"tasks": 0, "angle": "10 * t"}, "config: tgsh.benchmarks.rotation.tasks: 0 is less than the minimum of 1"),
        ("tgsh/benchmarks/rotation", {"tasks": []}, "config: tgsh.benchmarks.rotation.tasks: [] should be non-empty"),
        ("tgsh/benchmarks/rotation", {"tasks": [{"angel": 3}]}, "tasks.0: unknown key 'angel'; did you mean 'angle'?"),
        ("tgsh/benchmarks/rotation", {"angle": "10 * t"}, "'tasks' is a required property"),
        ("tgsh/benchmarks/rotation/interpolation", "bilinaer", "did you mean 'bilinear'?"),
        ("hash_encoders/protocols/scripts/decay_epochs", [40, 60], "config: hash_encoders.protocols.scripts: decay_every is 20 and decay_epochs [40, 60]; expected one or the other"),
        ("hash_encoders/protocols/scripts/decay_epochs", [0], "protocols.scripts.decay_epochs.0: 0 is less than the minimum of 1"),
        ("hash_encoders/protocols/scripts/weight_decay", -1, "weight_decay: -1 is less than the minimum of 0"),
        ("tgsh/datasets", ["cifar10"], "config: tgsh.datasets: unknown dataset without FlyNet 'cifar10'"),
        ("tgsh/flynet/mnits", {}, "config: tgsh.flynet: unknown dataset 'mnits'; did you mean 'mnist'?"),
        ("tgsh/flynet/mnist/benchmarks", ["shfit"], "config: tgsh.flynet.mnist.benchmarks: unknown benchmark 'shfit'; did you mean 'shift'?"),
        ("tgsh/baselines/mnist5k/methods", ["online_ecw"], "did you mean 'online_ewc'?"),
        ("tgsh/baselines/mnist5k/benchmarks", ["rotation-dnse"], "config: tgsh.encoders: unknown encoder 'dnse'; did you mean 'dense'?"),
        ("tgsh/baselines/svhn", {"benchmarks": []}, "config: tgsh.baselines: unknown dataset without FlyNet 'svhn'"),
        ("equihash/tasks/digits/bank", "digist", "config: equihash.tasks.digits: unknown bank 'digist'; did you mean 'digits'?"),
        ("equihash/tasks/photos/perlin", None, "config: equihash.tasks.photos: a warped task needs a Perlin bank"),
        ("equihash/databases/small/task", "digit", "config: equihash.databases.small: unknown task 'digit'; did you mean 'digits'?"),
        ("equihash/databases/small/multiplicity", 0, "multiplicity: 0 is less than the minimum of 1"),
        ("equihash/databases/small/shards", 0, "shards: 0 is less than the minimum of 1"),
        ("equihash/banks/digits/dataset", "mnits", "config: equihash.banks.digits: unknown dataset 'mnits'; did you mean 'mnist'?"),
        ("equihash/banks/mine", {"reader": "image_folder"}, "config: equihash.banks.mine: reader image_folder needs path; has none"),
        ("equihash/banks/photos/path", "x", "config: equihash.banks.photos: reader photos needs no path; has path"),
        ("equihash/perlin/small/lattice", [2], "config: equihash.perlin.small.lattice: [2] is too short"),
        ("equihash/build/tasks", ["photso"], "config: equihash.build: unknown task 'photso'; did you mean 'photos'?"),
        ("datasets/mnist/files/train_images/md5", "abc", "config: datasets.mnist.files.train_images.md5: 'abc' does not match"),
    ],
)  # fmt: skip
def test_a_typo_names_the_key_and_what_was_expected(path, value, message):
    with pytest.raises(InputError) as error:
        validated(changed(path, value))
    assert message in str(error.value)


def test_defaults_are_filled_in_at_every_level():
    config = copy.deepcopy(BASE)
    del config["seed"], config["hash_encoders"]["datasets"]
    config = validated(config)
    assert config["seed"] == 2021 and config["hash_encoders"]["datasets"] == ["mnist5k"]
    full = validated(BASE)
    assert full["hash_encoders"]["protocols"]["figures"]["decay_every"] is None
    assert full["hash_encoders"]["capacity"]["mnist5k"]["protocols"] == ["scripts"]
    assert "decay_every" not in BASE["hash_encoders"]["protocols"]["figures"], "the input is left alone"


def objects(schema: dict, path: str = ""):
    if schema.get("type") == "object" or "object" in schema.get("type", ()):
        yield path, schema
    for key, value in schema.get("properties", {}).items():
        yield from objects(value, f"{path}.{key}")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from objects(schema["additionalProperties"], f"{path}.<name>")


def test_the_schema_is_strict_and_described_at_every_level():
    for path, schema in objects(load_schema()):
        assert "additionalProperties" in schema and schema["additionalProperties"] is not True, path
        for key, value in schema.get("properties", {}).items():
            assert value.get("description"), f"{path}.{key}"
            assert not [word for word in value if " " in word], f"{path}.{key}: an unquoted comma in a description"


def test_defaults_of_a_protocol_are_the_librarys():
    from rehash.hash_encoders.protocols import Protocol

    properties = load_schema()["properties"]["hash_encoders"]["properties"]["protocols"]["additionalProperties"][
        "properties"
    ]
    defaults = {f.name: f.default for f in dataclasses.fields(Protocol) if f.default is not dataclasses.MISSING}
    assert {key: value["default"] for key, value in properties.items() if "default" in value} == defaults
    assert set(properties) == {f.name for f in dataclasses.fields(Protocol)}


def test_defaults_of_flynets_training_are_the_librarys():
    from rehash.tgsh.baselines import AdamSchedule, BaselineTraining
    from rehash.tgsh.methods import BASELINES, METHODS
    from rehash.tgsh.train import Schedule

    wing = load_schema()["properties"]["tgsh"]["properties"]
    for part, schedule in (("flynet", Schedule), ("baselines", AdamSchedule)):
        properties = wing[part]["additionalProperties"]["properties"]
        assert {f.name: f.default for f in dataclasses.fields(schedule)} == {
            f.name: properties[f.name]["default"] for f in dataclasses.fields(schedule)
        }
    assert properties["methods"]["items"]["enum"] == properties["methods"]["default"] == list(BASELINES)
    defaults = {f.name: f.default for f in dataclasses.fields(BaselineTraining)}
    for name in (name for each in METHODS.values() for name in each.settings):
        assert defaults[name] == properties[name]["default"]


def test_a_dataset_without_any_study_is_named():
    config = changed("datasets/mine", {"reader": "npz", "path": "x.npz"})
    config["hash_encoders"]["datasets"] = ["mine"]
    with pytest.raises(
        InputError, match=r"no study has a block for 'mine'; add one, for example hash_encoders\.capacity"
    ):
        validated(config)


def test_a_small_config_is_laid_over_the_defaults_key_by_key():
    """Mappings merge, at any depth; lists and single values are replaced."""
    small = {"seed": 7, "tgsh": {"datasets": []}, "hash_encoders": {"capacity": {"mnist5k": {"layer_widths": [2]}}}}
    found = over_defaults(small)
    assert (found["seed"], found["tgsh"]["datasets"]) == (7, [])
    assert found["hash_encoders"]["capacity"]["mnist5k"] == {"layer_widths": [2]}
    assert found["hash_encoders"]["capacity"]["mnist"] == BASE["hash_encoders"]["capacity"]["mnist"]
    assert found["device"] == BASE["device"] and validated(found)
    assert over_defaults({}) == over_defaults(BASE) == BASE


def test_a_key_of_another_workflow_says_where_rehashs_part_belongs():
    with pytest.raises(
        InputError, match=r"top level: unknown key 'samples'.*under a key of its own, and says config: config"
    ):
        validated(changed("samples", "samples.tsv"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\ndevice: cpu\nseed: 2\n", "the key 'seed' stands twice, in lines 1 and 3"),
        ("tgsh: {datasets: []}\nhash_encoders:\n  datasets: [a]\n\ntgsh:\n  datasets: [b]\n", "'tgsh' stands twice, in lines 1 and 5"),
        ("a:\n  b:\n    c: 1\n    d: 2\n    c: 3\n", "'a.b.c' stands twice, in lines 3 and 5"),
        ("a: [{b: 1, b: 2}]", "'a.b' stands twice, in lines 1 and 1"),
        ("x: &x {y: 1, 'y': 2}\nz: *x\n", "'x.y' stands twice"),
        ('{"seed": 1, "seed": 2}', "'seed' stands twice"),
        ("\ufeffseed: 1\r\nseed: 2\r\n", "'seed' stands twice, in lines 1 and 2"),
    ],
)  # fmt: skip
def test_a_key_that_stands_twice_is_an_error_with_both_lines(tmp_path, text, message):
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=f"mine.yaml: .*{message}"):
        check_files([path])


def test_keys_that_look_twice_and_are_not(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("a: &a {b: 1}\nc: {<<: *a, b: 2}\nd: [{b: 1}, {b: 1}]\ne: {b: {b: 1}}\nf: *a\n")
    check_files([path, tmp_path / "nowhere.yaml"])
    path.write_bytes(b"\xff\xfe")  # Snakemake says what is wrong with what it cannot read
    check_files([path])


MINE = {"reader": "image_folder", "path": "p"}
TWICE = {
    "datasets": MINE,
    "hash_encoders/protocols": BASE["hash_encoders"]["protocols"]["scripts"],
    "tgsh/benchmarks": {"tasks": 1},
    "equihash/banks": {"reader": "photos"},
    "equihash/models/digits": BASE["equihash"]["models"]["digits"]["hash_net"],
}


@pytest.mark.parametrize("path", TWICE)
def test_names_that_a_disk_may_not_tell_apart_are_refused(path):
    """Where upper and lower case are one, mine.h5 and Mine.h5 are one file."""
    with pytest.raises(InputError) as caught:
        validated(changed(path, {"mine": TWICE[path], "Mine": TWICE[path]}))
    where = f"config: {path.replace('/', '.')}"
    assert str(caught.value).startswith(f"{where}: the names 'mine' and 'Mine' differ in upper and lower case only")
