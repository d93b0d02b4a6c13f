"""What is planned for networks of others, and what a config may not say of them."""

import re

import pytest
import yaml
from safetensors.torch import save_file

from graphs import snakemake
from rehash.config import over_defaults, validated
from rehash.errors import InputError
from rehash.hash_encoders import plan

NET = """
from torch import nn

def make(width=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
"""


def config_of(models: dict, asked: list[str] | None = None) -> dict:
    layers = {"mnist5k": {"models": asked or list(models)}}
    return validated(over_defaults({"hash_encoders": {"models": models, "layers": layers}}))


def tables_of(models: dict) -> list[str]:
    return [
        path.removeprefix("results/hash_encoders/mnist5k/models/").removesuffix("/layers.csv")
        for path in plan.layer_tables(config_of(models), "mnist5k")
    ]


def test_networks_are_measured_trained_and_untrained():
    file = {"source": "file", "path": "net.py", "call": "make"}
    assert tables_of({"a": file}) == ["a/untrained/repeat=0"]
    assert tables_of({"a": {**file, "weights": "w.safetensors", "repeats": 2}}) == [
        *("a/trained/repeat=0", "a/untrained/repeat=0", "a/untrained/repeat=1")
    ]
    assert tables_of({"a": {**file, "protocol": "convolutional", "repeats": 2}}) == [
        *("a/trained/repeat=0", "a/trained/repeat=1", "a/untrained/repeat=0", "a/untrained/repeat=1")
    ]
    cohort = {"source": "cohort", "protocol": "scripts", "layer_width": 30}
    assert tables_of({"a": cohort}) == [f"a/{state}/repeat={r}" for state in ("trained", "untrained") for r in range(3)]


FILE = {"source": "file", "path": "net.py", "call": "make"}
WRONG = {
    "no call": ({"source": "file", "path": "net.py"}, "models.m: source file needs call"),
    "no width": ({"source": "cohort", "protocol": "scripts"}, "models.m: source cohort needs layer_width"),
    "other source": ({**FILE, "study": "capacity"}, "models.m.study: is of source cohort, and this is of source file"),
    "name of a file": ({**FILE, "name": "resnet18"}, "models.m.name: is of source torchvision and rehash, and this"),
    "protocol": ({**FILE, "protocol": "script"}, "models.m.protocol: unknown protocol 'script'; did you mean 'scripts'"),
    "both": ({**FILE, "protocol": "scripts", "weights": "w"}, "models.m: has weights, and a protocol to train by"),
    "inputs": ({**FILE, "inputs": "imagnet"}, "models.m.inputs: unknown value 'imagnet'; did you mean 'imagenet'"),
    "no mean": ({**FILE, "inputs": {"std": [1]}}, "models.m.inputs: 'mean' is a required property"),
    "no checksum": ({**FILE, "weights": "https://a.example/w.pt"}, "models.m: weights at an address need a checksum"),
    "checksum": ({**FILE, "checksum": "0" * 32}, "models.m: has a checksum and no weights"),
    "query": ({**FILE, "weights": "https://a.example/w.pt?x=1", "checksum": "0" * 32}, "that end in a file's name"),
    "two names": ({**FILE, "weights": ["https://a.example/w.pt", "https://b.example/v.pt"], "checksum": "0" * 32}, "names"),
    "key": ({**FILE, "weight": "w"}, "models.m: unknown key 'weight'; did you mean 'weights'"),
    "source": ({"source": "timm"}, "models.m.source: unknown value 'timm'"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_block_that_does_not_fit_is_named(what):
    block, message = WRONG[what]
    with pytest.raises(InputError, match=re.escape(message)):
        config_of({"m": block})


def test_a_layers_block_names_known_models():
    with pytest.raises(InputError, match=r"layers.mnist5k.models: unknown model 'mime'; did you mean 'mine'"):
        config_of({"mine": FILE}, ["mime"])
    cohort = {"source": "cohort", "protocol": "scripts", "layer_width": 31}
    with pytest.raises(InputError, match=r"models.m.layer_width: .*unknown layer width '31'"):
        plan.cohort_file(config_of({"m": cohort}), "mnist5k", "m")


def jobs(tmp_path, *words: str) -> dict[str, int]:
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump(
            {
                "hash_encoders": {
                    "models": {"mine": {**FILE, "weights": "w.safetensors"}},
                    "layers": {"mnist5k": {"models": ["mine"], "train_samples": 50, "test_samples": 20}},
                }
            }
        )
    )
    target = "results/hash_encoders/mnist5k/layers.csv"
    output = snakemake(tmp_path, target, *words, configs=[tmp_path / "mine.yaml"])
    return {name: int(n) for name, n in re.findall(r"^(\w+) +(\d+)$", output.split("total")[0], flags=re.M)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which a network of a user's, and its weights, were measured."""
    import torch

    found = tmp_path_factory.mktemp("mine")
    (found / "net.py").write_text(NET)
    torch.manual_seed(4)
    weights = {
        "1.weight": torch.randn(4, 784),
        "1.bias": torch.zeros(4),
        "3.weight": torch.randn(10, 4),
        "3.bias": torch.zeros(10),
    }
    save_file(weights, found / "w.safetensors")
    assert jobs(found, "--cores", "2") == {
        "build_dataset": 1, "encode_model": 2, "measure_layers": 2, "collect_layers": 1,
    }  # fmt: skip
    assert jobs(found, "-n") == {}
    return found


def test_what_counts_in_a_users_network_is_its_content(folder):
    """A comment in the file counts: what a user's code means is not looked into."""
    net, weights = folder / "net.py", folder / "w.safetensors"
    before = weights.read_bytes()
    net.touch()
    weights.touch()
    assert jobs(folder, "-n") == {}
    net.write_text(NET.replace("width=4", "width=5"))
    assert jobs(folder, "-n") == {"encode_model": 2, "measure_layers": 2, "collect_layers": 1}
    net.write_text(NET)
    weights.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    assert jobs(folder, "-n") == {"encode_model": 1, "measure_layers": 1, "collect_layers": 1}  # not the untrained one
    weights.rename(folder / "elsewhere")  # its codes stand
    assert jobs(folder, "-n") == {}
    weights.write_bytes(before)


def test_weights_at_an_address_are_fetched(folder, tmp_path):
    block = {**FILE, "path": str(folder / "net.py"), "weights": ["https://a.example/b/w.pt", "https://c.example/w.pt"]}
    models = {"mine": {**block, "checksum": "0" * 32}}
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({"hash_encoders": {"models": models, "layers": {"mnist5k": {"models": ["mine"]}}}})
    )
    target = "results/hash_encoders/mnist5k/layers.csv"
    output = snakemake(tmp_path, target, "-n", "-p", configs=[tmp_path / "mine.yaml"])
    assert "Fetching w.pt, the weights of mine" in output
    assert plan.weights_mirrors(config_of(models), "mine") == ["https://a.example/b", "https://c.example"]


def test_other_weights_than_the_checksum_says_stop_the_plan(folder):
    models = {
        "mine": {**FILE, "path": str(folder / "net.py"), "weights": str(folder / "w.safetensors"), "checksum": "0" * 32}
    }
    with pytest.raises(InputError, match=r"models.mine.checksum: .*w.safetensors has the MD5 \w{32}; expected 0{32}"):
        plan.model_content(config_of(models), "mnist5k", "mine", "0", "trained")


def test_a_node_whose_name_is_a_number_wants_quotes():
    with pytest.raises(
        InputError, match=r"models.m.nodes.0: 0.2 is a number to YAML, expected a text; put it in quotes"
    ):
        config_of({"m": {**FILE, "nodes": [0.2]}})
