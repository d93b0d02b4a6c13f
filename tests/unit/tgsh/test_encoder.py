"""Modulated responses as codes of images: the bits that the wing's own job measures, and dense products by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from rehash.bits import pack, unpack
from rehash.datasets.layout import Dataset
from rehash.encoders import Wanted, encoded
from rehash.errors import InputError
from rehash.tgsh.codes import active_units
from rehash.tgsh.encoder import modulated
from rehash.tgsh.flynet import DeviceSplit
from rehash.tgsh.generate import dense_encoder
from rehash.tgsh.initialisation import DEVIATION, MEAN, draw_flynet, draw_modulations
from rehash.tgsh.model import MEASURED, Model
from rehash.tgsh.modulations import write_modulations
from rehash.tgsh.tasks import Transformation, sampling, transformed

UNITS, REPEATS, CPU = 60, 2, torch.device("cpu")
TASKS = [vars(Transformation(angle=50.0 * t, contrast=1 + t / 2)) for t in range(3)]


@pytest.fixture(scope="module", params=["nearest", "bilinear"])
def given(request, dataset, tmp_path_factory):
    """The dataset and a file of modulations, whose "trained" ones are other random numbers; and the arrays."""
    images, path = Dataset.read(dataset), tmp_path_factory.mktemp("tgsh") / "m.safetensors"
    nets = [draw_flynet(UNITS, 3, seed=7, repeat=repeat) for repeat in range(REPEATS)]
    arrays = dict(zip(("encoder", "decoder"), (np.stack(part) for part in zip(*nets))))
    for state in ("untrained", "trained"):
        drawn = [draw_modulations(UNITS, len(TASKS), seed=7, names=(state, repeat)) for repeat in range(REPEATS)]
        arrays |= {f"{part}_{state}": np.stack(each) for part, each in zip(("context", "strength"), zip(*drawn))}
    identity = {"keys": {"dataset": "d", "benchmark": "b"}, "tasks": TASKS, "interpolation": request.param, "fill": 0.3}
    identity |= {"units": UNITS, "repeats": REPEATS, "classes": 3, "seed": 7, "data": images.checksum}
    write_modulations(path, arrays, identity)
    return images, {"modulations": str(path)}, arrays, request.param


def wanted(images: Dataset, bits: int, repeat: int = 1) -> Wanted:
    return Wanted.of(images, bits, repeat, CPU, dataset="d", seed=1, where="config: comparison.sources.x")


def numbers(files, settings, asked: Wanted, images: Dataset) -> np.ndarray:
    return np.concatenate(list(encoded(modulated(files, settings, asked), images.test.inputs, CPU)))


def settings(task=1, state="trained"):
    return {"task": task, "state": state}


@pytest.mark.parametrize("state", MEASURED)
@pytest.mark.parametrize("task", [0, 2])
def test_bits_are_those_of_the_wings_own_codes(given, state, task):
    images, files, _, _ = given
    model = Model.read(files["modulations"], CPU)
    vector = model.vectors(state, 1)[task].numpy()
    active = active_units(DeviceSplit(images.test, CPU).images, model.views[task], model.networks[1])
    codes = unpack(active & pack(vector > 0), UNITS)
    count = int((vector > 0).sum())
    asked = wanted(images, count)
    units = asked.draw_bits(vector > 0, "", "tgsh", UNITS)
    assert sorted(units) == np.flatnonzero(vector > 0).tolist() and not codes[:, vector <= 0].any()
    found = numbers(files, settings(task, state), asked, images) > 0
    assert np.array_equal(found, codes[:, units])
    assert np.array_equal(numbers(files, settings(task, state), wanted(images, 9), images) > 0, found[:, :9])


def test_trained_and_untrained_codes_share_units_where_both_can(given):
    """The units of every state are the first of one order, those that cannot be on left out."""
    images, files, _, _ = given
    model = Model.read(files["modulations"], CPU)
    order = wanted(images, UNITS).draw_bits(np.ones(UNITS, bool), "", "tgsh", UNITS)
    for state in MEASURED:
        positive = model.vectors(state, 1)[1].numpy() > 0
        logits = numbers(files, settings(state=state), wanted(images, 9), images)
        both = numbers(files, settings(state="unmodulated"), wanted(images, UNITS), images)
        assert np.array_equal(logits, both[:, np.flatnonzero(positive[order])[:9]])


def test_real_numbers_are_modulated_responses(given):
    images, files, arrays, interpolation = given
    shown = transformed(images.test.images, sampling(Transformation(**TASKS[1]), interpolation), 0.3)
    sums = ((shown.reshape(len(shown), -1) - MEAN) / DEVIATION) @ dense_encoder(arrays["encoder"][1]).T
    vector = arrays["context_trained"][1, 1] * arrays["strength_trained"][1, 1]
    expected = np.maximum(sums - sums.mean(1, keepdims=True), 0) * vector
    found = numbers(files, settings(), wanted(images, 0), images)
    assert np.allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_what_the_file_has_not_is_refused(given):
    images, files, arrays, _ = given
    positive = int((arrays["context_trained"][1, 1] * arrays["strength_trained"][1, 1] > 0).sum())
    asked = wanted(images, 9)
    with pytest.raises(InputError, match=rf"x: {UNITS} bits of task 1, trained, repeat 1: units of .* {positive}; exp"):
        modulated(files, settings(), wanted(images, UNITS))
    for task, repeat in ((3, 0), (-1, 0), (0, 2)):
        with pytest.raises(
            InputError, match=rf"has 2 repeats of 3 tasks; expected repeat {repeat} and task {task} bel"
        ):
            modulated(files, settings(task), replace(asked, repeat=repeat))
    with pytest.raises(InputError, match=r"x.state: unknown state 'train'; did you mean 'trained'\?"):
        modulated(files, settings(state="train"), asked)
    with pytest.raises(InputError, match=r"x: .*m.safetensors was trained on other data than d has now"):
        modulated(files, settings(), replace(asked, data="0"))
    with pytest.raises(InputError, match=r"inputs of d are 3 x 28 x 28; .* was trained on images of 1 x 28 x 28"):
        modulated(files, settings(), replace(asked, shape=(3, 28, 28)))
