"""T-GSH as an encoder of images: the sign code of the modulated response to an image that is shown in a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from rehash.encoders import Encoder, Wanted
from rehash.errors import InputError, unknown
from rehash.tgsh.flynet import respond
from rehash.tgsh.model import MEASURED, Model
from rehash.tgsh.modulations import shape_in


def modulated(files: Mapping[str, str], settings: Mapping[str, Any], wanted: Wanted) -> Encoder:
    """Open one task's modulation of one network, as an encoder of images that are shown in this task.

    A unit's modulated response is above 0 where the unit responds and its entry of the task vector is positive, so all
    other units' bits are 0 for every image (`rehash.tgsh.codes`). A code's bits are units with a positive entry, drawn
    at random from one order of all units; a unit's logit is its response, which is never below 0. Real numbers are the
    modulated responses of all units.

    Args:
        files: modulations, a file of `rehash.tgsh.modulations`.
        settings: task, its number in the benchmark, from 0; state (trained, untrained or unmodulated).

    Raises:
        InputError: the file is damaged, is of other data, or has no such repeat, task or state; images have
            another shape than it was trained on; or fewer units than bits are wanted have a positive entry.
    """
    path, task, state, where = files["modulations"], settings["task"], settings["state"], wanted.where
    if state not in MEASURED:
        raise unknown("state", state, MEASURED, f"{where}.state")
    model = Model.read(path, wanted.device)
    wanted.check_data(model.identity["data"], path)
    if wanted.shape != shape_in(model.identity):
        mine, theirs = (" x ".join(map(str, shape)) for shape in (wanted.shape, shape_in(model.identity)))
        raise InputError(f"{where}: inputs of {wanted.dataset} are {mine}; {path} was trained on images of {theirs}")
    if wanted.repeat >= len(model.networks) or not 0 <= task < len(model.views):
        raise InputError(
            f"{where}: {path} has {len(model.networks)} repeats of {len(model.views)} tasks; expected repeat "
            f"{wanted.repeat} and task {task} below these numbers, counted from 0"
        )
    vector_U = model.vectors(state, wanted.repeat)[task]
    net, view = model.networks[wanted.repeat], model.views[task]
    if not wanted.real:
        positive = (vector_U > 0).cpu().numpy()
        what = f"task {task}, {state}, repeat {wanted.repeat}: units of {path} with a positive entry of the task vector"
        names = ("tgsh", len(positive))
        units = torch.from_numpy(wanted.draw_bits(positive, what, *names)).to(wanted.device)

    def logits(images: torch.Tensor) -> torch.Tensor:
        responses_UB = respond(view.shown(images.flatten(1).t()), net)
        return (responses_UB * vector_U[:, None] if wanted.real else responses_UB[units]).t()

    return logits
