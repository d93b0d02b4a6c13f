"""How long work takes."""

import time
from collections.abc import Callable

ROUNDS = 3


def seconds(work: Callable[[], object], rounds: int | None = None, steps: int = 1) -> float:
    """Of one step in the fastest round of so many."""
    times = []
    for _ in range(rounds or ROUNDS):
        start = time.perf_counter()
        for _ in range(steps):
            work()
        times.append((time.perf_counter() - start) / steps)
    return min(times)
