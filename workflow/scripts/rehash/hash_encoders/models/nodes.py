"""The nodes of a network: where they are, and what each holds while inputs run through.

Nodes are found by tracing the network with torch.fx, and have the names that
`torchvision.models.feature_extraction.get_graph_node_names` gives them, which looks into none of torchvision's own
blocks, while this does. A network that cannot be traced, since what it does depends on its inputs, is watched while it
runs: its modules by hooks, and the functions that they call by a mode of torch. So is one of whose units a trace does
not see all.

Shape suffixes: B batch, C channels, P positions of a channel (1 of a dense layer).
"""

from __future__ import annotations

import fnmatch
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
import torchvision
from torch import fx, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torchvision.models.feature_extraction import NodePathTracer

from rehash.errors import InputError, unknown

log = logging.getLogger("rehash")
RELU = "relu"  # stands for all two-piece-linear units
_LARGEST = 2**24  # numbers of the largest node's value of a batch
_MOST = 256  # inputs of a batch
EXAMPLE = 4  # inputs that a network is tried with before it is used

_UNIT_MODULES = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU)
_UNIT_FUNCTIONS = {
    *(F.relu, F.relu6, F.leaky_relu, F.prelu, F.rrelu, F.relu_, F.leaky_relu_, F.rrelu_),
    *(torch.relu, torch.relu_, torch.prelu, torch.rrelu, torch.rrelu_),
    *(torch.Tensor.relu, torch.Tensor.relu_, torch.Tensor.prelu),
}
_UNIT_METHODS = {"relu", "relu_", "prelu"}
_CLAMPS = {torch.clamp, torch.clip, torch.Tensor.clamp, torch.Tensor.clip, torch.Tensor.clamp_, torch.Tensor.clip_}
_CLAMPS_BELOW = {torch.clamp_min, torch.Tensor.clamp_min, torch.Tensor.clamp_min_}
# Modules of torch that may have units inside, which neither tracing nor watching sees.
_CLOSED = (nn.RNN, nn.RNNCell)


@dataclass(frozen=True)
class Node:
    """A node of a network whose value is a batch of numbers by channel.

    Attributes:
        unit: whether it is a two-piece-linear unit.
        channels: the second axis of its value. positions: the product of the others; 1 of a dense layer.
    """

    name: str
    unit: bool
    channels: int
    positions: int


# What is done with a node's value: its name; whether each is on, bool (B, C, P); the values, float32 (B, C, P).
Visit = Callable[[str, torch.Tensor, torch.Tensor], None]


class Watched:
    """A network in evaluation mode whose nodes can be looked at while it runs.

    Attributes:
        nodes: by name, in the order in which they run, those whose value is a floating-point tensor with the batch
            first and a second axis.
        traced: whether torch.fx could trace the network; else its modules are hooked.
    """

    def __init__(self, network: nn.Module, example: torch.Tensor, where: str) -> None:
        """Find the nodes.

        Args:
            example: some inputs, as the network is shown them. where: what the network is, for messages.

        Raises:
            InputError: the network cannot take the inputs, or its output is no fixed function of each input.
        """
        self.network, self.where = network, where
        expected = self._checked(example)
        self.traced, self._run = self._way(example, expected)
        self.nodes = self._found(example, self._run)

    @torch.no_grad()
    def run(self, inputs: torch.Tensor, names: Iterable[str] = (), visit: Visit | None = None) -> Any:
        """Run the network on a batch and hand each named node's values on, in the order in which they come.

        Returns:
            The network's output.
        """
        wanted = set(names)

        def seen(name: str, on: torch.Tensor | None, value: Any) -> None:
            if name in wanted:
                on = value > 0 if on is None else on
                visit(
                    name, on.flatten(2) if on.ndim > 2 else on[..., None], value.reshape(on.shape[0], on.shape[1], -1)
                )

        return self._run(inputs, wanted, seen)

    def _checked(self, example: torch.Tensor) -> list[torch.Tensor]:
        """Return the tensors of the output, after checking that it depends on each input alone, and on nothing else."""
        before = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        first, second, fewer = (self._tensors(inputs) for inputs in (example, example, example[:2]))
        changed = [name for name, tensor in self.network.state_dict().items() if not torch.equal(before[name], tensor)]
        if changed:
            raise InputError(
                f"{self.where}: changes {changed[0]} while it runs in evaluation mode (model.eval()); expected a "
                "network that stays as it is: BatchNorm with momentum and counters must stop at eval()"
            )
        if not all(map(_same, first, second)):
            raise InputError(
                f"{self.where}: two runs on the same inputs in evaluation mode (model.eval()) differ; expected none of "
                "dropout, noise or sampling there: F.dropout, for instance, needs training=self.training"
            )
        for whole, part in zip(first, fewer):
            if whole.ndim and len(whole) == len(example) and not _close(whole[:2], part):
                raise InputError(
                    f"{self.where}: the output of an input changes with the others of its batch in evaluation mode; "
                    "expected an output of each input alone: BatchNorm needs running statistics (track_running_stats)"
                )
        return first

    @torch.no_grad()
    def _tensors(self, inputs: torch.Tensor) -> list[torch.Tensor]:
        try:
            return [each.clone() for each in tree_leaves(self.network(inputs)) if isinstance(each, torch.Tensor)]
        except (RuntimeError, ValueError, TypeError, IndexError, AssertionError, AttributeError, KeyError) as error:
            kind, ways = f"{' x '.join(map(str, inputs.shape[1:]))} numbers", ""
            if inputs.ndim == 4:
                channels, height, width = inputs.shape[1:]
                kind = f"{channels} channel{'s' * (channels > 1)} and {height} x {width} pixels"
                ways = "; image_size and channels of the model's block scale images"
            raise InputError(
                f"{self.where}: cannot take the dataset's inputs of {kind} ({type(error).__name__}: {error}){ways}"
            ) from error

    def _way(self, example: torch.Tensor, expected: list[torch.Tensor]) -> tuple[bool, Callable[..., Any]]:
        """Choose how the network is run: traced, if it can be and the trace gives what it gives, else watched."""
        tracer = NodePathTracer(autowrap_modules=(math, torchvision.ops))
        try:
            graph = tracer.trace(self.network)
            traced = fx.GraphModule(tracer.root, graph)
            found = self._tensors_of(_Traced(traced, tracer, set(), lambda *_: None).run(example))
        except Exception as error:  # whatever the network's own code raises on torch.fx's stand-ins
            log.info("%s: not traced, but watched while it runs (%s)", self.where, f"{error}".split("\n")[0])
            return False, self._watch
        if len(found) != len(expected) or not all(map(_close, found, expected)):
            log.info("%s: not traced, but watched while it runs (a trace gives another output)", self.where)
            return False, self._watch

        def run(inputs: torch.Tensor, wanted: set[str], seen: Callable[..., None]) -> Any:
            return _Traced(traced, tracer, wanted, seen).run(inputs)

        seen = [sum(node.unit for node in self._found(example, way).values()) for way in (run, self._watch)]
        if seen[0] < seen[1]:
            log.info("%s: not traced, but watched while it runs (a trace sees %d of %d units)", self.where, *seen)
            return False, self._watch
        return True, run

    @staticmethod
    def _tensors_of(output: Any) -> list[torch.Tensor]:
        return [each for each in tree_leaves(output) if isinstance(each, torch.Tensor)]

    def _watch(self, inputs: torch.Tensor, wanted: set[str], seen: Callable[..., None]) -> Any:
        watcher = _Watcher(self.network, seen)
        with watcher.hooked(), watcher:
            return self.network(inputs)

    @torch.no_grad()
    def _found(self, example: torch.Tensor, run: Callable[..., Any]) -> dict[str, Node]:
        found: dict[str, Node] = {}

        def note(name: str, on: torch.Tensor | None, value: Any) -> None:
            batch = isinstance(value, torch.Tensor) and value.is_floating_point() and value.ndim > 1
            if batch and len(value) == len(example) and math.prod(value.shape[1:]):
                found[name] = Node(name, on is not None, value.shape[1], math.prod(value.shape[2:]))

        run(example, _Everything(), note)
        return found

    def choose(self, nodes: str | Iterable[str], where: str) -> list[Node]:
        """Return the chosen nodes, in the order in which they run.

        Args:
            nodes: "relu" for all two-piece-linear units, or names, in which * stands for any text.
            where: the key of the config that says them.

        Raises:
            InputError: there is no unit, or one that cannot be seen; a name stands for no node, or two of them for the
                same; lists those that can be had.
        """
        if nodes == RELU:
            closed = [name for name, part in self.network.named_modules() if isinstance(part, _CLOSED)]
            if hidden := [name for name in closed if self.network.get_submodule(name).nonlinearity == "relu"]:
                raise InputError(
                    f"{where}: {self.where}: the units inside of {hidden[0]} cannot be seen; name nodes instead"
                )
            units = [node for node in self.nodes.values() if node.unit]
            if not units:
                raise InputError(
                    f"{where}: {self.where} has no two-piece-linear unit (ReLU, ReLU6, leaky or parametric ReLU); name "
                    f"nodes instead, of {', '.join(self.nodes) or 'which it has none'}{self._untraced()}"
                )
            return units
        chosen: dict[str, str] = {}
        for pattern in [nodes] if isinstance(nodes, str) else nodes:
            matching = [name for name in self.nodes if name == pattern] or fnmatch.filter(self.nodes, pattern)
            if not matching:
                raise InputError(f"{unknown('node', pattern, self.nodes, where)}{self._untraced()}")
            for name in matching:
                if name in chosen:
                    raise InputError(
                        f"{where}: the node {name} is chosen twice, by '{chosen[name]}' and by '{pattern}'; expected "
                        "each once"
                    )
                chosen[name] = pattern
        return [node for name, node in self.nodes.items() if name in chosen]

    def _untraced(self) -> str:
        return "" if self.traced else ". The network cannot be traced, so that only modules and units can be had"


def batch_size(nodes: Iterable[Node]) -> int:
    """Return how many inputs a network is shown at a time, so that the largest value of these nodes is small enough."""
    return max(1, min(_MOST, _LARGEST // max(node.channels * node.positions for node in nodes)))


def check_finite(value: torch.Tensor, what: str, start: int) -> None:
    """Raise an InputError unless all values of a batch (B, ...), whose first input has the number `start`, are finite.

    what: the network and the node, for the message.
    """
    if bool(value.sum().isfinite()):
        return
    bad = (~value.isfinite().flatten(1).all(1)).nonzero()
    if len(bad):
        raise InputError(
            f"{what}: input {start + int(bad[0])} gives NaN or infinity; expected finite numbers. Are the weights, and "
            "the scale of inputs, those that belong together?"
        )


class _Everything(set):
    """A set that has every name."""

    def __contains__(self, _: object) -> bool:
        return True


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())


def _close(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Return whether two outputs differ by rounding alone, as a convolution may round by the size of a batch."""
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-4, equal_nan=True)


def _is_unit_call(function: Any, arguments: tuple, keywords: dict) -> bool:
    """Return whether a function's call is a two-piece-linear unit: a ReLU of some kind, or a clamp from 0 on."""
    if function in _UNIT_FUNCTIONS or function in _UNIT_METHODS:
        return True
    given = {**dict(zip(("input", "min", "max"), arguments)), **keywords}
    if function in _CLAMPS_BELOW or function in ("clamp_min", "clamp_min_"):
        return _is_zero(given.get("min"))
    if function in _CLAMPS or function in ("clamp", "clamp_", "clip", "clip_"):
        return _is_zero(given.get("min")) and given.get("max") is None
    return False


def _is_zero(value: Any) -> bool:
    return isinstance(value, (int, float)) and value == 0


class _Traced(fx.Interpreter):
    """Runs a trace, and hands the values of nodes on before later nodes can change them in place."""

    def __init__(
        self, traced: fx.GraphModule, tracer: NodePathTracer, wanted: set[str], seen: Callable[..., None]
    ) -> None:
        super().__init__(traced)
        names = {node.name: name for node, name in tracer.node_to_qualname.items()}
        self.names, self.wanted, self.seen = names, wanted, seen

    def run_node(self, node: fx.Node) -> Any:
        name = self.names.get(node.name)
        if node.op not in ("call_module", "call_function", "call_method") or name not in self.wanted:
            return super().run_node(node)
        if node.op == "call_module":
            unit = isinstance(self.fetch_attr(node.target), _UNIT_MODULES)
        else:
            unit = _is_unit_call(node.target, node.args, node.kwargs)
        on = None
        if unit:
            arguments, keywords = self.fetch_args_kwargs_from_env(node)
            on = (arguments[0] if arguments else keywords["input"]) > 0
        value = super().run_node(node)
        self.seen(name, on, value)
        return value


class _Watcher(TorchFunctionMode):
    """Watches a network while it runs: the outputs of its modules, and the units that they call."""

    def __init__(self, network: nn.Module, seen: Callable[..., None]) -> None:
        super().__init__()
        self.network, self.seen = network, seen
        self.counts: dict[str, int] = {}
        # The modules that are running, the innermost last: the path of each, and for a unit which of its inputs are on.
        self.running: list[tuple[str, torch.Tensor | None]] = [("", None)]

    @contextmanager
    def hooked(self) -> Iterator[None]:
        """Watch the modules of the network."""
        handles = []
        for path, part in self.network.named_modules():
            if path:
                enter = lambda part, inputs, path=path: self._enter(path, part, inputs)  # noqa: E731
                handles.append(part.register_forward_pre_hook(enter))
                handles.append(part.register_forward_hook(lambda part, inputs, output: self._leave(output)))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, path: str, part: nn.Module, inputs: tuple) -> None:
        self.running.append((path, inputs[0] > 0 if isinstance(part, _UNIT_MODULES) else None))

    def _leave(self, output: Any) -> None:
        path, on = self.running.pop()
        self.seen(self._named(path), on, output)

    def _named(self, name: str) -> str:
        """Number the uses of one name from the second on, as the tracer does."""
        count = self.counts[name] = self.counts.get(name, -1) + 1
        return f"{name}_{count}" if count else name

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs, (path, within) = kwargs or {}, self.running[-1]
        if within is not None or not _is_unit_call(func, args, kwargs):
            return func(*args, **kwargs)
        on = (args[0] if args else kwargs["input"]) > 0
        value = func(*args, **kwargs)
        self.seen(self._named(f"{path}.{func.__name__}" if path else func.__name__), on, value)
        return value
