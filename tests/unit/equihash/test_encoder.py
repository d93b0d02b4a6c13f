"""Networks of equihash as encoders of images: the logits of the network itself."""

import numpy as np
import pytest
import torch

from rehash.encoders import Wanted, as_batch, encoded
from rehash.equihash.encoder import network
from rehash.equihash.learning.architectures import build_network
from rehash.equihash.learning.weights import write_network
from rehash.errors import InputError

CPU = torch.device("cpu")
NOISY = {"kind": "noisy", "grid": [1, 1], "picture": [20, 24]}
WARPED = {"kind": "warped", "grid": [1, 1], "picture": [20, 24]}


def asked(bits: int, shape: tuple[int, ...]) -> Wanted:
    return Wanted(bits, 0, shape, 10, "abc", "d", 1, CPU, "config: comparison.sources.x")


@pytest.fixture(scope="module", params=[NOISY, WARPED], ids=["float32", "uint8"])
def given(request, tmp_path_factory):
    """A task, images for it, and a network in a file, whose running statistics are those of some images."""
    folder, channels = tmp_path_factory.mktemp("network"), 1 if request.param is NOISY else 3
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (150, 20, 24) if channels == 1 else (150, 20, 24, 3), np.uint8)
    made = build_network("mosaic_cnn", 8, (channels, 20, 24), seed=3)
    shown = as_batch(images, CPU) if channels == 1 else torch.from_numpy(images).permute(0, 3, 1, 2)
    with torch.no_grad():
        for _ in range(30):
            made(shown)
    about = {"network": "mosaic_cnn", "bits": 8, "shape": [channels, 20, 24]}
    write_network(folder / "w.safetensors", made, about)
    with torch.no_grad():
        logits = made.eval()(shown).numpy()
    return request.param, images, {"weights": str(folder / "w.safetensors")}, logits, (channels, 20, 24)


@pytest.mark.parametrize("bits", [8, 0])
def test_logits_are_the_networks(given, bits):
    """Of images as the task has them: bytes stay bytes, whatever the encoder is shown."""
    task, images, files, logits, shape = given
    encoder = network(files, {"task": task}, asked(bits, shape))
    found = np.concatenate(list(encoded(encoder, images, CPU)))
    assert found.dtype == np.float32 and np.allclose(found, logits, rtol=1e-4, atol=1e-4)
    assert 0.2 < (found > 0).mean() < 0.8


def test_every_byte_comes_back_from_the_unit_interval():
    every = as_batch(np.arange(256, dtype=np.uint8).reshape(1, 16, 16), CPU)
    assert torch.equal(every.mul(255).round_().to(torch.uint8).flatten(), torch.arange(256, dtype=torch.uint8))


def test_other_bits_and_other_images_are_refused(given):
    task, _, files, _, shape = given
    with pytest.raises(InputError, match=r"x: 16 bits of .*w.safetensors, whose network has 8; expected as many"):
        network(files, {"task": task}, asked(16, shape))
    expected = " x ".join(map(str, shape))
    with pytest.raises(InputError, match=rf"x: the task's views are {expected}; inputs of d are 1 x 28 x 28"):
        network(files, {"task": task}, asked(8, (1, 28, 28)))
    with pytest.raises(InputError, match="x: its task: unknown kind 'nosy'"):
        network(files, {"task": {**task, "kind": "nosy"}}, asked(8, shape))
    other = {**task, "picture": [24, 24]}
    with pytest.raises(InputError, match=r"its network takes views of . x 20 x 24; the task's are . x 24 x 24"):
        network(files, {"task": other}, asked(8, (shape[0], 24, 24)))
