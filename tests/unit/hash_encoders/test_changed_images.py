"""Random changes of training images: against scipy's interpolation, and what networks of a cohort are shown."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.ndimage import map_coordinates

from rehash.hash_encoders import cohort as module
from rehash.hash_encoders.augmentation import Augmentation, augmented, draw
from rehash.hash_encoders.cohort import CohortTraining, Recipe
from rehash.hash_encoders.networks import Shape
from rehash.hash_encoders.protocols import Protocol
from rehash.seeds import stream
from toys import digits

PLAIN = Protocol("sgd", 0.05, 16, 2)
TURNED = replace(PLAIN, augmentation={"rotation": 40.0, "shift": 0.2, "flip": True})


def changed(image: np.ndarray, draws: np.ndarray, rotation: float, shift: float, flip: bool) -> np.ndarray:
    """An image (H, W) seen through scipy: for each pixel of the result, where it is in the image, in pixels."""
    angle, right, down = (2 * draws[:3].astype(float) - 1) * [math.radians(rotation), shift, shift]
    middle = (np.array(image.shape) - 1) / 2
    found = np.empty(image.shape)
    for row, column in np.ndindex(image.shape):
        y, x = (row, column) - middle
        x = -x if flip and draws[3] < 0.5 else x
        down_there = math.sin(angle) * x + math.cos(angle) * y + down * image.shape[0] + middle[0]
        right_there = math.cos(angle) * x - math.sin(angle) * y + right * image.shape[1] + middle[1]
        found[row, column] = map_coordinates(image, [[down_there], [right_there]], order=1, mode="nearest")[0]
    return found


@pytest.mark.parametrize("settings", [(180.0, 0.0, False), (15.0, 0.1, False), (0.0, 0.4, True), (70.0, 1.0, True)])
def test_images_are_changed_as_scipy_changes_them(settings):
    """Wider than high, in two colours."""
    images, draws = np.random.default_rng(0).random((6, 2, 5, 8)), draw(np.random.default_rng(1), 6)
    found = augmented(torch.from_numpy(images), torch.from_numpy(draws), Augmentation(*settings)).numpy()
    for image, drawn, ours in zip(images, draws, found):
        for channel, mine in zip(image, ours):
            np.testing.assert_allclose(mine, changed(channel, drawn, *settings), atol=1e-10)


def test_no_change_leaves_images_and_half_of_them_are_mirrored():
    images, draws = torch.rand(2000, 1, 4, 5), torch.from_numpy(draw(np.random.default_rng(0), 2000))
    torch.testing.assert_close(augmented(images, draws, Augmentation()), images)
    found = augmented(images, draws, Augmentation(flip=True))
    mirrored = [torch.allclose(one, other.flip(2), atol=1e-5) for one, other in zip(found, images)]
    assert all(torch.allclose(one, other, atol=1e-5) for one, other, m in zip(found, images, mirrored) if not m)
    assert np.mean(mirrored) == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 2000))


def shown(recipes: list[Recipe], monkeypatch, repeats: int = 2, resumed_at: int | None = None) -> list[torch.Tensor]:
    """What the members of a cohort are shown in each step, (M, B, I), float32."""
    found, real = [], module.backpropagate

    def spy(tensors, x_MBI, *rest):
        found.append(x_MBI.clone())
        return real(tensors, x_MBI, *rest)

    options = {"repeats": repeats, "seed": 5, "name": ("t",), "device": torch.device("cpu")}
    shape = Shape(recipes[0].inputs[0].size, 9, 1, 4)
    job = CohortTraining(recipes, shape, **options)
    with monkeypatch.context() as patch:
        patch.setattr(module, "backpropagate", spy)
        while not job.done:
            if len(found) == resumed_at:
                saved, job = job.state(), CohortTraining(recipes, shape, **options)
                job.restore(*saved)
            job.step()
    return found


def test_each_image_is_changed_anew_each_time_it_is_shown(monkeypatch):
    """A sample of ten that is repeated, in two epochs: no two pictures of one image are alike, and all are of it."""
    images, labels = digits(10)
    steps = shown([Recipe(images, labels, replace(TURNED, batch_size=20), passes=4)], monkeypatch, repeats=1)
    assert len(steps) == 4
    pictures = torch.cat(steps, 1)[0].view(-1, 6, 6).double().numpy()
    expected = []
    for epoch in (0, 1):
        order = stream(5, "t", "order", 0, epoch).permutation(40) % 10
        draws = draw(stream(5, "t", "augmentation", 0, epoch), 40)
        expected += [changed(images[i] / 255, drawn, 40.0, 0.2, True) for i, drawn in zip(order, draws)]
    np.testing.assert_allclose(pictures, expected, atol=1e-5)
    assert len(np.unique(pictures.round(4), axis=0)) == len(pictures)


def test_what_is_shown_depends_on_the_repeat_alone(monkeypatch):
    """To the bit, in float32: alone, among other cells and repeats, and after a restart; others see plain images."""
    images, labels = digits()
    noise = digits(seed=1)[0]
    other = replace(TURNED, augmentation={"shift": 0.5})
    protocols = [
        PLAIN,
        TURNED,
        replace(TURNED, l2=0.1),
        other,
        replace(TURNED, batch_norm={"momentum": 0.1, "eps": 1e-3}),
    ]
    recipes = [Recipe(images, labels, protocol) for protocol in protocols] + [Recipe(noise, labels, TURNED)]
    together, again = shown(recipes, monkeypatch), shown(recipes, monkeypatch, resumed_at=17)
    assert all(torch.equal(one, two) for one, two in zip(together, again, strict=True))
    order = sorted(range(6), key=lambda i: (recipes[i].protocol.norm is None, recipes[i].protocol.l2))
    for i, recipe in enumerate(recipes):
        rows = [2 * order.index(i), 2 * order.index(i) + 1]
        alone = shown([recipe], monkeypatch, repeats=1)
        for step, one in zip(together, alone, strict=True):
            assert torch.equal(step[rows[:1]], one) and not torch.equal(step[rows[0]], step[rows[1]])
    plain = torch.from_numpy(images).view(208, 36).float() / 255
    assert all((picture == plain).all(1).any() for picture in together[0][2 * order.index(0)])


@pytest.mark.parametrize("colours", [False, True])
def test_training_is_torchs_on_images_changed_by_scipy(colours):
    """Images in colours and an offset as well; the history is of the changed images."""
    images, labels = digits(64)
    if colours:
        images = np.stack([images, images[:, ::-1], 255 - images], -1)
    protocol = replace(TURNED, offset=0.5, epochs=3)
    recipe, shape = Recipe(images, labels, protocol), Shape(images[0].size, 9, 1, 4)
    options = {"repeats": 1, "seed": 5, "name": ("t",), "device": torch.device("cpu"), "dtype": torch.float64}
    job = CohortTraining([recipe], shape, **options)
    model = torch.nn.Sequential(torch.nn.Linear(shape.inputs, 9), torch.nn.ReLU(), torch.nn.Linear(9, 4)).double()
    for parameter, name in zip(model.parameters(), ("hidden.0.weight", "hidden.0.bias", "head.weight", "head.bias")):
        parameter.data.copy_(job.tensors[name][0])
    for _ in range(2 * 4):
        job.step()
    optimiser = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9)
    for epoch, row in enumerate(job.trained[0].history):
        order = stream(5, "t", "order", 0, epoch).permutation(64)
        draws, right = draw(stream(5, "t", "augmentation", 0, epoch), 64), 0
        for at in np.split(np.arange(64), 4):
            pictures = [
                np.stack([changed(part / 255, draws[k], 40.0, 0.2, True) for part in np.atleast_3d(images[i]).transpose(2, 0, 1)], -1)
                for k, i in zip(at, order[at])
            ]  # fmt: skip
            logits = model(torch.from_numpy(np.stack(pictures).reshape(16, -1)) - 0.5)
            answers = torch.from_numpy(labels[order[at]])
            right += (logits.argmax(1) == answers).sum().item()
            optimiser.zero_grad()
            F.cross_entropy(logits, answers).backward()
            optimiser.step()
        assert row["accuracy"] == right / 64
    torch.testing.assert_close(job.tensors["hidden.0.weight"][0], model[0].weight.detach(), rtol=1e-7, atol=1e-9)
