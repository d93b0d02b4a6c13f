"""Training of a cohort: all repeats of one configuration at once, each with its own start, data order and end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from rehash.errors import InputError
from rehash.hash_encoders.networks import (
    Shape,
    Tensors,
    as_inputs,
    forward,
    initialise,
    is_trained,
    losses,
    squared_norms,
)
from rehash.hash_encoders.optimisers import MOMENTS, OPTIMISERS
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.trained import Trained, epoch_of, snapshot_name
from rehash.seeds import integer, stream
from rehash.training import moments, restore_moments

log = logging.getLogger("rehash")


class CohortTraining:
    """The training of a cohort as a resumable job (see rehash.training.run).

    A step is one batch of every running member. Members are seeded by `seed` and their own names (`name`, repeat),
    not by the size of the cohort. At the end of an epoch a member stops if its training loss (the mean over the epoch's
    inputs, penalty included) has not fallen below its best by more than `min_delta` for `patience` epochs, or is not
    finite; the others continue without it.

    Args:
        images: uint8 (N, ...), the training inputs. labels: int64 (N,).
        passes: how often an epoch shows each input.
        snapshots: epochs after which networks are kept, besides the end ("trained").
        dtype: float32, or float64 to compare implementations.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        shape: Shape,
        protocol: Protocol,
        *,
        repeats: int,
        seed: int,
        name: tuple[object, ...],
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        passes: int = 1,
        snapshots: tuple[int, ...] = (0,),
    ) -> None:
        if repeats < 1:
            raise InputError(f"cohort: repeats is {repeats}; expected at least 1")
        if len(images) < 2:
            raise InputError(f"cohort: {len(images)} training inputs; expected at least 2")
        self.shape, self.protocol = shape, protocol
        self.seed, self.name, self.device = seed, name, device
        self.passes, self.snapshots = passes, snapshots
        self.inputs = as_inputs(images, device, dtype)
        self.labels = torch.from_numpy(labels).to(device)
        self.running = list(range(repeats))
        rngs = [stream(seed, *name, "initialisation", repeat) for repeat in self.running]
        start = initialise(shape, rngs, protocol.initialisation, protocol.norm is not None)
        self.trained = Trained()
        for snapshot in [*(snapshot_name(e) for e in sorted(snapshots) if e < protocol.epochs), "trained"]:
            # NaN until the snapshot is reached; a member that diverged may never reach it.
            self.trained.networks[snapshot] = {k: torch.full(v.shape, torch.nan) for k, v in start.items()}
            self.trained.epochs[snapshot] = [epoch_of(snapshot, protocol.epochs)] * repeats
        self.best = np.full(repeats, np.inf)
        self.waited = np.zeros(repeats, np.int64)
        self.epoch = self.batch = 0
        self._set_tensors({k: v.to(device, dtype) for k, v in start.items()})
        self._keep(snapshot_name(0))
        self._begin_epoch()

    # The loop's view

    @property
    def batches(self) -> int:
        """Return the number of steps of an epoch."""
        return self.protocol.batches(len(self.inputs) * self.passes)

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
        recent = [row["loss"] for row in self.trained.history if row["epoch"] == self.epoch]
        spread = f"loss {min(recent):.4f} to {max(recent):.4f}" if recent else "no epoch finished"
        return f"epoch {self.epoch} of {self.protocol.epochs} | {spread} | {len(self.running)} members running"

    def step(self) -> None:
        """Train every running member on one batch; at the end of an epoch, record losses and stop members."""
        size = self.protocol.batch_size
        self._train_batch(self.order_MN[:, self.batch * size : (self.batch + 1) * size])
        self.batch += 1
        if self.batch == self.batches:
            self._end_epoch()

    def state(self) -> tuple[Tensors, dict[str, Any]]:
        tensors = {f"now/{k}": v for k, v in self.tensors.items()}
        tensors |= moments(self.optimiser, self.named)
        for snapshot, network in self.trained.networks.items():
            if snapshot == "trained" or epoch_of(snapshot, self.protocol.epochs) <= self.epoch:
                tensors |= {f"kept/{snapshot}/{k}": v for k, v in network.items()}
        tensors |= {"sum/loss": self.loss_sum, "sum/correct": self.correct_sum, "best": torch.from_numpy(self.best)}
        values = {
            "epoch": self.epoch,
            "batch": self.batch,
            "running": self.running,
            "epochs": self.trained.epochs,
            "history": self.trained.history,
            "waited": self.waited.tolist(),
        }
        return tensors, values

    def restore(self, tensors: Tensors, values: dict[str, Any]) -> None:
        self.epoch, self.batch, self.running = values["epoch"], values["batch"], values["running"]
        self.trained.epochs, self.trained.history = values["epochs"], values["history"]
        self.best, self.waited = tensors["best"].numpy(), np.array(values["waited"])
        now = {}
        for key, value in tensors.items():
            kind, _, name = key.partition("/")
            if kind == "kept":
                snapshot, _, name = name.partition("/")
                self.trained.networks[snapshot][name] = value
            elif kind == "now":
                now[name] = value.to(self.device)
        self._set_tensors(now)
        restore_moments(self.optimiser, self.named, tensors)
        self._begin_epoch()
        self.loss_sum.copy_(tensors["sum/loss"])
        self.correct_sum.copy_(tensors["sum/correct"])

    # Epochs

    def _begin_epoch(self) -> None:
        """Draw each running member's order of the inputs in this epoch, and set the epoch's learning rate."""
        n = len(self.inputs)
        orders = [
            stream(self.seed, *self.name, "order", repeat, self.epoch).permutation(n * self.passes) % n
            for repeat in self.running
        ]
        self.order_MN = torch.from_numpy(np.stack(orders)).to(self.device) if orders else None
        self._set_rate(self.protocol.rate(self.epoch))

    def _end_epoch(self) -> None:
        seen = min(len(self.inputs) * self.passes, self.batches * self.protocol.batch_size)
        loss = (self.loss_sum / seen).double().cpu().numpy()
        accuracy = (self.correct_sum / seen).double().cpu().numpy()
        self.epoch, self.batch = self.epoch + 1, 0
        self._keep(snapshot_name(self.epoch))
        going = []
        for row, repeat in enumerate(self.running):
            self.trained.history.append(
                {"epoch": self.epoch, "repeat": repeat, "loss": float(loss[row]), "accuracy": float(accuracy[row])}
            )
            diverged = not np.isfinite(loss[row])
            if diverged:
                log.warning("repeat %d: stopped, its loss is %s after epoch %d", repeat, loss[row], self.epoch)
            improved = loss[row] < self.best[repeat] - self.protocol.min_delta
            self.best[repeat] = loss[row] if improved else self.best[repeat]
            self.waited[repeat] = 0 if improved else self.waited[repeat] + 1
            patience = self.protocol.patience
            waited_long = patience is not None and self.waited[repeat] >= patience
            if diverged or waited_long or self.epoch == self.protocol.epochs:
                self._keep_member("trained", row, repeat)
            else:
                going.append(row)
        if len(going) < len(self.running):
            self.running = [self.running[row] for row in going]
            keep = torch.tensor(going, dtype=torch.long, device=self.device)
            self._set_tensors(
                {k: v.detach()[keep] for k, v in self.tensors.items()},
                {k: {m: v[keep] if v.ndim else v for m, v in slots.items()} for k, slots in self.moments.items()},
            )
        self.loss_sum.zero_()
        self.correct_sum.zero_()
        self._begin_epoch()

    def _keep(self, snapshot: str) -> None:
        """Copy all running members into a snapshot, if it is one to be kept."""
        if snapshot in self.trained.networks:
            for row, repeat in enumerate(self.running):
                self._keep_member(snapshot, row, repeat)

    def _keep_member(self, snapshot: str, row: int, repeat: int) -> None:
        if snapshot != "trained" or self.protocol.patience is not None:
            self.trained.epochs[snapshot][repeat] = self.epoch
        for name, tensor in self.tensors.items():
            self.trained.networks[snapshot][name][repeat] = tensor[row].detach().float().cpu()

    # Batches

    def _set_tensors(self, tensors: Tensors, kept: dict[str, Tensors] | None = None) -> None:
        """Set parameters, statistics and moments (fresh ones without `kept`), and make a new optimiser."""
        self.tensors = {k: v.contiguous().requires_grad_(is_trained(k)) for k, v in tensors.items()}
        self.named = {k: v for k, v in self.tensors.items() if is_trained(k)}
        self.parameters = list(self.named.values())
        hidden = [v for k, v in self.tensors.items() if k.startswith("hidden") and k.endswith("weight")]
        others = [v for v in self.parameters if not any(v is kernel for kernel in hidden)]
        # The gradient of l2 * sum(w^2) is 2 * l2 * w, which is what torch's (coupled) weight_decay adds.
        groups = [{"params": hidden, "weight_decay": 2 * self.protocol.l2}, {"params": others, "weight_decay": 0.0}]
        self.optimiser = OPTIMISERS[self.protocol.optimiser](groups, self.protocol, self.device)
        self.moments = {}
        for name, parameter in self.named.items():
            fresh = {m: make(parameter) for m, make in MOMENTS[self.protocol.optimiser].items()}
            self.moments[name] = kept[name] if kept else fresh
            self.optimiser.state[parameter] = self.moments[name]
        members = len(self.running)
        self.loss_sum = torch.zeros(members, dtype=torch.float64, device=self.device)
        self.correct_sum = torch.zeros(members, dtype=torch.float64, device=self.device)
        self._captured: Callable[[], None] | None = None

    def _set_rate(self, rate: float) -> None:
        if any(group["lr"] != rate for group in self.optimiser.param_groups):
            self._captured = None
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def _train_batch(self, rows_MB: torch.Tensor) -> None:
        captured = self.device.type == "cuda" and not self.protocol.dropout  # dropout draws new gates in every step
        if captured and rows_MB.shape[1] == self.protocol.batch_size:
            self._replay(rows_MB)
        else:
            self._update(rows_MB)

    def _update(self, rows_MB: torch.Tensor) -> None:
        """Run forward, backward and one optimiser step for all running members; their gradients are independent."""
        members, batch = rows_MB.shape
        x_MBI = self.inputs.index_select(0, rows_MB.reshape(-1)).view(members, batch, -1)
        labels_MB = self.labels[rows_MB]
        x_MIB, gates = x_MBI.transpose(1, 2), self._gates(batch) if self.protocol.dropout else None
        logits, _ = forward(self.tensors, x_MIB, self.shape, self.protocol.norm, training=True, gates=gates)
        loss_M = losses(logits, labels_MB, self.protocol.clip)
        for parameter, gradient in zip(self.parameters, torch.autograd.grad(loss_M.sum(), self.parameters)):
            parameter.grad = gradient
        with torch.no_grad():
            penalised = (
                loss_M + self.protocol.l2 * squared_norms(self.tensors, self.shape) if self.protocol.l2 else loss_M
            )
            self.loss_sum += penalised * batch
            self.correct_sum += (logits.argmax(1) == labels_MB).sum(1)
        self.optimiser.step()

    def _gates(self, batch: int) -> list[torch.Tensor]:
        """Draw the gates of inverted dropout (Srivastava et al. 2014), one (M, W, B) per layer.

        A gate is 0 with the probability `dropout`, else 1 / (1 - dropout). Each member has its own stream for each
        step, so that its gates do not depend on which other members are running.
        """
        share, size = self.protocol.dropout, (self.shape.depth, self.shape.layer_width, batch)
        drawn = []
        for repeat in self.running:
            seed = integer(self.seed, *self.name, "dropout", repeat, self.epoch, self.batch)
            drawn.append(torch.rand(size, generator=torch.Generator().manual_seed(seed)))
        gates = torch.stack(drawn, 1).to(self.device).ge(share).to(self.inputs.dtype) / (1 - share)
        return list(gates)

    def _replay(self, rows_MB: torch.Tensor) -> None:
        """Run `_update` as a captured CUDA graph, so that small networks do not wait for kernel launches."""
        if self._captured is None:
            self._rows = rows_MB.clone()
            changing = [*self.tensors.values(), self.loss_sum, self.correct_sum]
            changing += [v for slots in self.moments.values() for v in slots.values()]
            before = [v.detach().clone() for v in changing]
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(3):  # warm-up, undone below
                    self._update(self._rows)
            torch.cuda.current_stream().wait_stream(side)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._update(self._rows)
            with torch.no_grad():
                for value, saved in zip(changing, before):
                    value.copy_(saved)
            self._captured = graph.replay
        self._rows.copy_(rows_MB)
        self._captured()
