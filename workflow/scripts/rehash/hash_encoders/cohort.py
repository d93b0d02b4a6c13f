"""Training of a cohort: many networks of one shape at once, each with its own start, data, data order and end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch

from rehash.captured import capture
from rehash.errors import InputError
from rehash.hash_encoders.augmentation import Augmentation, augmented, draw
from rehash.hash_encoders.dropout import gates
from rehash.hash_encoders.networks import (
    Shape,
    Tensors,
    as_inputs,
    backpropagate,
    initialise,
    is_of_norm,
    is_penalised,
    is_trained,
    squared_norms,
)
from rehash.hash_encoders.optimisers import OPTIMISERS, Group
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.trained import Trained, epoch_of, snapshot_name
from rehash.seeds import integer, stream

log = logging.getLogger("rehash")


@dataclass(frozen=True, eq=False)
class Recipe:
    """How all repeats of one cell are trained.

    Attributes:
        inputs: the training inputs, as in `rehash.datasets.layout.Split`. labels: int64 (N,).
        passes: how often an epoch shows each input.
        snapshots: epochs after which networks are kept, besides the end ("trained").
    """

    inputs: np.ndarray
    labels: np.ndarray
    protocol: Protocol
    passes: int = 1
    snapshots: tuple[int, ...] = (0,)

    @property
    def shown(self) -> int:
        """Return how many inputs an epoch shows, repeated ones counted each time."""
        return len(self.inputs) * self.passes

    @property
    def timetable(self) -> tuple[Any, ...]:
        """Return what the recipes of a cohort have in common, so that all its members take each step together."""
        return timetable(self.shown, self.protocol, self.snapshots)


def timetable(shown: int, protocol: Protocol, snapshots: tuple[int, ...]) -> tuple[Any, ...]:
    """Return what a training must have in common with another one to be part of the same cohort (see `Recipe`)."""
    return (shown, protocol.of_a_cohort(), snapshots)


@dataclass(frozen=True, eq=False)
class _Changed:
    """Running members whose images are changed by the same settings.

    Attributes:
        members: their rows. first: the rows of those that are the first to show what they show. alike: for each of
            `members`, the place in `first` of the one that shows the same. repeats: of each of `first`.
    """

    settings: Augmentation
    members: torch.Tensor
    first: torch.Tensor
    alike: torch.Tensor
    repeats: list[int]


class CohortTraining:
    """The training of a cohort as a resumable job (see rehash.training.run).

    A step is one batch of every running member. A member is a repeat of a recipe; its random streams are seeded by
    `seed` and their own names (`name`, repeat), not by its recipe or the size of the cohort. At the end of an epoch a
    member stops if its training loss (the mean over the epoch's inputs, penalty included) has not fallen below its best
    by more than `min_delta` for `patience` epochs, or is not finite; the others continue without it.

    Args:
        recipes: they may differ in their data, l2, BatchNorm, dropout and augmentation; see `Recipe.timetable`.
        repeats: the numbers of the members of each recipe, such as range(3, 10) where 0 to 2 are trained already; or
            how many there are, from 0 on.
        dtype: float32, or float64 to compare implementations.

    Attributes:
        running: recipe and repeat of every running member, in the order of the rows of all stacked tensors. Members
            with BatchNorm come first, so that its tensors, which have a row for each of these only, fit to them.
        trained: the results of each recipe.
    """

    def __init__(
        self,
        recipes: Sequence[Recipe],
        shape: Shape,
        *,
        repeats: int | range,
        seed: int,
        name: tuple[object, ...],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        repeats = range(repeats) if isinstance(repeats, int) else repeats
        if not repeats:
            raise InputError(f"cohort: repeats is {len(repeats)}; expected at least 1")
        for recipe in recipes:
            if len(recipe.inputs) < 2:
                raise InputError(f"cohort: {len(recipe.inputs)} training inputs; expected at least 2")
            if recipe.timetable != recipes[0].timetable:
                raise InputError("cohort: recipes with different timetables; expected ones that go together")
        norms = {recipe.protocol.norm for recipe in recipes} - {None}
        if len(norms) > 1:
            raise InputError(f"cohort: {len(norms)} settings of BatchNorm; expected one, and recipes without it")
        self.recipes, self.shape, self.seed, self.name, self.device = recipes, shape, seed, name, device
        self.first = repeats.start
        self.protocol = recipes[0].protocol  # for what all recipes have in common
        self.norm = next(iter(norms), None)
        self.optimiser, self.rate = OPTIMISERS[self.protocol.optimiser], self.protocol.learning_rate
        inputs, self.input_starts = _joined([recipe.inputs for recipe in recipes])
        labels, self.label_starts = _joined([recipe.labels for recipe in recipes])
        self.inputs = as_inputs(inputs, device, dtype, offset=self.protocol.offset)
        self.labels = torch.from_numpy(labels).to(device)
        order = sorted(range(len(recipes)), key=lambda i: (recipes[i].protocol.norm is None, recipes[i].protocol.l2))
        self.running = [(recipe, repeat) for recipe in order for repeat in repeats]
        rngs = [stream(seed, *name, "initialisation", repeat) for repeat in repeats]
        start = initialise(shape, rngs, self.protocol.initialisation, self.norm is not None, self.protocol.slope)
        normed = sum(recipes[recipe].protocol.norm is not None for recipe, _ in self.running)
        rows = {part: [repeat - self.first for _, repeat in self.running] for part in start}
        rows |= {part: those[:normed] for part, those in rows.items() if is_of_norm(part)}
        self.trained = [self._nothing_yet(recipe, start, len(repeats)) for recipe in recipes]
        self.best = np.full((len(recipes), repeats.stop), np.inf)
        self.waited = np.zeros((len(recipes), repeats.stop), np.int64)
        self.epoch = self.batch = 0
        self._set_tensors({part: start[part][those].to(device, dtype) for part, those in rows.items()})
        self._keep(snapshot_name(0))
        self._begin_epoch()

    def _nothing_yet(self, recipe: Recipe, start: Tensors, repeats: int) -> Trained:
        """Return the results of a recipe before training: NaN until a member reaches the snapshot, if it ever does."""
        trained, epochs = Trained(), self.protocol.epochs
        for snapshot in [*(snapshot_name(e) for e in sorted(recipe.snapshots) if e < epochs), "trained"]:
            trained.networks[snapshot] = {
                part: torch.full(tensor.shape, torch.nan)
                for part, tensor in start.items()
                if recipe.protocol.norm or not is_of_norm(part)
            }
            trained.epochs[snapshot] = [epoch_of(snapshot, epochs)] * repeats
        return trained

    # The loop's view

    @property
    def batches(self) -> int:
        """Return the number of steps of an epoch."""
        return self.protocol.batches(self.recipes[0].shown)

    @property
    def total(self) -> int:
        return self.protocol.epochs * self.batches

    @property
    def finished_steps(self) -> int:
        return self.epoch * self.batches + self.batch

    @property
    def done(self) -> bool:
        return not self.running

    def status(self) -> str:
        recent = [row["loss"] for trained in self.trained for row in trained.history if row["epoch"] == self.epoch]
        spread = f"loss {min(recent):.4f} to {max(recent):.4f}" if recent else "no epoch finished"
        return f"epoch {self.epoch} of {self.protocol.epochs} | {spread} | {len(self.running)} members running"

    def step(self) -> None:
        """Train every running member on one batch; at the end of an epoch, record losses and stop members."""
        size = self.protocol.batch_size
        at = slice(self.batch * size, (self.batch + 1) * size)
        self._train_batch(self.order_MN[:, at], *(draws[:, at] for draws in self.draws))
        self.batch += 1
        if self.batch == self.batches:
            self._end_epoch()

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        tensors = {f"now/{name}": tensor for name, tensor in self.tensors.items()}
        tensors |= {f"moment/{name}": tensor for name, tensor in self.moments.items()}
        for i, trained in enumerate(self.trained):
            for snapshot, network in trained.networks.items():
                if snapshot == "trained" or epoch_of(snapshot, self.protocol.epochs) <= self.epoch:
                    tensors |= {f"kept/{i}/{snapshot}/{name}": tensor for name, tensor in network.items()}
        tensors |= {"sum/loss": self.loss_sum, "sum/correct": self.correct_sum, "best": torch.from_numpy(self.best)}
        values = {
            "epoch": self.epoch,
            "batch": self.batch,
            "running": self.running,
            "epochs": [trained.epochs for trained in self.trained],
            "history": [trained.history for trained in self.trained],
            "waited": self.waited.tolist(),
        }
        return tensors, values

    def restore(self, tensors: Tensors, values: dict[str, Any]) -> None:
        self.epoch, self.batch = values["epoch"], values["batch"]
        self.running = [tuple(member) for member in values["running"]]
        self.best, self.waited = tensors["best"].numpy(), np.array(values["waited"])
        for trained, epochs, history in zip(self.trained, values["epochs"], values["history"]):
            trained.epochs, trained.history = epochs, history
        found: dict[str, Tensors] = {"now": {}, "moment": {}}
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            if kind == "kept":
                i, snapshot, name = name.split("/", 2)
                self.trained[int(i)].networks[snapshot][name] = value
            elif kind in found:
                found[kind][name] = value.to(self.device)
        self._set_tensors(found["now"], found["moment"])
        self._begin_epoch()
        self.loss_sum.copy_(tensors["sum/loss"])
        self.correct_sum.copy_(tensors["sum/correct"])

    # Epochs

    def _begin_epoch(self) -> None:
        """Draw each repeat's order of the inputs and their changes in this epoch, and set its learning rate."""
        if not self.running:
            return
        drawn = {
            repeat: stream(self.seed, *self.name, "order", repeat, self.epoch).permutation(self.recipes[0].shown)
            for repeat in {repeat for _, repeat in self.running}
        }
        orders = [drawn[repeat] % len(self.recipes[recipe].inputs) for recipe, repeat in self.running]
        self.order_MN = torch.from_numpy(np.stack(orders)).to(self.device)
        self.draws = [self._draws(each.repeats) for each in self.changed]
        self._set_rate(self.protocol.rate(self.epoch))

    def _draws(self, repeats: list[int]) -> torch.Tensor:
        """Draw how each repeat's images are changed in this epoch, (repeats, N, DRAWS) in the order of `order_MN`."""
        names = {repeat: (*self.name, "augmentation", repeat, self.epoch) for repeat in repeats}
        drawn = {repeat: draw(stream(self.seed, *name), self.recipes[0].shown) for repeat, name in names.items()}
        return torch.from_numpy(np.stack([drawn[repeat] for repeat in repeats])).to(self.device)

    def _end_epoch(self) -> None:
        seen = min(self.recipes[0].shown, self.batches * self.protocol.batch_size)
        loss = (self.loss_sum / seen).double().cpu().numpy()
        accuracy = (self.correct_sum / seen).double().cpu().numpy()
        self.epoch, self.batch = self.epoch + 1, 0
        self._keep(snapshot_name(self.epoch))
        going = []
        for row, member in enumerate(self.running):
            recipe, repeat = member
            self.trained[recipe].history.append(
                {"epoch": self.epoch, "repeat": repeat, "loss": float(loss[row]), "accuracy": float(accuracy[row])}
            )
            diverged = not np.isfinite(loss[row])
            if diverged:
                log.warning("repeat %d: stopped, its loss is %s after epoch %d", repeat, loss[row], self.epoch)
            improved = loss[row] < self.best[member] - self.protocol.min_delta
            self.best[member] = loss[row] if improved else self.best[member]
            self.waited[member] = 0 if improved else self.waited[member] + 1
            patience = self.protocol.patience
            waited_long = patience is not None and self.waited[member] >= patience
            if diverged or waited_long or self.epoch == self.protocol.epochs:
                self._keep_member("trained", row)
            else:
                going.append(row)
        if len(going) < len(self.running):
            self.running = [self.running[row] for row in going]
            self._set_tensors(_of_rows(self.tensors, going), _of_rows(self.moments, going))
        self.loss_sum.zero_()
        self.correct_sum.zero_()
        if self.protocol.fresh_optimiser:
            for value in (*self.moments.values(), *(step for group in self.groups for step in group.steps)):
                value.zero_()
        self._begin_epoch()

    def _keep(self, snapshot: str) -> None:
        """Copy all running members into a snapshot, if it is one to be kept."""
        for row, (recipe, _) in enumerate(self.running):
            if snapshot in self.trained[recipe].networks:
                self._keep_member(snapshot, row)

    def _keep_member(self, snapshot: str, row: int) -> None:
        recipe, repeat = self.running[row]
        trained = self.trained[recipe]
        if snapshot != "trained" or self.protocol.patience is not None:
            trained.epochs[snapshot][repeat - self.first] = self.epoch
        for name, kept in trained.networks[snapshot].items():
            kept[repeat - self.first] = self.tensors[name][row].float().cpu()

    # Batches

    def _set_tensors(self, tensors: Tensors, moments: Tensors | None = None) -> None:
        """Set parameters, statistics and moments (zeros without `moments`) of the running members."""
        self.tensors = {k: v.contiguous() for k, v in tensors.items()}
        self.trainable = {k: v for k, v in self.tensors.items() if is_trained(k, self.protocol.activation)}
        self.moments = moments or {
            f"{what}/{name}": torch.zeros_like(tensor)
            for name, tensor in self.trainable.items()
            for what in self.optimiser.moments
        }
        protocols = [self.recipes[recipe].protocol for recipe, _ in self.running]
        dropped = [(row, self.running[row][1], each.dropout) for row, each in enumerate(protocols) if each.dropout]
        keys = [integer(self.seed, *self.name, "dropout", repeat, bits=63) for _, repeat, _ in dropped]
        place, members = {"device": self.device}, len(self.running)
        self.penalised, self.dropped = any(each.l2 for each in protocols), bool(dropped)
        self.l2_M = torch.tensor([each.l2 for each in protocols], dtype=self.inputs.dtype, **place)
        self.dropped_D = torch.tensor([row for row, _, _ in dropped], dtype=torch.int64, **place)
        self.shares_D = torch.tensor([share for _, _, share in dropped], dtype=self.inputs.dtype, **place)
        self.keys_D = torch.tensor(keys, dtype=torch.int64, **place)
        self.steps = torch.tensor(self.finished_steps, **place)
        self.input_start_M1, self.label_start_M1 = (
            torch.tensor([starts[recipe] for recipe, _ in self.running], dtype=torch.int64, **place)[:, None]
            for starts in (self.input_starts, self.label_starts)
        )
        self.changed = self._changes()
        self.loss_sum = torch.zeros(members, dtype=torch.float64, device=self.device)
        self.correct_sum = torch.zeros(members, dtype=torch.float64, device=self.device)
        self._make_groups([each.l2 for each in protocols])
        self._captured: Callable[[], None] | None = None

    def _make_groups(self, l2: list[float]) -> None:
        """Make the optimiser's groups: the hidden kernels of neighbours with one penalty, and everything else.

        The gradient of l2 * sum(w^2) is 2 * l2 * w, which is what torch's weight decay adds. The protocol's own weight
        decay is of all parameters, and not part of the loss.
        """
        everywhere = self.protocol.weight_decay
        done = self.batch if self.protocol.fresh_optimiser else self.finished_steps
        kernels = [name for name in self.trainable if is_penalised(name)]
        others = [name for name in self.trainable if not is_penalised(name)]
        parts = [(kernels, rows, everywhere + 2 * penalty) for penalty, rows in _runs(l2)]
        parts.append((others, slice(None), everywhere))
        self.groups = [
            Group(
                *(names, rows, [self.trainable[name][rows] for name in names]),
                moments=[[self.moments[f"{what}/{name}"][rows] for name in names] for what in self.optimiser.moments],
                steps=[torch.tensor(float(done), device=self.device) for _ in names],
                weight_decay=decay,
            )
            for names, rows, decay in parts
        ]

    def _set_rate(self, rate: float) -> None:
        if rate != self.rate:
            self._captured = None
        self.rate = rate

    def _train_batch(self, rows_MB: torch.Tensor, *draws: torch.Tensor) -> None:
        if self.device.type == "cuda" and rows_MB.shape[1] == self.protocol.batch_size:
            self._replay(rows_MB, *draws)
        else:
            self._update(rows_MB, *draws)

    @torch.no_grad()
    def _update(self, rows_MB: torch.Tensor, *draws: torch.Tensor) -> None:
        """Run forward, backward and one optimiser step for all running members; their gradients are independent.

        Args:
            rows_MB: which inputs are shown. draws: the random numbers of each of `self.changed`, (repeats, B, DRAWS).
        """
        members, batch = rows_MB.shape
        x_MBI = self.inputs.index_select(0, (rows_MB + self.input_start_M1).view(-1)).view(members, batch, -1)
        for each, drawn in zip(self.changed, draws):
            x_MBI[each.members] = self._augmented(x_MBI[each.first], drawn, each.settings)[each.alike]
        labels_MB = self.labels[rows_MB + self.label_start_M1]
        gates_LMWB = self._gates(batch) if self.dropped else None
        loss_M, right_M, gradients = backpropagate(
            self.tensors, x_MBI, labels_MB, self.shape, self.norm, self.protocol.clip, gates_LMWB
        )
        if self.penalised:
            loss_M = loss_M + self.l2_M * squared_norms(self.tensors, self.shape)
        self.loss_sum += loss_M * batch
        self.correct_sum += right_M
        self.steps += 1
        for group in self.groups:
            own = [gradients[name][group.rows] for name in group.names]
            self.optimiser.update(group, own, self.rate, self.protocol)

    def _changes(self) -> list[_Changed]:
        """Group the running members whose images are changed by the settings of that.

        A repeat has the same random numbers in every recipe, so images are changed once for all that show the same.
        """
        groups: dict[Augmentation, dict[tuple[int, ...], list[int]]] = {}
        for row, (recipe, repeat) in enumerate(self.running):
            if settings := self.recipes[recipe].protocol.augmentation:
                shown = (repeat, self.input_starts[recipe], len(self.recipes[recipe].inputs))
                groups.setdefault(Augmentation(**settings), {}).setdefault(shown, []).append(row)
        found = []
        for settings, alike in groups.items():
            members, places = zip(*((row, place) for place, rows in enumerate(alike.values()) for row in rows))
            first = [rows[0] for rows in alike.values()]
            tensors = (torch.tensor(rows, dtype=torch.int64, device=self.device) for rows in (members, first, places))
            found.append(_Changed(settings, *tensors, repeats=[repeat for repeat, _, _ in alike]))
        return found

    def _augmented(self, x_RBI: torch.Tensor, draws_RBD: torch.Tensor, settings: Augmentation) -> torch.Tensor:
        """Change flat images, each as its random numbers say."""
        height, width, *colours = self.recipes[0].inputs.shape[1:]
        images = x_RBI.reshape(-1, height, width, *colours or [1]).permute(0, 3, 1, 2)
        return augmented(images, draws_RBD.flatten(0, 1), settings).permute(0, 2, 3, 1).reshape(x_RBI.shape)

    def _gates(self, batch: int) -> torch.Tensor:
        """Draw the gates of all members, (layers, M, W, B); a repeat has the same random numbers in every recipe.

        Gates depend on the seed, the repeat and the number of the step only, not on which other members are running.
        """
        size = (self.shape.depth, self.shape.layer_width, batch)
        found = torch.ones((size[0], len(self.running), *size[1:]), dtype=self.inputs.dtype, device=self.device)
        found[:, self.dropped_D] = gates(self.keys_D, self.steps, size, self.shares_D).transpose(0, 1)
        return found

    def _replay(self, *batch: torch.Tensor) -> None:
        """Run `_update` as a captured CUDA graph, so that small networks do not wait for kernel launches."""
        if self._captured is None:
            self._batch = [part.clone() for part in batch]
            changing = [*self.tensors.values(), self.loss_sum, self.correct_sum, self.steps]
            changing += [*self.moments.values(), *(step for group in self.groups for step in group.steps)]
            before = [v.clone() for v in changing]
            replay, _ = capture(self._update, *self._batch)
            with torch.no_grad():
                for value, saved in zip(changing, before):  # the warm-up is undone
                    value.copy_(saved)
            self._captured = replay
        for held, part in zip(self._batch, batch):
            held.copy_(part)
        self._captured()


def _joined(arrays: Sequence[np.ndarray]) -> tuple[np.ndarray, list[int]]:
    """Join arrays along their first axis, and return where each begins; arrays that begin in one place are held once.

    Cells of a study often train on the first n inputs of one array.
    """
    longest: dict[int, np.ndarray] = {}
    for array in arrays:
        place = array.__array_interface__["data"][0]
        if len(array) > len(longest.get(place, ())):
            longest[place] = array
    starts = dict(zip(longest, np.cumsum([0, *map(len, longest.values())]).tolist()))
    return np.concatenate(list(longest.values())), [starts[a.__array_interface__["data"][0]] for a in arrays]


def _of_rows(tensors: Tensors, rows: list[int]) -> Tensors:
    """Return the chosen rows of stacked tensors; those of BatchNorm may have none, and are left out."""
    chosen = {name: [row for row in rows if row < len(tensor)] for name, tensor in tensors.items()}
    return {name: tensors[name][those] for name, those in chosen.items() if those}


def _runs(values: list[float]) -> list[tuple[float, slice]]:
    """Return the runs of equal neighbours, each as its value and where it lies.

    >>> _runs([0.0, 0.0, 0.1])
    [(0.0, slice(0, 2, None)), (0.1, slice(2, 3, None))]
    """
    found, start = [], 0
    for value, members in groupby(values):
        stop = start + len(list(members))
        found.append((value, slice(start, stop)))
        start = stop
    return found
