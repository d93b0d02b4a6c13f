"""Inputs as they are, as an encoder: what searches by cosine without any learning find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rehash.encoders import Encoder, Wanted
from rehash.errors import InputError


def pixels(files: Mapping[str, str], settings: Mapping[str, Any], wanted: Wanted) -> Encoder:
    """Open the flattened inputs themselves: images on [0, 1], or vectors; both arguments before the last are unused.

    Raises:
        InputError: bits are wanted.
    """
    if not wanted.real:
        raise InputError(f"{wanted.where}: {wanted.bits} bits of pixels; expected real numbers, bits: 0")
    return lambda inputs: inputs.flatten(1)
