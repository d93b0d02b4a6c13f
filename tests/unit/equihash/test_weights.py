"""Weights in files: round trips to the bit, public checkpoints, and files that are not what they should be."""

import hashlib
import json
import os
import pickle
import re
import shutil
import zipfile
from collections import OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from rehash.equihash.learning.architectures import NETWORKS, build_network
from rehash.equihash.learning.folding import folded
from rehash.equihash.learning.imported import import_network
from rehash.equihash.learning.public_checkpoint import import_checkpoint
from rehash.equihash.learning.weights import read_network, write_network
from rehash.errors import InputError
from rehash.tensors import pack_tensors

CPU = torch.device("cpu")
SMALL = {"network": "mosaic_cnn", "bits": 8, "shape": [1, 16, 16]}
OURS = {**SMALL, "keys": {"task": "digits", "model": "theirs", "variant": "imported"}, "seed": 0}
SHALLOW = [name for name in NETWORKS if name not in ("resnet34", "resnet50")]  # these are as resnet18, and slow


def built(identity: dict, seed: int = 1) -> torch.nn.Module:
    return build_network(identity["network"], identity["bits"], tuple(identity["shape"]), seed=seed)


# ---------------------------------------------------------------------------------------------------------------------
# Our files


@pytest.mark.parametrize("name", SHALLOW)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_round_trip_to_the_bit(tmp_path, name, layout):
    identity = {"network": name, "bits": 16, "shape": [1, 20, 24], "seed": 7, "keys": {"task": "t"}}
    network = built(identity).to(memory_format=layout)
    x = torch.rand(5, 1, 20, 24)
    for _ in range(3):
        network(x).square().sum().backward()
    write_network(tmp_path / "a", network, identity)
    write_network(tmp_path / "b", network, identity)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    again, found = read_network(tmp_path / "a", CPU)
    assert found == identity and not again.training and not any(module.training for module in again.modules())
    before, after = network.state_dict(), again.state_dict()
    assert list(before) == list(after) and before.get("norm.num_batches_tracked", 3) == 3
    for key, tensor in before.items():
        assert after[key].dtype == tensor.dtype and torch.equal(after[key], tensor), key
    torch.testing.assert_close(again(x), network.eval()(x))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_networks_are_read_to_a_device(tmp_path):
    write_network(tmp_path / "w", built(SMALL), SMALL)
    network, _ = read_network(tmp_path / "w", torch.device("meta"))
    assert {tensor.device.type for tensor in network.state_dict().values()} == {"meta"}


def refuses(path: Path | str, *messages: str) -> None:
    with pytest.raises(InputError) as caught:
        read_network(path, CPU)
    assert str(caught.value).startswith(f"{path}: not a network of rehash, or damaged (")
    ours = Path(path).parts[0] == "results"
    again = (
        f"snakemake --cores all --force {path}" if ours else "copy it again from where it comes, or make it again there"
    )
    assert str(caught.value).endswith(again)
    for message in messages:
        assert message in str(caught.value)


def test_truncated_files(tmp_path, monkeypatch):
    write_network(tmp_path / "whole", built(SMALL), SMALL)
    content, path = (tmp_path / "whole").read_bytes(), tmp_path / "part"
    for size in {0, 1, 7, 8, 9, 100, len(content) - 1, *range(200, len(content), len(content) // 37)}:
        path.write_bytes(content[:size])
        refuses(path)
    path.write_bytes(content + b"\0")
    refuses(path)
    refuses(tmp_path / "there is none", "No such file")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    shutil.copy(path, "results/network.safetensors")
    refuses("results/network.safetensors")


def test_files_of_something_else(tmp_path):
    network, path = built(SMALL), tmp_path / "w"

    def saved(change=None, identity=SMALL):
        tensors = network.state_dict()
        if change:
            change(tensors)
        path.write_bytes(pack_tensors(tensors, identity))
        return path

    read_network(saved(), CPU)
    refuses(saved(lambda t: t.pop("norm1.running_var")), "lacks norm1.running_var")
    refuses(saved(lambda t: t.update(extra=torch.zeros(3))), "extra is unexpected")
    refuses(
        saved(lambda t: t.update({"conv2.weights": t.pop("conv2.weight")})),
        "lacks conv2.weight; conv2.weights is unexpected",
    )
    refuses(
        saved(lambda t: t.update({"dense.bias": torch.zeros(9), "norm.bias": torch.zeros(8, 1)})),
        "dense.bias is float32 (9,), expected float32 (8,); norm.bias is float32 (8, 1), expected float32 (8,)",
    )
    refuses(
        saved(lambda t: t.update({"dense.bias": torch.zeros(8).double()})),
        "dense.bias is float64 (8,), expected float32 (8,)",
    )
    refuses(saved(lambda t: t.update({"dense.bias": torch.tensor([0.0] * 7 + [torch.nan])})), "dense.bias holds NaN")
    refuses(saved(lambda t: t.update({"dense.bias": torch.tensor([0.0] * 7 + [torch.inf])})), "dense.bias holds NaN")
    for metadata in (None, {"format": "pt"}, *({"rehash": text} for text in ("{", "[]", json.dumps(SMALL)))):
        save_file(network.state_dict(), path, metadata)
        refuses(path)
    for identity in (SMALL | {"shape": 3}, {"network": "mosaic_cnn", "bits": 8}):
        refuses(saved(identity=identity))
    refuses(saved(identity=SMALL | {"network": "mosaic"}), "did you mean 'mosaic_cnn'")
    refuses(saved(identity=SMALL | {"bits": 12}), "dense.bias is float32 (8,), expected float32 (12,)")
    refuses(saved(identity=SMALL | {"bits": 16}), "dense.weight is float32 (8, 512), expected float32 (16")


# ---------------------------------------------------------------------------------------------------------------------
# Public checkpoints

GREY = {"network": "resnet18", "bits": 16, "shape": [1, 20, 20], "seed": 0}


def mosaic_shapes(bits: int, dense: int = 1728) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state_dict of MnistMosaicCNN, in its order."""
    shapes = {"conv1.weight": (24, 1, 5, 5), "conv1.bias": (24,), "conv2.weight": (32, 24, 3, 3), "conv2.bias": (32,)}
    shapes |= {"conv3.weight": (48, 32, 3, 3), "conv3.bias": (48,)} | norm_shapes("conv2_bn", 24)
    shapes |= norm_shapes("conv3_bn", 32) | {"fc1.weight": (512, dense), "fc1.bias": (512,)}
    return shapes | {"fc2.weight": (bits, 512), "fc2.bias": (bits,)} | norm_shapes("bn", bits)


def norm_shapes(layer: str, width: int) -> dict[str, tuple[int, ...]]:
    return {f"{layer}.{part}": (width,) for part in ("weight", "bias", "running_mean", "running_var")} | {
        f"{layer}.num_batches_tracked": ()
    }


def resnet_shapes(bits: int, channels: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the state_dict of torchvision's ResNet-18 with the public last layer."""
    shapes = {"conv1.weight": (64, channels, 7, 7)} | norm_shapes("bn1", 64)
    before = 64
    for layer, width in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            name = f"layer{layer}.{block}"
            shapes |= {f"{name}.conv1.weight": (width, before, 3, 3)} | norm_shapes(f"{name}.bn1", width)
            shapes |= {f"{name}.conv2.weight": (width, width, 3, 3)} | norm_shapes(f"{name}.bn2", width)
            if before != width:
                shapes |= {f"{name}.downsample.0.weight": (width, before, 1, 1)}
                shapes |= norm_shapes(f"{name}.downsample.1", width)
            before = width
    return shapes | {"fc.0.weight": (bits, 512)} | norm_shapes("fc.1", bits)


def random_net(shapes: dict[str, tuple[int, ...]]) -> OrderedDict:
    """A state_dict of random weights whose BatchNorms have seen things, with torch's note of versions."""
    chance, tensors = torch.Generator().manual_seed(4), OrderedDict()
    for name, shape in shapes.items():
        if name.endswith("num_batches_tracked"):
            tensors[name] = torch.tensor(200_000)
        elif len(shape) > 1:
            tensors[name] = torch.randn(shape, generator=chance) * np.prod(shape[1:]) ** -0.5
        else:
            tensors[name] = torch.rand(shape, generator=chance) + 0.3
    tensors._metadata = OrderedDict({"": {"version": 1}, "bn": {"version": 2}})
    return tensors


def state(net: OrderedDict, network_class: str = "MnistMosaicCNN", early: bool = False) -> dict:
    """What the public training saves: train.py, utils/states.py, the trainers and the evaluation."""
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.ones(3))], lr=0.001)
    optimiser.param_groups[0]["params"][0].grad = torch.ones(3)
    optimiser.step()
    generator = torch.Generator().manual_seed(1).get_state()
    quantiles = np.quantile([1.0, 2.0], [0, 0.5, 1]).tolist()
    clipped = 3.0 / np.prod((4, 5))  # a numpy scalar
    if early:
        shannon = defaultdict(list, {(64, 3): [0.25, 0.5]})
        log = {"steps": [100], "avg_shannon_gradient": shannon, "clipping_ratios": [clipped], "losses": [None]}
        log["avg_shannon_gradients"] = defaultdict(list)
        results = {"which": "train", "steps": [100], "nb_documents": [1000]}
        loader = generator
    else:
        log = {100: {"max_clipping_ratio": clipped, "max_saturation_ratio": float("nan"), "quantiles": quantiles}}
        distances = np.bincount([0, 3, 3], minlength=65)
        entropies = {1: 0.99, 2: np.float32(1.5)}
        results = {100: {"nb_pairs": 2, "positive_hamming_distances": distances, "worst_entropies": entropies}}
        loader = (np.random.RandomState(51966).get_state(), generator)
    trainer = {"step": 100, "loader": loader, "optim": optimiser.state_dict(), "training_log": log}
    config = {"seed": 51966, "nb_steps": 100_000, "network_class": network_class, "network_kwargs": {"k": 64}}
    return {"config": config, "net": net, "trainer": trainer, "train_results": results, "valid_results": results}


def patched(path: Path, *changes: tuple[bytes, bytes]) -> Path:
    """A checkpoint with other bytes in its pickle."""
    target = path.with_suffix(".patched")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("/data.pkl"):
                for before, after in changes:
                    assert before in content
                    content = content.replace(before, after)
            new.writestr(name, content)
    return target


def shapes_of(identity: dict) -> dict[str, tuple[int, ...]]:
    if identity["network"] == "mosaic_cnn":
        return mosaic_shapes(identity["bits"], {56: 1728, 16: 48, 61: 48 * 6 * 3}[identity["shape"][1]])
    return resnet_shapes(identity["bits"], identity["shape"][0])


def norm(x: torch.Tensor, net: dict, layer: str) -> torch.Tensor:
    parts = ("running_mean", "running_var", "weight", "bias")
    mean, variance, weight, bias = (
        net[f"{layer}.{part}"].reshape(1, -1, *[1] * (x.ndim - 2)).double() for part in parts
    )
    return (x - mean) / (variance + 1e-5).sqrt() * weight + bias


def public_mosaic(net: dict, x: torch.Tensor) -> torch.Tensor:
    def conv(x, n, padding):
        y = F.conv2d(x, net[f"conv{n}.weight"].double(), net[f"conv{n}.bias"].double(), padding=padding)
        return F.max_pool2d(y, 2).clamp(min=0)

    def dense(x, n):
        return x @ net[f"fc{n}.weight"].double().t() + net[f"fc{n}.bias"].double()

    x = norm(conv(x.double(), 1, 0), net, "conv2_bn")
    x = norm(conv(x, 2, 0), net, "conv3_bn")
    return norm(dense(dense(conv(x, 3, 1).flatten(1), 1).clamp(min=0), 2), net, "bn")


def public_resnet(net: dict, x: torch.Tensor) -> torch.Tensor:
    def conv(x, name, stride=1):
        weight = net[f"{name}.weight"].double()
        return F.conv2d(x, weight, stride=stride, padding=weight.shape[-1] // 2)

    colour = x.shape[1] == 3
    x = (x.double() - 127.5) / 127.5 if colour else x.double()
    x = norm(conv(x, "conv1", 2 if colour else 1), net, "bn1").clamp(min=0)
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    for layer in (1, 2, 3, 4):
        for block in (0, 1):
            name, stride = f"layer{layer}.{block}", 2 if layer > 1 and block == 0 else 1
            y = norm(conv(x, f"{name}.conv1", stride), net, f"{name}.bn1").clamp(min=0)
            y = norm(conv(y, f"{name}.conv2"), net, f"{name}.bn2")
            if f"{name}.downsample.0.weight" in net:
                x = norm(conv(x, f"{name}.downsample.0", stride), net, f"{name}.downsample.1")
            x = (x + y).clamp(min=0)
    return norm(x.mean((2, 3)) @ net["fc.0.weight"].double().t(), net, "fc.1")


@pytest.mark.parametrize(
    ("public", "shape"),
    [
        *(("MnistMosaicCNN", shape) for shape in ([1, 56, 56], [1, 16, 17], [1, 61, 34])),
        ("Uint8ResNet", [3, 40, 50]),
        ("MnistResNet", [1, 20, 20]),
    ],
)
def test_an_imported_network_does_what_the_public_one_does(tmp_path, public, shape):
    digits, colour = public == "MnistMosaicCNN", shape[0] == 3
    identity = {"network": "mosaic_cnn" if digits else "resnet18", "bits": 16, "shape": shape, "seed": 0}
    net = random_net(shapes_of(identity))
    torch.save(state(net, public), tmp_path / "state.pth")
    before = set(torch.serialization.get_safe_globals())
    import_checkpoint(tmp_path / "state.pth", tmp_path / "w", identity=identity)
    assert set(torch.serialization.get_safe_globals()) == before
    network, found = read_network(tmp_path / "w", CPU)
    assert found == identity and network.norm.num_batches_tracked == 200_000
    x = torch.rand(6, *shape, generator=torch.Generator().manual_seed(2))
    x = (256 * x).to(torch.uint8) if colour else x
    expected = (public_mosaic if digits else public_resnet)(net, x)
    assert expected.std(0).min() > 1e-3, "the reference tells views apart"
    logits = network(x)
    assert logits.shape == (6, 16) and logits.dtype == torch.float32
    torch.testing.assert_close(logits, expected.float())
    torch.testing.assert_close(folded(network)(x), expected.float())
    x = x.double() / 127.5 - 1 if colour else x.double()
    torch.testing.assert_close(folded(network, torch.float64)(x), expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(network.double()(x), expected)
    assert torch.equal(network.state_dict()["dense.weight"], net["fc2.weight" if digits else "fc.0.weight"])


OLD_NUMPY = (b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n")  # as numpy below 2 writes them
ON_A_GPU = (b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")


def test_the_evaluations_of_a_training(tmp_path):
    """Both layouts: lists of 2023, and histograms of 2024, from distances that are counted here one by one."""
    chance = np.random.default_rng(0)
    same, different = chance.integers(0, 5, 40), chance.integers(1, 60, 40)
    late = state(random_net(mosaic_shapes(8, 48)))
    result = {"nb_pairs": 40, "nb_codes": 80, "nb_unique_codes": 72}
    for kind, distances in (("positive", same), ("negative", different)):
        result[f"{kind}_hamming_distances"] = np.bincount(distances, minlength=65)
        result[f"{kind}_hamming_distances_median"] = int(np.median(distances))
    result["worst_entropies"] = {1: 0.99, 2: np.float32(1.5), 3: 2.5, 4: 3.25}
    late["train_results"], late["valid_results"] = {200: result, 100: result}, {}
    early = state(random_net(mosaic_shapes(8, 48)), early=True)
    lists = {"which": "valid", "steps": [0, 1000], "nb_unique_buckets": [9, 90], "nb_documents": [100, 100]}
    lists |= {f"avg_recall_at_{r}": [0.1 * r, 0.5 + 0.1 * r] for r in range(3)}
    early["train_results"], early["valid_results"] = lists, lists
    identity = {**SMALL, "seed": 3, "keys": {"task": "t", "model": "m", "variant": "imported"}}
    found = {}
    for name, checkpoint in (("late", late), ("early", early)):
        torch.save(checkpoint, tmp_path / "state.pth")
        import_checkpoint(tmp_path / "state.pth", tmp_path / "w", tmp_path / "t.csv", identity=identity)
        found[name] = pd.read_csv(tmp_path / "t.csv").set_index(["split", "step"])
    assert list(found["late"].index) == [("train", 100), ("train", 200)]
    row = found["late"].loc[("train", 200)]
    for r in range(3):
        hits, wrong = (same <= r).sum(), (different <= r).sum()
        assert row[f"recall_at_{r}"] == hits / 40 and row[f"precision_at_{r}"] == hits / (hits + wrong)
    assert [row[f"entropy_worst_{n}"] for n in range(1, 5)] == [0.99, 1.5, 2.5, 3.25] and row.distinct_codes == 0.9
    assert row.different_distance_median == int(np.median(different)) and (row.task, row.seed, row.pairs) == (
        "t",
        3,
        40,
    )
    assert list(found["early"].index) == [(split, step) for split in ("train", "valid") for step in (0, 1000)]
    row = found["early"].loc[("valid", 1000)]
    assert [row.recall_at_2, row.distinct_codes, row.pairs] == [0.7, 0.9, 100] and np.isnan(row.precision_at_0)
    late["valid_results"] = {100: {"nb_pairs": 2}}
    torch.save(late, tmp_path / "state.pth")
    with pytest.raises(InputError, match=r"state.pth: valid_results: not a training's evaluations of equihash"):
        import_checkpoint(tmp_path / "state.pth", tmp_path / "x", tmp_path / "x.csv", identity=identity)
    assert not (tmp_path / "x").exists() and not (tmp_path / "x.csv").exists()


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("changes", [(), (OLD_NUMPY,), (ON_A_GPU,), "before torch 1.6"])
def test_layouts_of_the_years(tmp_path, early, changes):
    net, path = random_net(mosaic_shapes(8, 48)), tmp_path / "state.pth"
    old = isinstance(changes, str)
    torch.save(state(net, early=early), path, _use_new_zipfile_serialization=not old)
    assert zipfile.is_zipfile(path) != old
    path = path if old else patched(path, *changes)
    import_checkpoint(path, tmp_path / "w", identity=SMALL)
    found = load_file(tmp_path / "w")
    assert len(found) == len(net) and torch.equal(found["norm.running_var"], net["bn.running_var"])


class Touch:
    """A pickle that makes a file when it is read as pickles are read."""

    def __init__(self, how, *args):
        self.made = (how, args)

    def __reduce__(self):
        return self.made


@pytest.mark.parametrize("place", ["trainer", "net", "whole"])
@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("way", ["os.system", "eval", "copy"])
def test_malicious_files_are_refused_and_not_run(tmp_path, place, zipped, way):
    mark, path = tmp_path / "mark", tmp_path / "state.pth"
    (tmp_path / "source").touch()
    how, *args = {
        "os.system": (os.system, f"touch {mark}"),
        "eval": (eval, f"open({str(mark)!r}, 'w').close()"),
        "copy": (shutil.copyfile, str(tmp_path / "source"), str(mark)),
    }[way]
    bad = state(random_net(mosaic_shapes(8, 48)))
    if place == "trainer":
        bad["trainer"]["training_log"][200] = Touch(how, *args)
    elif place == "net":
        bad["net"]["conv1.bias"] = Touch(how, *args)
    else:
        bad = Touch(how, *args)
    torch.save(bad, path, _use_new_zipfile_serialization=zipped)
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file is as dangerous as it is meant to be"
    mark.unlink()
    name = {"os.system": "posix.system", "eval": "eval", "copy": "shutil.copyfile"}[way]
    message = rf"state\.pth: asks for {name}, which .* nothing of the file was run$"
    with pytest.raises(InputError, match=message) as caught:
        import_checkpoint(path, tmp_path / "w", identity=SMALL)
    assert caught.value.__suppress_context__ and "weights_only" not in str(caught.value)
    assert not mark.exists() and not (tmp_path / "w").exists()


def test_stand_ins_make_nothing(tmp_path):
    """numpy's names, called with what a file likes, have no effect, and their results pass for no tensor."""
    net = random_net(mosaic_shapes(8, 48))
    net["fc1.bias"] = np.zeros(512, np.float32)
    torch.save(state(net), tmp_path / "state.pth")
    with pytest.raises(InputError, match=r"fc1\.bias is a PickledArray, expected float32 \(512,\)"):
        import_checkpoint(tmp_path / "state.pth", tmp_path / "w", identity=SMALL)


def refused(path: Path, *messages: str, identity: dict = SMALL, **options) -> str:
    output = path.with_name("output")
    with pytest.raises(InputError) as caught:
        import_checkpoint(path, output, identity=identity, **options)
    said = str(caught.value)
    assert said.startswith(f"{path}: ") and "\n" not in said and "\033" not in said
    for message in messages:
        assert message in said
    assert not output.exists()
    return said


@pytest.mark.parametrize("zipped", [True, False])
def test_truncated_checkpoints(tmp_path, zipped):
    path = tmp_path / "state.pth"
    torch.save(state(random_net(mosaic_shapes(8, 48))), path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    for size in {0, 1, 2, 10, 100, len(content) - 1, *range(200, len(content), len(content) // 29)}:
        path.write_bytes(content[:size])
        refused(path, "not a checkpoint that torch can read, or damaged (")
    refused(tmp_path / "there is none", "No such file")
    path.write_bytes(pickle.dumps({"config": {}, "net": {}}, protocol=2))
    refused(path, "not a checkpoint that torch can read")
    path.write_bytes(b"not a checkpoint at all")
    refused(path, "not a checkpoint that torch can read, or damaged (Unsupported operand 110)")


def test_of_what_torch_says_the_first_line_is_shown(tmp_path, monkeypatch):
    def load(*_, **__):
        raise RuntimeError("the reason\nand advice")

    monkeypatch.setattr(torch, "load", load)
    refused(tmp_path / "state.pth", "or damaged (RuntimeError: the reason)")


def test_checkpoints_of_something_else(tmp_path):
    path = tmp_path / "state.pth"

    def saved(content):
        torch.save(content, path)
        return path

    whole = state(random_net(mosaic_shapes(8, 48)))
    refused(saved([1, 2]), "not a checkpoint of equihash: it has no dictionary config; found a list")
    refused(saved(whole["net"]), "has no dictionary config; found ['conv1.weight'")
    refused(saved({"config": {}, "net": [torch.ones(3)]}), "has no dictionary net; found ['config', 'net']")
    refused(saved(whole | {"config": {}}), "its network class is None; expected MnistMosaicCNN")
    refused(
        saved(state(whole["net"], "Uint8ResNet")),
        "its network class is Uint8ResNet; expected MnistMosaicCNN, which is mosaic_cnn with 1 input channels",
    )
    refused(
        saved(whole), "the public mosaic_cnn takes 1 channels, the task has 3", identity=SMALL | {"shape": [3, 16, 16]}
    )
    refused(path, "unknown public network 'small_photo_cnn'", identity=SMALL | {"network": "small_photo_cnn"})
    resnet = state(random_net(resnet_shapes(8, 1)), "MnistResNet")
    refused(
        saved(resnet), "its network class is MnistResNet; expected Uint8ResNet", identity=GREY | {"shape": [3, 20, 20]}
    )
    refused(saved(resnet), "the public resnet18 takes 1 or 3 channels", identity=GREY | {"shape": [2, 20, 20]})


def test_every_tensor_that_does_not_fit_is_named(tmp_path):
    path, net = tmp_path / "state.pth", random_net(mosaic_shapes(64, 48))
    torch.save(state(net), path)
    said = refused(path, "not the weights of mosaic_cnn with 8 bits: ")
    named = re.findall(r"(?:: |; )(\S+) is \w+ \(", said)
    assert named == [name for name in net if name.startswith(("fc2.", "bn.")) and not name.endswith("tracked")]
    assert "fc2.weight is float32 (64, 512), expected float32 (8, 512)" in said
    net = random_net(mosaic_shapes(8, 48))
    del net["conv1.bias"], net["bn.num_batches_tracked"]
    net["extra.weight"], net["fc2.bias"] = torch.ones(2), torch.full((8,), torch.inf)
    torch.save(state(net), path)
    refused(
        path,
        ": lacks conv1.bias; lacks bn.num_batches_tracked; fc2.bias holds NaN or infinity; extra.weight is unexpected",
    )
    without_norm = {name: shape for name, shape in resnet_shapes(8, 1).items() if not name.startswith("fc.")}
    torch.save(state(random_net(without_norm | {"fc.weight": (8, 512), "fc.bias": (8,)}), "MnistResNet"), path)
    missing = "; ".join(f"lacks {name}" for name in ("fc.0.weight", *norm_shapes("fc.1", 8)))
    refused(path, f"{missing}; fc.weight is unexpected; fc.bias is unexpected", identity=GREY | {"bits": 8})
    import_checkpoint(path, tmp_path / "w", identity=GREY | {"bits": 8, "batch_norm": False})
    assert load_file(tmp_path / "w")["dense.bias"].shape == (8,)


def test_the_checksum_is_compared_before_anything_is_read(tmp_path, monkeypatch):
    path = tmp_path / "state.pth"
    torch.save({**state(random_net(mosaic_shapes(8, 48))), "train_results": {}, "valid_results": {}}, path)
    right = hashlib.sha256(path.read_bytes()).hexdigest()
    import_network(path, tmp_path / "w", tmp_path / "h", identity=OURS, task={}, sha256=right)
    assert (tmp_path / "w").exists()

    def opened(*_, **__):
        raise AssertionError("the file was read")

    monkeypatch.setattr(torch, "load", opened)
    with pytest.raises(InputError, match=f"state.pth: has the SHA-256 {right}, expected {'0' * 64}"):
        import_network(path, tmp_path / "output", tmp_path / "h", identity=OURS, task={}, sha256="0" * 64)
    assert not (tmp_path / "output").exists()


def test_a_network_of_another_run_is_imported_as_it_is(tmp_path, caplog):
    task = {"kind": "noisy", "grid": [1, 1], "picture": [16, 16]}
    trained = {**OURS, "task": task, "seed": 5}
    network = build_network("mosaic_cnn", 8, (1, 16, 16), seed=5)
    write_network(tmp_path / "theirs.safetensors", network, trained)
    files = [tmp_path / name for name in ("theirs.safetensors", "w", "h")]
    import_network(*files, identity=OURS, task=task)
    assert pd.read_csv(files[2]).empty, "its curves stand elsewhere"
    found, identity = read_network(tmp_path / "w", CPU)
    assert all(torch.equal(a, b) for a, b in zip(network.state_dict().values(), found.state_dict().values()))
    assert identity == {**OURS, "trained": trained} and not caplog.messages
    import_network(*files, identity=OURS, task={**task, "gaussian": 0.4})
    assert "was trained on views of" in caplog.text
    for change, message in (
        ({"bits": 16}, "its bits is 8; the model's is 16. Set bits in the model's block"),
        ({"network": "resnet18"}, "its network is mosaic_cnn; the model's is resnet18"),
        ({"shape": [1, 20, 20]}, "it takes views of 1 x 16 x 16 .*, and the task's are 1 x 20 x 20"),
        (
            {"batch_norm": False},
            "not the model's mosaic_cnn: .*norm.weight is unexpected.*. Set batch_norm: true in its",
        ),
    ):
        with pytest.raises(InputError, match=message):
            import_network(files[0], tmp_path / "o", tmp_path / "h", identity={**OURS, **change}, task=task)
    (tmp_path / "cut.safetensors").write_bytes((tmp_path / "theirs.safetensors").read_bytes()[:5000])
    with pytest.raises(InputError, match=r"cut\.safetensors: .*copy it again from where it comes"):
        import_network(tmp_path / "cut.safetensors", tmp_path / "o", tmp_path / "h", identity=OURS, task=task)
    assert not (tmp_path / "o").exists()
