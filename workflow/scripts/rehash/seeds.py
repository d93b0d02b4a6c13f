"""Random streams, each derived from a root seed and names.

A stream is a counter-based generator (Philox) whose key is a hash of the root seed and of names that say what it is
for, so no stream depends on how many others were drawn before it, and nothing touches a global state.
"""

from __future__ import annotations

import json
from hashlib import blake2b

import numpy as np


def _key(root: int, names: tuple[object, ...]) -> int:
    text = json.dumps([int(root), *map(str, names)])
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "little")


def stream(root: int, *names: object) -> np.random.Generator:
    """Return the random stream that belongs to `names` (compared as strings, in order) under the root seed."""
    return np.random.Generator(np.random.Philox(key=_key(root, names)))


def integer(root: int, *names: object, bits: int = 31) -> int:
    """Return a seed in [0, 2^bits) for a library that takes an integer; the most restrictive ones take 31 bits."""
    return _key(root, names) % 2**bits
