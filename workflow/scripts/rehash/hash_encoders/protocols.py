"""Training protocols: the settings with which networks are trained."""

from __future__ import annotations

from dataclasses import dataclass, replace

from rehash.errors import unknown

# By activation, the slope of a hidden unit that is off, as torch.nn has it; a parametric ReLU's is where it starts.
SLOPES = {"relu": None, "leaky": 0.01, "prelu": 0.25}
# Settings that say what a multilayer perceptron is and is shown; networks of hash_encoders.models say that themselves.
PERCEPTRONS_ONLY = ("initialisation", "activation", "negative_slope", "batch_norm", "dropout", "offset")


@dataclass(frozen=True)
class BatchNorm:
    """Batch normalisation; `momentum` in torch's convention (the weight of the new batch)."""

    momentum: float
    eps: float


@dataclass(frozen=True)
class Protocol:
    """The settings of a training; the fields are those of a block of hash_encoders.protocols in the config."""

    optimiser: str
    learning_rate: float
    batch_size: int
    epochs: int
    momentum: float = 0.9
    eps: float = 1e-7
    decay_every: int | None = None
    decay_epochs: tuple[int, ...] | None = None
    decay_factor: float = 0.1
    patience: int | None = None
    min_delta: float = 0.0
    l2: float = 0.0
    weight_decay: float = 0.0
    fresh_optimiser: bool = False
    clip: float = 0.0
    dropout: float = 0.0
    initialisation: str = "glorot_uniform"
    activation: str = "relu"
    negative_slope: float | None = None
    batch_norm: dict[str, float] | None = None
    offset: float = 0.0
    augmentation: dict[str, float | bool] | None = None  # the fields of `augmentation.Augmentation`

    def __post_init__(self) -> None:
        if self.decay_epochs is not None:  # a list, as a config or JSON has it
            object.__setattr__(self, "decay_epochs", tuple(self.decay_epochs))
        if self.activation not in SLOPES:
            raise unknown("activation", self.activation, SLOPES, "protocol: activation")

    def rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0."""
        falls = epoch // self.decay_every if self.decay_every else sum(epoch >= at for at in self.decay_epochs or ())
        return self.learning_rate * self.decay_factor**falls

    def batches(self, inputs: int) -> int:
        """Return the number of steps of an epoch; a last batch of one input is left out, as BatchNorm needs two."""
        return inputs // self.batch_size + (inputs % self.batch_size > 1)

    @property
    def norm(self) -> BatchNorm | None:
        return BatchNorm(**self.batch_norm) if self.batch_norm else None

    @property
    def slope(self) -> float | None:
        """Return the slope of a hidden unit that is off, before training; None of a ReLU, which has none."""
        slope = SLOPES[self.activation]
        return slope if slope is None or self.negative_slope is None else self.negative_slope

    def of_a_cohort(self) -> Protocol:
        """Return the settings that networks must share to be trained together, step by step."""
        return replace(self, l2=0.0, dropout=0.0, batch_norm=None, augmentation=None)
