"""CUDA graphs: work that is captured once and then started as a whole, without a launch for each of its kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")
_WARM_UPS = 3  # as torch advises: libraries choose kernels and claim their memory before the capture


def capture(work: Callable[..., Result], *given: torch.Tensor) -> tuple[Callable[[], None], Result]:
    """Capture work on tensors of a GPU as one CUDA graph.

    Work runs three times before it is captured, and does not run while it is. It must not wait for the device, or copy
    to or from memory of the host that is not pinned.

    Args:
        given: what work is called with. A replay takes what these tensors then hold.

    Returns:
        A function that replays the graph, on the current stream; and what work returned, whose tensors hold nothing
        before the first replay and are overwritten by each.
    """
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(_WARM_UPS):
            work(*given)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = work(*given)
    return graph.replay, result


class Captured:
    """A function of one tensor of a fixed shape on a GPU, captured at its first call and replayed by every call.

    What it returns lies in memory of the graph, and the next call overwrites it.
    """

    def __init__(self, function: Callable[[torch.Tensor], Result]) -> None:
        self._function = function
        self._replay: Callable[[], None] | None = None

    def __call__(self, given: torch.Tensor) -> Result:
        if self._replay is None:
            self._given = given.clone()
            self._replay, self._result = capture(self._function, self._given)
        self._given.copy_(given)
        self._replay()
        return self._result
