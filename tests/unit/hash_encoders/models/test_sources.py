"""Networks from files and torchvision, and their weights: what is read, and what is refused with which words."""

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from rehash.errors import InputError
from rehash.hash_encoders.models.python_files import python_digest, python_files
from rehash.hash_encoders.models.sources import build, load_weights

BLOCK = {"source": "file", "call": "make", "arguments": None, "name": None}
GOOD = """
from torch import nn

def make(width=4):
    return nn.Sequential(nn.Linear(3, width), nn.Dropout(), nn.ReLU(), nn.Linear(width, 2))
"""


def made(path, **changes) -> nn.Module:
    seed = {"seed": 1, "name": "mine", "repeat": 0, **{k: changes.pop(k) for k in ("repeat",) if k in changes}}
    return build({**BLOCK, **changes}, channels=3, classes=2, path=path, **seed)


@pytest.fixture
def file(tmp_path):
    def write(content: str, name: str = "net.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content, encoding="utf-8")
        return path

    return write


def test_a_file_makes_a_network_and_its_start_follows_from_seed_and_repeat(file):
    path = file(GOOD)
    one, same, other = made(path), made(path), made(path, repeat=1)
    assert not one.training and torch.equal(one[0].weight, same[0].weight)
    assert not torch.equal(one[0].weight, other[0].weight)
    assert made(path, arguments={"width": 7})[0].out_features == 7
    assert os.listdir(path.parent) == ["net.py"]  # and no compiled one


def test_generators_of_others_are_left_as_they_were(file):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    made(file(GOOD))
    assert torch.equal(torch.rand(2), expected)


WRONG = {
    "syntax": ("def make(:", r"SyntaxError: invalid syntax \(net.py, line 1\)"),
    "import": (
        "import torch\nimport nothing_of_this_name\n",
        r"net.py, line 2: ModuleNotFoundError: .*nothing_of_this",
    ),
    "exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "raises": ("def helper():\n    1 / 0\ndef make():\n    helper()\n", r"make\(\) failed: .*net.py, line 2: ZeroDiv"),
    "dictionary": ("def make():\n    return {}\n", r"make\(\) of .*net.py returned a dict; expected a torch.nn.Module"),
    "class": ("from torch import nn\ndef make():\n    return nn.Linear\n", "returned a type; expected"),
    "other name": ("def makes():\n    pass\n", "unknown function 'make'; did you mean 'makes'"),
    "lazy": (
        "from torch import nn\ndef make():\n    return nn.LazyLinear(3)\n",
        "weight of the network has no size before",
    ),
    "arguments": ("def make(width):\n    pass\n", "missing 1 required positional argument: 'width'"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_that_makes_no_network_is_named_with_the_line(file, what):
    content, message = WRONG[what]
    with pytest.raises(InputError, match=f"(?s)config: hash_encoders.models.mine.*{message}"):
        made(file(content))


def test_a_file_may_import_those_beside_it_and_they_count(file, tmp_path):
    file("from torch import nn\ndef block():\n    return nn.ReLU()\n", "parts/blocks.py")
    file("from parts.blocks import block\n", "helpers_of_net.py")
    file("import nothing\n", "another.py")
    path = file("import helpers_of_net\nfrom torch import nn\ndef make():\n    return helpers_of_net.block()\n")
    assert isinstance(made(path), nn.ReLU)
    assert [str(each.relative_to(tmp_path)) for each in python_files(path)] == [
        *("helpers_of_net.py", "net.py", "parts/blocks.py")
    ]
    before = python_digest(path)
    file("x = 1\n", "another.py")
    assert python_digest(path) == before
    file("# other\n", "parts/__init__.py")
    package = python_digest(path)
    file("from torch import nn\ndef block():\n    return nn.ReLU6()\n", "parts/blocks.py")
    assert len({before, package, python_digest(path)}) == 3


def test_a_digest_does_not_depend_on_the_folder(file, tmp_path):
    one = python_digest(file(GOOD, "a/net.py"))
    assert one == python_digest(file(GOOD, "b/net.py"))


def test_networks_of_torchvision_have_the_datasets_classes():
    block = {"source": "torchvision", "name": "resnet18", "arguments": None}
    network = build(block, channels=3, classes=7, seed=1, name="r", repeat=0)
    assert network.fc.out_features == 7
    with pytest.raises(InputError, match="unknown network of torchvision 'resnet81'; did you mean 'resnet1"):
        build({**block, "name": "resnet81"}, channels=3, classes=7, seed=1, name="r", repeat=0)
    with pytest.raises(InputError, match=r"models.r.arguments: .*num_class"):
        build({**block, "arguments": {"num_class": 3}}, channels=3, classes=7, seed=1, name="r", repeat=0)


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).state_dict()


FORMS = {
    "safetensors": lambda state, path: save_file(state, path),
    "state dict": torch.save,
    "old format": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "checkpoint": lambda state, path: torch.save({"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}, path),
    "parallel": lambda state, path: torch.save({"model": {f"module.{k}": v for k, v in state.items()}}, path),
    "compiled": lambda state, path: save_file({f"_orig_mod.{k}": v for k, v in state.items()}, path),
    "no counter": lambda state, path: torch.save({k: v for k, v in state.items() if "batches" not in k}, path),
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_read_from_every_form_that_holds_tensors_alone(tmp_path, network, state, form):
    FORMS[form](state, tmp_path / "weights")  # whatever it is called
    load_weights(network, tmp_path / "weights", "config: here")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_half_precision_becomes_single(tmp_path, network, state):
    save_file(
        {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in state.items()},
        tmp_path / "w",
    )
    load_weights(network, tmp_path / "w", "config: here")
    assert network[0].weight.dtype == torch.float32
    assert torch.equal(network[0].weight, state["0.weight"].half().float())


def test_weights_of_another_shape_are_listed_with_both_shapes(tmp_path, network, state):
    del state["0.bias"]
    state |= {"0.weight": torch.zeros(5, 3), "2.weight": torch.zeros(2), "1.bias": torch.full((4,), torch.nan)}
    save_file(state, tmp_path / "w")
    with pytest.raises(InputError) as error:
        load_weights(network, tmp_path / "w", "config: here")
    for words in (
        "0.weight is (5, 3), expected (4, 3)",
        "lacks 0.bias (4)",
        "has 2.weight (2), which",
        "1.bias holds NaN",
    ):
        assert words in str(error.value)


def test_whole_numbers_are_no_weights(tmp_path, network, state):
    """Those of a quantised network have the right shapes, and mean nothing without their scales."""
    save_file(state | {"0.weight": (100 * state["0.weight"]).to(torch.int8)}, tmp_path / "w")
    with pytest.raises(InputError, match=r"0.weight is of torch.int8, expected torch.float32"):
        load_weights(network, tmp_path / "w", "config: here")


class Harmful:
    def __reduce__(self):
        return os.mkdir, ("harm",)


@pytest.mark.parametrize("save", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, 2))])
def test_nothing_is_unpickled(tmp_path, monkeypatch, network, save):
    monkeypatch.chdir(tmp_path)
    save({"0.weight": Harmful()}, tmp_path / "w")
    with pytest.raises(InputError, match=r"/w: it asks for \S*mkdir, and only tensors are read"):
        load_weights(network, tmp_path / "w", "config: here")
    assert not (tmp_path / "harm").exists()


OTHER = {
    "a tensor": (lambda path: torch.save(torch.zeros(3), path), "holds a Tensor; expected a state dict"),
    "no tensors": (lambda path: torch.save({"epoch": 3, "lr": 0.1}, path), "holds a dictionary of epoch, lr; expected"),
    "text": (lambda path: path.write_text("weights"), "not safetensors and not a state dict of torch, or damaged"),
    "half a file": (lambda path: (save_file({"a": torch.zeros(99)}, path), path.write_bytes(path.read_bytes()[:99])), "or damaged"),
    "nothing": (lambda path: None, "not safetensors and not"),
}  # fmt: skip


@pytest.mark.parametrize("what", OTHER)
def test_files_that_hold_something_else_are_named(tmp_path, network, what):
    write, message = OTHER[what]
    write(tmp_path / "w")
    with pytest.raises(InputError, match=message):
        load_weights(network, tmp_path / "w", "config: here")
