"""Gates of dropout from a counter: any gate is known without those before it, on any device."""

from __future__ import annotations

import torch

_STEP = -0x61C8864680B583EB  # of SplitMix64's counter: 2^64 divided by the golden ratio, as a signed number
_MIXERS = ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15))  # shifts and factors of its finaliser
_GATES_A_WORD = 4  # a word of 64 bits gives four numbers of 16 bits
_WORDS_A_STEP = 2**32  # so that steps of any batch size, such as the last of an epoch, have words of their own
_LEVELS = 2**16


def _shifted(words: torch.Tensor, by: int) -> torch.Tensor:
    """Shift int64 words to the right as if they were unsigned."""
    return (words >> by) & (2 ** (64 - by) - 1)


def words(keys: torch.Tensor, first: torch.Tensor | int, count: int) -> torch.Tensor:
    """Return words first, first + 1, ... of SplitMix64 (Steele et al. 2014; Stafford's variant 13) for each key.

    Args:
        keys: int64 (M,), the states that the generators start from. first: the number of the first word, from 0.

    Returns:
        int64 (M, count), the bits of the generator's unsigned words.
    """
    places = torch.arange(1, count + 1, device=keys.device) + first
    found = keys[:, None] + places * _STEP
    for shift, factor in _MIXERS:
        found = (found ^ _shifted(found, shift)) * factor
    return found ^ _shifted(found, 31)


def gates(keys: torch.Tensor, step: torch.Tensor | int, shape: tuple[int, ...], shares: torch.Tensor) -> torch.Tensor:
    """Draw the gates of inverted dropout (Srivastava et al. 2014) for one step of training.

    A gate is 0 with the probability of its member's share, rounded to a multiple of 2^-16 below 1, else
    1 / (1 - share).

    Args:
        keys: int64 (M,), one for each member. step: the number of the step, from 0.
        shape: of one member's gates. shares: floating point (M,), in [0, 1).

    Returns:
        (M, *shape), of the dtype of `shares`.
    """
    size = torch.Size(shape).numel()
    count = -(-size // _GATES_A_WORD)
    drawn = words(keys, step * _WORDS_A_STEP, count).view(torch.int16)[:, :size].unflatten(1, shape)
    closed, one = (shares * _LEVELS).round().clamp(max=_LEVELS - 1), (-1, *[1] * len(shape))
    open_ = drawn >= (closed - _LEVELS // 2).to(torch.int32).view(one)
    return open_ * (_LEVELS / (_LEVELS - closed)).view(one)
