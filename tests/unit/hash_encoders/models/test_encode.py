"""The codes of layers, against codes made whole from all activations, and their measurements by hand."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file
from sklearn.neighbors import KNeighborsClassifier
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.errors import InputError
from rehash.hash_encoders.columns import LAYER_COLUMNS, MODEL_LINES
from rehash.hash_encoders.encode import encode, network_shape
from rehash.hash_encoders.figures.model_regions import plot_model_regions
from rehash.hash_encoders.lines import draw_lines
from rehash.hash_encoders.models.codes import ALL_LAYERS, LayerCodes, LayersEncoding, Wanted
from rehash.hash_encoders.models.encode import Encoding, encode_model, plan_codes
from rehash.hash_encoders.models.measure import every, measure_layers, purity
from rehash.hash_encoders.models.nodes import Node, Watched
from rehash.hash_encoders.models.origins import Origin, cohort_network
from rehash.hash_encoders.models.regions import Lines, measure_model_regions
from rehash.hash_encoders.networks import as_inputs
from rehash.hash_encoders.networks_file import read_networks
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.results import model_regions_claims, model_regions_summary
from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import Saving
from rehash.seeds import stream
from rehash.training import Compute

CPU = Compute("cpu", 1)
ALL = Wanted(("none", "any", "sum"), (1.0, 0.5), 16)


def draw(*names):
    return stream(3, *names)


class Small(nn.Module):
    """Two convolutions and a dense layer, the second unit leaky."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.one, self.two = nn.Conv2d(1, 4, 3, bias=False), nn.Conv2d(4, 6, 3)
        self.relu, self.leaky, self.last = nn.ReLU(), nn.LeakyReLU(0.3), nn.ReLU()
        self.dense, self.head = nn.Linear(6 * 16, 5), nn.Linear(5, 3)

    def forward(self, x):
        x = self.leaky(self.two(self.relu(self.one(x - 0.5))))
        return self.head(self.last(self.dense(x.flatten(1))))


@pytest.fixture
def images() -> np.ndarray:
    """70 images of 8 x 8 pixels, of which many are equal."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (25, 8, 8), np.uint8)[rng.integers(0, 25, 70)]


def shown(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images)[:, None].float() / 255


def job_of(images, wanted=ALL, network=None, batch=8, nodes="relu") -> Encoding:
    watched = Watched((network or Small()).eval(), shown(images[:4]), "the network")
    job = Encoding(
        watched, watched.choose(nodes, "nodes"), wanted, [images[:40], images[40:]], shown, classes=3, draw=draw
    )
    job.batch = batch
    return job


def finish(job: Encoding) -> Encoding:
    while not job.done:
        job.step()
    return job


@pytest.fixture
def whole(images) -> dict[str, np.ndarray]:
    """All values of all nodes, (N, C, P), by torchvision."""
    names = {"relu": "relu", "leaky": "leaky", "last": "last", "two": "two"}
    with torch.no_grad():
        found = create_feature_extractor(Small().eval(), names)(shown(images))
    return {name: value.numpy().reshape(len(value), value.shape[1], -1) for name, value in found.items()}


def equal_rows(rows: np.ndarray) -> np.ndarray:
    return (rows[:, None] == rows[None]).all(2)


def test_codes_are_those_of_whole_activations(images, whole):
    job = finish(job_of(images))
    wholes: dict = {}
    for number, code in enumerate(job.codes):
        if code.node == ALL_LAYERS:
            continue
        (part,) = (part for part in job.parts[code.node] if part.own == number)
        value = whole[code.node]
        if part.channels is not None:
            assert len(part.channels) == round(code.share * value.shape[1])
            value = value[:, part.channels.numpy()]
        on = value > 0
        numbers = value.sum(2)
        bits = {"none": on.reshape(len(on), -1), "any": on.any(2), "sum": numbers > 0}[code.pool]
        assert code.size == bits.shape[1] and code.kept == min(16, code.size)
        assert np.array_equal(equal_rows(job.digests[:, number]), equal_rows(bits))
        assert job.varying()[number] == (bits.any(0) & ~bits.all(0)).sum()
        chosen = slice(None) if part.kept is None else part.kept.numpy()
        if code.pool == "sum":
            scaled = numbers / (numbers.max() - numbers.min())
            assert np.allclose(job.scaled()[:, code.columns], scaled[:, chosen], rtol=1e-4, atol=1e-6)
            wholes.setdefault((code.pool, code.share), []).append(scaled)
        else:
            found = np.unpackbits(job.bits[:, code.columns], axis=1, count=code.kept)
            assert np.array_equal(found, bits[:, chosen])
            wholes.setdefault((code.pool, code.share), []).append(bits)
    for number, code in enumerate(job.codes):
        if code.node != ALL_LAYERS:
            continue
        all_bits = np.hstack(wholes[code.pool, code.share])
        assert code.size == all_bits.shape[1]
        assert np.array_equal(equal_rows(job.digests[:, number]), equal_rows(all_bits > 0))
        kept = draw("bits", ALL_LAYERS, code.pool, code.share).choice(
            code.size, code.kept, replace=False, shuffle=False
        )
        kept = np.sort(kept) if code.kept < code.size else np.arange(code.size)
        if code.pool == "sum":
            assert np.allclose(job.scaled()[:, code.columns], all_bits[:, kept], rtol=1e-4, atol=1e-6)
        else:
            assert np.array_equal(np.unpackbits(job.bits[:, code.columns], axis=1, count=code.kept), all_bits[:, kept])


def test_of_a_node_that_is_no_unit_what_a_relu_lets_through_is_summed(images, whole):
    job = finish(job_of(images, Wanted(("none", "sum"), (1.0,), 4096), nodes=["two"]))
    none, total = job.codes[0], job.codes[2]
    assert np.array_equal(
        np.unpackbits(job.bits[:, none.columns], axis=1, count=none.kept), (whole["two"] > 0).reshape(len(images), -1)
    )
    assert np.allclose(job.values[:, total.columns], whole["two"].clip(0).sum(2), rtol=1e-4)


def test_predictions_are_those_of_the_network(images):
    with torch.no_grad():
        expected = Small().eval()(shown(images)).argmax(1)
    assert np.array_equal(finish(job_of(images)).predicted, expected)


def test_a_network_of_other_outputs_predicts_nothing(images):
    network = Small()
    network.head = nn.Linear(5, 7)
    assert (finish(job_of(images, network=network)).predicted == -1).all()


def test_going_on_from_any_batch_gives_the_same(images):
    expected = finish(job_of(images))
    for steps in range(1, 9):
        first = job_of(images)
        for _ in range(steps):
            first.step()
        tensors, values, growing = first.state()
        second = job_of(images)
        second.restore({k: v.clone() for k, v in tensors.items()}, json.loads(json.dumps(values)))
        finish(second)
        for name in growing:
            assert np.array_equal(getattr(second, name), getattr(expected, name))
        assert second.varying() == expected.varying() and np.array_equal(second.scaled(), expected.scaled())


def test_codes_that_no_memory_would_hold_are_planned_in_little():
    nodes = [Node(f"n{i}", True, 512, 10**5) for i in range(20)]
    codes, parts = plan_codes(nodes, Wanted(("none", "any"), (1.0, 0.25), 64), draw)
    assert {code.kept for code in codes} == {64}
    # The kept bits of all layers together are of the layers in proportion to their sizes, each once.
    (number,) = (n for n, code in enumerate(codes) if (code.node, code.pool, code.share) == (ALL_LAYERS, "none", 1.0))
    of_whole = [part for each in parts.values() for part in each if part.whole == number]
    assert sum(len(part.of_whole) for part in of_whole) == 64
    assert all(0 <= int(p) < 512 * 10**5 for part in of_whole for p in part.of_whole)


def test_channels_of_a_smaller_share_are_among_those_of_a_larger():
    _, parts = plan_codes([Node("a", True, 40, 9)], Wanted(("any",), (0.25, 0.5), 64), draw)
    some, more = (set(part.channels.tolist()) for part in parts["a"])
    assert len(some) == 10 and len(more) == 20 and some < more


def test_nan_is_named_with_its_node_and_input(images):
    network = Small()
    network.two.weight.data.mul_(1e38)
    network.dense.weight.data.mul_(1e38)
    with pytest.raises(InputError, match=r"the network: node (leaky|last): input [0-9]+ gives NaN or infinity"):
        finish(job_of(images, network=network))


def test_purity_and_classes_by_hand():
    digests = np.array([[1], [1], [2], [2], [2], [3], [4], [4]], np.uint8)
    assert purity(digests, np.array([0, 0, 1, 1, 0, 2, 2, 2])) == pytest.approx(2 / 3)
    assert np.isnan(purity(np.arange(5, dtype=np.uint8)[:, None], np.zeros(5, np.int64)))
    assert every(1000, 100).tolist() == list(range(0, 1000, 10)) and every(10, 3).tolist() == [0, 3, 6]
    with pytest.raises(InputError, match="12 classes of a dataset that has 10"):
        every(10, 12)


FILE = """
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 9, 10), nn.ReLU(), nn.Linear(10, 4))
"""
BLOCK = {
    **dict.fromkeys(("name", "arguments", "protocol", "study", "layer_width", "inputs", "image_size", "channels")),
    "source": "file",
    "call": "make",
}


@pytest.fixture
def files(tmp_path):
    """A dataset of 4 classes of 7 x 7 colour images, a network's file and weights."""
    rng = np.random.default_rng(0)
    labels = {"train": np.arange(120) % 4, "test": np.arange(60) % 4}
    splits = {
        name: Split((rng.integers(0, 60, (len(of), 7, 7, 3)) + 45 * of[:, None, None, None]).astype(np.uint8), of)
        for name, of in labels.items()
    }
    write_dataset(tmp_path / "d.h5", splits, name="d", source="", licence="", class_names=list("abcd"))
    (tmp_path / "net.py").write_text(FILE)
    torch.manual_seed(7)
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10), nn.ReLU(), nn.Linear(10, 4)
    )
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    return tmp_path, splits, network.eval()


def encoding(state="trained", **changes) -> LayersEncoding:
    keys = {"dataset": "d", "model": "mine", "state": state, "repeat": "0"}
    wanted = {"pool": ["none", "sum"], "bits": [1.0], "max_bits": 40}
    settings = {"nodes": "relu", "wanted": wanted, "samples": {"train": 80, "test": None}, "train_share": 1.0}
    return LayersEncoding(keys=keys, model=BLOCK, **{**settings, **changes}, seed=11)


def test_the_jobs_write_what_a_person_measures_by_hand(files):
    folder, splits, network = files
    origin = Origin(path=str(folder / "net.py"), weights=str(folder / "w.safetensors"))
    notes = encode_model(folder / "d.h5", origin, folder / "c.h5", encoding(), CPU, Saving())
    assert notes["nodes"] == ["1", "4"] and notes["traced"]
    measure_layers(
        folder / "c.h5", folder / "d.h5", folder / "l.csv", encoding(), CPU,
        each=True, classes=[4, 2], one_vs_one_classes=50,
    )  # fmt: skip
    table = pd.read_csv(folder / "l.csv")
    assert list(table) == LAYER_COLUMNS and len(table) == 2 * 3 * 2
    data = {
        "train": (splits["train"].inputs[:80], splits["train"].labels[:80]),
        "test": (splits["test"].inputs, splits["test"].labels),
    }
    bits, right = {}, {}
    with torch.no_grad():
        for split, (pictures, labels) in data.items():
            x = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255
            bits[split] = (network[:5](x) > 0).numpy()
            right[split] = (network(x).argmax(1).numpy() == labels).mean()
    row = table[(table.node == "4") & (table.pool == "none") & (table.classes == 4)].iloc[0]
    for split, of in bits.items():
        assert row[f"redundancy_{split}"] == (len(of) - len(np.unique(of, axis=0))) / len(of)
        assert row[f"accuracy_{split}"] == right[split]
    together = np.vstack(list(bits.values()))
    assert row.code_bits == (together.any(0) & ~together.all(0)).sum() and row.layer_bits == 10
    near = KNeighborsClassifier(9, metric="hamming", algorithm="brute").fit(bits["train"], data["train"][1])
    assert row.knn == pytest.approx(near.score(bits["test"], data["test"][1]), abs=0.06)  # ties may go the other way
    half = table[(table.node == "4") & (table.pool == "none") & (table.classes == 2)].iloc[0]
    assert (half.train_samples, half.test_samples) == (40, 30)


def test_the_untrained_network_is_another_with_the_same_bits(files):
    folder, _, _ = files
    origin = Origin(path=str(folder / "net.py"))
    for state in ("one", "two"):
        encode_model(folder / "d.h5", origin, folder / f"{state}.h5", encoding("untrained"), CPU, Saving())
    assert (folder / "one.h5").read_bytes() == (folder / "two.h5").read_bytes()
    found = LayerCodes.read(folder / "one.h5")
    assert found.train == 80 and len(found.digests) == 140
    # Of 72 bits 40 are kept.
    assert [(code.size, code.kept) for code in found.codes[:3]] == [(72, 40), (10, 10), (82, 40)]


def test_a_damaged_file_and_other_samples_are_refused(files):
    folder, _, _ = files
    origin = Origin(path=str(folder / "net.py"))
    encode_model(folder / "d.h5", origin, folder / "c.h5", encoding("untrained"), CPU, Saving())
    how = {"each": True, "classes": None, "one_vs_one_classes": 50}
    with pytest.raises(InputError, match="codes of other samples"):
        others = encoding("untrained", samples={"train": 70, "test": None})
        measure_layers(folder / "c.h5", folder / "d.h5", folder / "l.csv", others, CPU, **how)
    content = bytearray((folder / "c.h5").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "c.h5").write_bytes(content)
    with pytest.raises(InputError, match="not codes of a network's layers, or damaged"):
        measure_layers(folder / "c.h5", folder / "d.h5", folder / "l.csv", encoding("untrained"), CPU, **how)
    assert Dataset.read(folder / "d.h5") and not (folder / "l.csv").exists()


def test_other_networks_than_the_dataset_fits_are_refused(files):
    folder, _, _ = files
    (folder / "net.py").write_text(FILE.replace("Conv2d(3,", "Conv2d(1,"))
    with pytest.raises(
        InputError, match=r"models.mine: cannot take the dataset's inputs of 3 channels and 7 x 7 pixels"
    ):
        encode_model(
            folder / "d.h5", Origin(path=str(folder / "net.py")), folder / "c.h5", encoding("untrained"), CPU, Saving()
        )
    assert not (folder / "c.h5").exists()


LINES = {"lines": 2, "directions": ["input", "random"], "train_share": 1.0, "seed": 3}


def test_lines_through_regions_of_a_users_network(files, tmp_path):
    """In distances of the dataset's images, whatever they are scaled to; the code changes where the table says."""
    folder, _, network = files
    block = {**BLOCK, "inputs": {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.25, 0.2]}}
    keys = {"dataset": "d", "model": "mine", "state": "trained", "repeat": "0"}
    origin = Origin(path=str(folder / "net.py"), weights=str(folder / "w.safetensors"))
    files_ = (folder / "d.h5", origin, tmp_path / "r.csv")
    notes = measure_model_regions(*files_, Lines(keys=keys, model=block, **LINES))
    table = pd.read_csv(tmp_path / "r.csv")
    assert list(table) == MODEL_LINES and len(table) == 3 * 2 * 2 and notes["starts"] == 6 and notes["inexact"] == 0
    images = Dataset.read(folder / "d.h5")

    def bits(point):
        x = torch.from_numpy(point.reshape(1, 7, 7, 3)).permute(0, 3, 1, 2)
        mean, std = (
            torch.tensor(block["inputs"][key], dtype=torch.float64).view(1, 3, 1, 1) for key in ("mean", "std")
        )
        before = network.double()[:1]((x - mean) / std)
        return torch.cat([before.flatten() > 0, network[:4]((x - mean) / std).flatten() > 0])

    for points in ("train", "random"):
        starts, vectors = draw_lines(points, images.train, images.test, 2, seed=3, dataset="d")
        for row in table[(table.points == points)].itertuples():
            start = starts[row.line]
            along = vectors[row.direction][row.line]
            along = along / np.linalg.norm(along)
            for sign, distance in ((1, row.forward), (-1, row.backward)):
                inside, outside = (bits(start + sign * factor * distance * along) for factor in (1 - 1e-6, 1 + 1e-6))
                assert torch.equal(inside, bits(start)) and int((outside != inside).sum()) == 1
            assert row.nearest_face <= min(row.forward, row.backward) * (1 + 1e-9)
    figure = plot_model_regions(table)
    assert len(figure.axes) == 3 and figure.axes[0].get_yscale() == "log"
    assert len(model_regions_summary(table)) == 3 * 2
    assert model_regions_claims(pd.concat([table, table.assign(state="untrained")]))


def test_networks_that_are_not_piecewise_linear_have_no_regions(files, tmp_path):
    folder, _, _ = files
    (folder / "net.py").write_text(FILE.replace("nn.Flatten(),", "nn.GELU(), nn.Flatten(),"))
    keys = {"dataset": "d", "model": "mine", "state": "untrained", "repeat": "0"}
    with pytest.raises(
        InputError, match=r"models.mine: the network is not affine .*\. lines: 0 of hash_encoders.layers.d"
    ):
        measure_model_regions(
            folder / "d.h5", Origin(path=str(folder / "net.py")), tmp_path / "r.csv",
            Lines(keys=keys, model=BLOCK, **LINES),
        )  # fmt: skip


@pytest.mark.parametrize("activation", ["relu", "leaky", "prelu"])
def test_networks_of_a_cohort_have_the_codes_that_its_own_job_gives(tmp_path, activation):
    rng = np.random.default_rng(2)
    splits = {
        name: Split(rng.integers(0, 256, (n, 4, 5, 3), np.uint8), np.arange(n, dtype=np.int64) % 3)
        for name, n in (("train", 60), ("test", 30))
    }
    write_dataset(tmp_path / "d.h5", splits, name="d", source="", licence="", class_names=["a", "b", "c"])
    keys = {"dataset": "d", "study": "capacity", "protocol": "p", "depth": 2, "layer_width": 7}
    norm = {"momentum": 0.1, "eps": 1e-3}
    protocol = {"optimiser": "adam", "learning_rate": 0.01, "batch_size": 8, "epochs": 2, "offset": 0.25}
    protocol |= {"batch_norm": norm, "activation": activation}
    training = Training(keys, protocol, cells=[{"untrained": True}], train_share=1.0, repeats=2, seed=5)
    train_mlps(tmp_path / "d.h5", tmp_path / "n.safetensors", tmp_path / "h.csv", training, CPU, Saving())
    cells, identity = read_networks(tmp_path / "n.safetensors")
    images = Dataset.read(tmp_path / "d.h5")
    inputs = as_inputs(images.train.inputs, torch.device("cpu"), offset=0.25)
    settings = Protocol(**protocol)
    shape = network_shape(identity, 60, "n")
    packed, right, _ = encode(cells[0]["trained"], inputs, torch.from_numpy(images.train.labels), shape, settings.norm)
    network = cohort_network(tmp_path / "n.safetensors", 1, "trained", images.checksum, "config: m")
    shown = torch.from_numpy(images.train.inputs).permute(0, 3, 1, 2).float() / 255
    found = Watched(network, shown, "the network")
    bits = {}
    chosen = [node.name for node in found.choose("relu", "nodes")]
    output = found.run(shown, chosen, lambda name, on, value: bits.__setitem__(name, on[..., 0].numpy()))
    assert list(bits) == [f"hidden0.{activation}", f"hidden1.{activation}"]
    assert np.array_equal(np.packbits(np.hstack(list(bits.values())), axis=1), packed[1])
    assert (output.argmax(1).numpy() == images.train.labels).mean() == right[1]
    with pytest.raises(InputError, match=r"config: m: .* was trained on other data"):
        cohort_network(tmp_path / "n.safetensors", 1, "trained", "0", "config: m")
