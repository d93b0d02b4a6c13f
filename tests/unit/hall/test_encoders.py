"""What all encoders have in common: how inputs are shown, which bits are drawn, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rehash.datasets.layout import Dataset, Split, write_dataset
from rehash.encoders import Wanted, as_batch, encoded
from rehash.errors import InputError

CPU = torch.device("cpu")
WANTED = Wanted(5, 0, (1, 4, 4), 3, "abc", "d", 7, CPU, "config: comparison.sources.x")


def test_images_become_channels_on_0_to_1():
    grey = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    assert torch.equal(as_batch(grey, CPU), torch.from_numpy(grey / np.float32(255))[:, None])
    colour = np.random.default_rng(0).integers(0, 256, (2, 3, 4, 3), np.uint8)
    found = as_batch(colour, CPU)
    assert found.shape == (2, 3, 3, 4) and found.dtype == torch.float32 and found.is_contiguous()
    assert found[1, 2, 0, 3] == np.float32(colour[1, 0, 3, 2]) / np.float32(255)
    vectors = np.random.default_rng(0).standard_normal((3, 5)).astype(np.float32)
    assert np.array_equal(as_batch(vectors, CPU).numpy(), vectors)


def test_an_encoder_sees_each_input_once_in_order_and_no_gradient_is_kept():
    inputs, sizes = np.arange(7, dtype=np.float32)[:, None], []

    def encoder(batch):
        sizes.append(len(batch))
        assert torch.is_inference_mode_enabled()
        return batch * 2

    assert np.array_equal(np.concatenate(list(encoded(encoder, inputs, CPU, batch=3))), inputs * 2)
    assert sizes == [3, 3, 1] and not torch.is_inference_mode_enabled()


@pytest.mark.parametrize(
    ("inputs", "shape"),
    [((6, 4, 5), (1, 4, 5)), ((6, 4, 5, 3), (3, 4, 5)), ((6, 9), (9,))],
)
def test_what_is_asked_follows_the_dataset(tmp_path, inputs, shape):
    rng = np.random.default_rng(0)
    values = rng.random(inputs, np.float32) if len(inputs) == 2 else rng.integers(0, 256, inputs, np.uint8)
    splits = dict.fromkeys(("train", "test"), Split(values, np.arange(6) % 2))
    write_dataset(tmp_path / "d.h5", splits, name="d", source="", licence="", class_names=["a", "b", "c"])
    images = Dataset.read(tmp_path / "d.h5")
    found = Wanted.of(images, 0, 2, CPU, dataset="d", seed=3, where="config: w")
    assert found == Wanted(0, 2, shape, 3, images.checksum, "d", 3, CPU, "config: w") and found.real


def test_fewer_bits_are_among_more_and_repeats_differ():
    among = np.arange(40) % 3 > 0

    def drawn(bits, **changes):
        return replace(WANTED, bits=bits, **changes).draw_bits(among, "a thing", "name").tolist()

    most = drawn(int(among.sum()))
    assert sorted(most) == np.flatnonzero(among).tolist()
    assert all(drawn(bits) == most[:bits] for bits in (1, 5, 16))
    assert drawn(16, repeat=1) != most[:16] and drawn(16, seed=8) != most[:16]
    with pytest.raises(InputError, match=r"^config: comparison.sources.x: 27 bits of a thing, which has 26; expected"):
        drawn(27)


def test_other_data_are_refused():
    WANTED.check_data("abc", "f")
    with pytest.raises(InputError, match=r"sources.x: f was trained on other data than d has now; make it again with"):
        WANTED.check_data("abd", "f")
