"""What a network is shown, against torchvision's transforms and by hand."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from rehash.errors import InputError
from rehash.hash_encoders.models.inputs import Preparation

CPU = torch.device("cpu")
BLOCK = {"inputs": None, "image_size": None, "channels": None}


def prepared(images: np.ndarray, **changes) -> torch.Tensor:
    return Preparation.of({**BLOCK, **changes}, "m")(images, CPU)


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 20, 24, 3), np.uint8)


def test_images_are_scaled_as_torchvision_scales_them(images):
    steps = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Resize((16, 16), antialias=True)]
    steps += [v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])]
    expected = torch.stack([v2.Compose(steps)(image) for image in images])
    torch.testing.assert_close(prepared(images, inputs="imagenet", image_size=16), expected, rtol=1e-5, atol=1e-5)
    assert torch.equal(prepared(images), prepared(images, inputs="unit"))
    assert prepared(images).shape == (4, 3, 20, 24) and prepared(images).max() <= 1


def test_grey_images_are_repeated_and_colours_become_grey(images):
    grey = images[..., 0]
    assert prepared(grey).shape == (4, 1, 20, 24)
    three = prepared(grey, channels=3)
    assert three.shape == (4, 3, 20, 24) and torch.equal(three[:, 0], three[:, 2])
    one = prepared(images, channels=1)[:, 0] * 255
    by_pillow = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
    assert np.abs(one.numpy() - by_pillow).max() <= 1  # which rounds


def test_vectors_are_left_as_they_are():
    vectors = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    assert np.array_equal(prepared(vectors).numpy(), vectors)


WRONG = {
    "vectors": ({"inputs": "imagenet"}, (3, 7), np.float32, "models.m: the dataset has vectors"),
    "mean": ({"inputs": {"mean": [0], "std": [1]}}, (3, 8, 8, 3), np.uint8, r"m.inputs: mean has 1 numbers and std 1"),
    "channels": ({"channels": 3}, (3, 8, 8, 4), np.uint8, "m.channels: 3 of images that have 4"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_named(what):
    changes, shape, kind, message = WRONG[what]
    with pytest.raises(InputError, match=message):
        prepared(np.zeros(shape, kind), **changes)
