"""The training job of one network of any shape: from a dataset to its weights and its history."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from rehash.datasets.layout import Dataset, Split
from rehash.errors import InputError
from rehash.hash_encoders.augmentation import Augmentation, augmented, draw
from rehash.hash_encoders.models.inputs import Preparation
from rehash.hash_encoders.models.origins import Origin
from rehash.hash_encoders.models.sources import build
from rehash.hash_encoders.networks import losses
from rehash.hash_encoders.networks_file import training_inputs
from rehash.hash_encoders.optimisers import OPTIMISERS, Group
from rehash.hash_encoders.protocols import Protocol
from rehash.hash_encoders.train import check_classes
from rehash.job import Saving
from rehash.seeds import integer, stream
from rehash.store import write_bytes, write_csv
from rehash.tensors import pack_tensors
from rehash.training import Compute, State, finished


def penalised(network: torch.nn.Module) -> list[str]:
    """Return the names of the parameters to which a protocol's penalty `l2` applies: kernels, but not the classifier's.

    Kernels are the parameters with two dimensions or more. The last of them, in the order in which the network defines
    them, is the classifier's. Those of modules with a true attribute `unpenalised` are left out.
    """
    exempt = {
        id(parameter)
        for module in network.modules()
        if getattr(module, "unpenalised", False)
        for parameter in module.parameters()
    }
    kernels = [(name, kernel) for name, kernel in network.named_parameters() if kernel.ndim >= 2]
    return [name for name, kernel in kernels[:-1] if kernel.requires_grad and id(kernel) not in exempt]


class NetworkTraining:
    """The training of one network as a resumable job (see rehash.training.run).

    A step is a batch of training inputs or, at the end of an epoch, one of validation inputs. Each step seeds torch's
    generators for itself, so dropout depends on the seed, the repeat and the number of the step only, and a restart
    needs no state of theirs. Training ends after `epochs`, or once the mean loss of an epoch (penalty included) has not
    fallen below its best by more than `min_delta` for `patience` epochs.

    Args:
        network: in float32; it maps what `preparation` makes of inputs to logits (B, C). It is trained in place.
        valid: may be empty.
        protocol: all but its settings of multilayer perceptrons (`rehash.hash_encoders.protocols.PERCEPTRONS_ONLY`).
        names: of the random streams. where: names this training in error messages.

    Attributes:
        history: for each epoch its number, from 1 on; learning rate; mean loss and accuracy of its steps, and of the
            validation inputs after it (None without any).

    Raises:
        InputError: the network, the inputs and the protocol do not fit.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        train: Split,
        valid: Split,
        classes: int,
        protocol: Protocol,
        preparation: Preparation,
        *,
        seed: int,
        names: tuple[object, ...],
        repeat: int,
        device: torch.device,
        where: str = "training",
    ) -> None:
        self.network, self.train, self.valid = network.to(device), train, valid
        self.protocol, self.preparation, self.device, self.where = protocol, preparation, device, where
        self.seed, self.names, self.repeat = seed, names, repeat
        self.augmentation = protocol.augmentation and Augmentation(**protocol.augmentation)
        self.batches = protocol.batches(len(train.labels))
        self.epoch_steps = self.batches + math.ceil(len(valid.labels) / protocol.batch_size)
        self.total, self.epoch, self.batch = protocol.epochs * self.epoch_steps, 0, 0
        self.history: list[dict[str, Any]] = []
        self.sums: dict[str, float] = {}
        self._check(classes)
        self.tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        self.optimiser = OPTIMISERS[protocol.optimiser]
        self.trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.kernels = penalised(network) if protocol.l2 else []
        self.moments = {
            f"{what}/{name}": torch.zeros_like(parameter)
            for name, parameter in self.trained.items()
            for what in self.optimiser.moments
        }
        others = [name for name in self.trained if name not in self.kernels]
        # The gradient of l2 * sum(w^2) is 2 * l2 * w, which is what torch's weight decay adds.
        decays = [(self.kernels, protocol.weight_decay + 2 * protocol.l2), (others, protocol.weight_decay)]
        self.groups = [self._group(named, decay) for named, decay in decays if named]
        self._begin_epoch()

    def _check(self, classes: int) -> None:
        """Raise an InputError unless the network has parameters in float32 and gives a number for each class."""
        if self.augmentation and not self.train.are_images:
            raise InputError(
                f"{self.where}: the protocol has augmentation, and the inputs are vectors; expected images. Leave "
                "augmentation out of the protocol"
            )
        if not any(parameter.requires_grad for parameter in self.network.parameters()):
            raise InputError(f"{self.where}: the network has no parameter that can be trained; expected one or more")
        for name, parameter in self.network.named_parameters():
            if parameter.dtype != torch.float32:
                raise InputError(f"{self.where}: parameter {name} is {parameter.dtype}; expected torch.float32")
        self.network.eval()
        example = self.preparation(self.train.inputs[:2], self.device)
        try:
            with torch.no_grad(), seeded(self.device, self.seed, *self.names, "check"):
                logits = self.network(example)
        except InputError as error:
            raise InputError(f"{self.where}: {error}") from error
        except Exception as error:  # whatever someone's own network raises
            raise InputError(
                f"{self.where}: the network cannot take the dataset's inputs, of shape {tuple(example.shape[1:])} "
                f"({type(error).__name__}: {error}); image_size and channels of its block scale images"
            ) from error
        found = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        if found != (len(self.train.labels[:2]), classes):
            raise InputError(
                f"{self.where}: the network gives {found} for 2 inputs; expected (2, {classes}), a number for each "
                "class of the dataset"
            )

    def _group(self, names: list[str], decay: float) -> Group:
        return Group(
            *(names, slice(None), [self.trained[name].detach() for name in names]),
            moments=[[self.moments[f"{what}/{name}"] for name in names] for what in self.optimiser.moments],
            steps=[torch.zeros((), device=self.device) for _ in names],
            weight_decay=decay,
        )

    # The loop's view

    @property
    def finished_steps(self) -> int:
        return self.epoch * self.epoch_steps + self.batch

    @property
    def done(self) -> bool:
        """Return whether the last epoch is over, or the loss has not improved for too long."""
        patience, losses_ = self.protocol.patience, [row["loss"] for row in self.history]
        waited = patience is not None and epochs_waited(losses_, self.protocol.min_delta) >= patience
        return self.batch == 0 and (waited or self.epoch == self.protocol.epochs)

    def status(self) -> str:
        last = self.history[-1] if self.history else {}
        kept = ("loss", "accuracy", "validation_accuracy")
        told = "".join(f" | {key.replace('_', ' ')} {last[key]:.4f}" for key in kept if last.get(key) is not None)
        return f"epoch {self.epoch} of {self.protocol.epochs}, batch {self.batch} of {self.epoch_steps}{told}"

    def step(self) -> None:
        """Train the network on a batch, or look at a validation batch; at the end of an epoch, record both."""
        size = self.protocol.batch_size
        with seeded(self.device, self.seed, *self.names, "step", self.repeat, self.epoch, self.batch):
            if self.batch < self.batches:
                self._train_batch(self.batch * size, (self.batch + 1) * size)
            else:
                first = (self.batch - self.batches) * size
                self._validate(slice(first, first + size))
        self.batch += 1
        if self.batch == self.epoch_steps:
            self._end_epoch()

    def state(self) -> State:
        tensors = {f"now/{name}": tensor for name, tensor in self.tensors.items()}
        tensors |= {f"moment/{name}": tensor for name, tensor in self.moments.items()}
        return tensors, {name: getattr(self, name) for name in ("epoch", "batch", "history", "sums")}

    @torch.no_grad()
    def restore(self, tensors: dict[str, torch.Tensor], values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)
        for kind, held in (("now", self.tensors), ("moment", self.moments)):
            for name, tensor in held.items():
                tensor.copy_(tensors[f"{kind}/{name}"])
        begun = 0 if self.protocol.fresh_optimiser else self.epoch * self.batches
        self._set_steps(begun + min(self.batch, self.batches))
        self._begin_epoch()

    # Epochs and batches

    def _begin_epoch(self) -> None:
        """Draw the order of the epoch's inputs, and the random numbers of their changes, a row an input."""
        rng = stream(self.seed, *self.names, "order", self.repeat, self.epoch)
        self.order = rng.permutation(len(self.train.labels))
        if self.augmentation:
            rng = stream(self.seed, *self.names, "augmentation", self.repeat, self.epoch)
            self.draws = torch.from_numpy(draw(rng, len(self.train.labels)))

    def _end_epoch(self) -> None:
        seen = min(len(self.train.labels), self.batches * self.protocol.batch_size)
        counts = {"": seen, "validation_": len(self.valid.labels)}
        means = {
            f"{split}{what}": self.sums[f"{split}{what}"] / count if count else None
            for split, count in counts.items()
            for what in ("loss", "accuracy")
        }
        rate = self.protocol.rate(self.epoch)
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, {}
        self.history.append({"epoch": self.epoch, "learning_rate": rate, **means})
        if self.protocol.fresh_optimiser:
            for moment in self.moments.values():
                moment.zero_()
            self._set_steps(0)
        self._begin_epoch()

    def _set_steps(self, steps: int) -> None:
        """Set the number of steps that the optimiser knows of."""
        for group in self.groups:
            for held in group.steps:
                held.fill_(steps)

    def _train_batch(self, start: int, stop: int) -> None:
        rows, protocol = self.order[start:stop], self.protocol
        shown = self.preparation(self.train.inputs[rows], self.device)
        if self.augmentation:
            shown = augmented(shown, self.draws[rows].to(self.device), self.augmentation)
        self.network.train()
        labels = torch.from_numpy(self.train.labels[rows]).to(self.device)
        logits = self.network(shown)
        loss = losses(logits.T[None], labels[None], protocol.clip)[0]
        penalty = protocol.l2 * sum(self.trained[name].detach().square().sum() for name in self.kernels)
        self._count("", loss + penalty, logits, labels)
        found = torch.autograd.grad(loss, [*self.trained.values()], materialize_grads=True)
        gradients = {name: _laid_out_as(one, self.trained[name]) for name, one in zip(self.trained, found)}
        with torch.no_grad():
            for group in self.groups:
                own = [gradients[name] for name in group.names]
                self.optimiser.update(group, own, protocol.rate(self.epoch), protocol)

    @torch.no_grad()
    def _validate(self, rows: slice) -> None:
        self.network.eval()
        labels = torch.from_numpy(self.valid.labels[rows]).to(self.device)
        logits = self.network(self.preparation(self.valid.inputs[rows], self.device))
        self._count("validation_", losses(logits.T[None], labels[None], self.protocol.clip)[0], logits, labels)

    def _count(self, split: str, loss: torch.Tensor, logits: torch.Tensor, labels: torch.Tensor) -> None:
        """Add a batch to the sums of the epoch, before its loss can spoil the network.

        Raises:
            InputError: the loss is not finite.
        """
        right = (logits.max(1).indices == labels).sum()
        lost, count = torch.stack([loss.detach().double(), right.double()]).tolist()  # a GPU is waited for once
        if not math.isfinite(lost):
            raise InputError(
                f"{self.where}: the loss is {lost} in step {self.batch + 1} of epoch {self.epoch + 1}; expected a "
                "finite number. Choose another protocol for it, with a smaller learning_rate or a clip of 1.0e-7"
            )
        for what, value in (("loss", lost * len(labels)), ("accuracy", count)):
            self.sums[f"{split}{what}"] = self.sums.get(f"{split}{what}", 0.0) + value


@contextmanager
def seeded(device: torch.device, *names: object) -> Iterator[None]:
    """Seed torch's generators, of the CPU and of this device, by a root seed and names, until the context is left."""
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if on_gpu else []):
        # Not torch.manual_seed, which would seed the generators of all GPUs too, for good.
        torch.default_generator.manual_seed(integer(*names))
        if on_gpu:
            torch.cuda.manual_seed(integer(*names))
        yield


def epochs_waited(epoch_losses: list[float], min_delta: float) -> int:
    """Return how many epochs ago the loss last improved, by more than `min_delta` on its best, as Keras counts.

    >>> epochs_waited([0.5, 0.4, 0.45, 0.395], min_delta=0.01)
    2
    """
    best, waited = math.inf, 0
    for loss in epoch_losses:
        best, waited = (loss, 0) if loss < best - min_delta else (best, waited + 1)
    return waited


def _laid_out_as(gradient: torch.Tensor, parameter: torch.Tensor) -> torch.Tensor:
    """Return a gradient in the layout of its parameter, as the fused optimisers, which go through memory, expect."""
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter, requires_grad=False).copy_(gradient)


@dataclass(frozen=True)
class ModelTraining:
    """The settings that a trained network depends on besides its data.

    Attributes:
        keys: dataset, model (its name), repeat.
        model: its block of hash_encoders.models, without what its training does not depend on.
        protocol: the fields of `Protocol`.
        train_share: the share of the train split that is trained on; the rest is for validation.
        seed: the seed of all random streams.
    """

    keys: dict[str, Any]
    model: dict[str, Any]
    protocol: dict[str, Any]
    train_share: float
    seed: int


def train_model(
    dataset: str | Path,
    origin: Origin,
    network: str | Path,
    history: str | Path,
    training: ModelTraining,
    compute: Compute,
    saving: Saving,
) -> dict[str, Any]:
    """Train a network, and write its state dict (safetensors) and history (CSV); an interrupted training resumes.

    Columns of the history: keys, and those of `NetworkTraining.history`.

    Args:
        origin: the Python file of a network of source file.

    Returns:
        Notes for the provenance: device, parameters, epochs, wall time including earlier runs, code changes.

    Raises:
        InputError: network, data and protocol do not fit, or a loss is not finite.
    """
    target, keys, protocol = compute.start(), training.keys, Protocol(**training.protocol)
    data = Dataset.read(dataset)
    train = training_inputs(data.train, training.train_share)
    shown, where = len(train.labels), f"config: hash_encoders.models.{keys['model']}"
    check_classes(data.train.labels, shown, [], data.class_names, keys["dataset"])
    preparation = Preparation.of(training.model, training.keys["model"])
    channels = preparation(train.inputs[:1], torch.device("cpu")).shape[1]
    identity = {
        **vars(training), "data": data.checksum, "train_items": shown, "inputs": list(train.inputs.shape[1:]),
        "classes": len(data.class_names), "files": [*origin.digests.values()], "device": target.type,
        "threads": compute.threads,
    }  # fmt: skip
    job = NetworkTraining(
        build(
            training.model,
            channels=channels,
            classes=len(data.class_names),
            seed=training.seed,
            name=keys["model"],
            repeat=int(keys["repeat"]),
            path=origin.path,
        ),
        train,
        Split(data.train.inputs[shown:], data.train.labels[shown:]),
        len(data.class_names),
        protocol,
        preparation,
        seed=training.seed,
        names=("hash_encoders", f"model={keys['model']}", f"dataset={keys['dataset']}"),
        repeat=int(keys["repeat"]),
        device=target,
        where=where,
    )
    title = f"{keys['model']} on {keys['dataset']}, repeat {keys['repeat']}"
    with finished(job, network, identity, saving, target, title=title) as notes:
        write_csv(pd.DataFrame([{**keys, **row} for row in job.history]), history)
        write_bytes(pack_tensors(job.network.state_dict(), {**identity, "epochs": job.epoch}), network)
        return {
            **notes,
            "parameters": sum(parameter.numel() for parameter in job.network.parameters()),
            "epochs": job.epoch,
            "digests": {**data.digests, **origin.digests},
        }
