"""Tasks from a config's block."""

from dataclasses import replace

import pytest
import torch

from rehash.equihash.images.flow import Flow
from rehash.equihash.images.task import Task
from rehash.errors import InputError

DIGITS = {"kind": "noisy", "grid": [2, 2], "picture": [28, 28]}


def test_published_shapes():
    digits, photos = Task("noisy", (2, 2), (28, 28)), Task("warped", (1, 2), (180, 180), (0, 90))
    assert digits.shape == (1, 56, 56) and digits.picture_shape == (28, 28) and digits.dtype == torch.float32
    assert photos.shape == (3, 180, 270) and photos.picture_shape == (180, 180, 3) and photos.dtype == torch.uint8
    assert digits.label_count(10_000) == 10**16 and photos.label_count(100_000) == 10**10


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "noise"}, "t: unknown kind 'noise'; did you mean 'noisy'"),
        ({"overlaps": [0, 1]}, "t: unknown setting 'overlaps'; did you mean 'overlap'"),
        ({"flow": {"coarce": 1}}, "t: flow: unknown setting 'coarce'; did you mean 'coarse'"),
        ({"flow": {"coarse": 0}}, "expected divisors above 0"),
        ({"flow": {"strength": -1}}, "flow's strength is -1; expected 0 or more"),
        ({"grid": [0, 2]}, r"t: grid is \[0, 2\]; expected two whole numbers from 1"),
        ({"picture": [28]}, r"t: picture is \[28\]; expected two"),
        ({"overlap": [0, 15]}, "at most half an image of 28 x 28"),
        ({"gaussian": -1}, "gaussian is -1; expected 0 to inf"),
        ({"lightness": 1.5}, "lightness is 1.5; expected 0 to 1"),
    ],
)
def test_tasks_that_cannot_be(changes, message):
    with pytest.raises(InputError, match=message):
        Task.of(DIGITS | changes, "t")
    with pytest.raises(InputError, match="t: lacks picture"):
        Task.of({"kind": "noisy", "grid": [2, 2]}, "t")


def test_a_task_is_its_block():
    assert Task.of(DIGITS) == Task("noisy", (2, 2), (28, 28))
    photos = {"kind": "warped", "grid": [1, 2], "picture": [180, 180], "overlap": [0, 90], "flow": {"taper": False}}
    assert Task.of(photos) == Task("warped", (1, 2), (180, 180), (0, 90), flow=Flow(taper=False))
    # Of 2023: other scales, a strength of each view, and a fade with the radius; what a block says is in its place.
    flow = Flow(256, 512, False, 2, (6, 8))
    assert Task.of({**photos, "kind": "natural", "flow": {}}).flow == flow
    assert Task.of({**photos, "kind": "natural", "flow": {"fade": [5, 9], "fine": 300}}).flow == replace(
        flow, fade=(5, 9), fine=300
    )
