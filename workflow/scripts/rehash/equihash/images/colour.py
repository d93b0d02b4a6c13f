"""Colours as hue, lightness and saturation, and noise on all three.

Operations and their order, each rounded once, are those that `rehash.equihash.images.views` lists.
"""

from __future__ import annotations

import torch

_TINY = torch.finfo(torch.float32).tiny  # replaces 0 in the denominator of a quotient whose numerator is 0 too


def rgb_to_hls(rgb: torch.Tensor) -> torch.Tensor:
    """Convert red, green and blue to hue, lightness and saturation, as `colorsys.rgb_to_hls` does pixel by pixel.

    Args:
        rgb: float32 (N, 3, H, W), in [0, 1].

    Returns:
        float32 (N, 3, H, W): hue in turns, [0, 1], 0 for greys; lightness and saturation in [0, 1].
    """
    red, green, blue = rgb.unbind(1)
    hls = torch.empty_like(rgb)
    hue, lightness, saturation = hls.unbind(1)
    most = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    total, chroma = most + least, most - least
    torch.mul(total, 0.5, out=lightness)
    # Rounding can leave white less room than it has chroma, hence the second bound.
    room = torch.minimum(total, 2 - total).clamp_min_(_TINY)
    torch.div(chroma, room, out=saturation).clamp_max_(1)
    turn = torch.where(most == green, (blue - red) + chroma * 2, (red - green) + chroma * 4)
    turn = torch.where(most == red, green - blue, turn)
    torch.div(turn, (chroma * 6).clamp_min_(_TINY), out=hue)
    hue.sub_(hue.floor())
    return hls


def hls_to_rgb(hls: torch.Tensor) -> torch.Tensor:
    """Convert hue, lightness and saturation to red, green and blue, as `colorsys.hls_to_rgb` does pixel by pixel.

    Args:
        hls: float32 (N, 3, H, W): hue in turns, any number; lightness and saturation in [0, 1].

    Returns:
        float32 (N, 3, H, W), in [0, 1] up to rounding.
    """
    hue, lightness, saturation = hls.unbind(1)
    rgb = torch.empty_like(hls)
    chroma = torch.minimum(lightness, 1 - lightness).mul_(2).mul_(saturation)
    least = lightness - chroma * 0.5
    most = least + chroma
    sextants = (hue - hue.floor()).mul_(6)
    for channel, centre in zip(rgb.unbind(1), (3, 2, 4)):
        # 0 within one sextant of the centre, 1 from two sextants on: red follows this, green and blue its inverse.
        torch.sub(sextants, centre, out=channel).abs_().sub_(1).clamp_(0, 1).mul_(chroma)
    red, green, blue = rgb.unbind(1)
    red.add_(least)
    torch.sub(most, green, out=green)
    torch.sub(most, blue, out=blue)
    return rgb


def shift_colours(
    pictures: torch.Tensor, hue: torch.Tensor, lightness: torch.Tensor, saturation: torch.Tensor | None = None
) -> torch.Tensor:
    """Return images with their hue shifted and their lightness l changed to (1 - |a|) l + max(0, a).

    The saturation is changed in the same way, as the public code has it in a comment (`noisy_open_images.py`), which
    says that it makes artefacts: greys have no hue of their own, so that more saturation makes them red.

    Args:
        pictures: uint8 (N, 3, H, W), red, green, blue.
        hue: float32 (N,), turns. lightness: float32 (N,), a, in [-1, 1]. saturation: the same; None leaves it.

    Returns:
        float32 (N, 3, H, W), in [0, 1] up to rounding.
    """
    hls = rgb_to_hls(pictures.float().mul_(1 / 255))
    hls[:, 0].add_(hue[:, None, None])
    for channel, change in ((1, lightness), (2, saturation)):
        if change is not None:
            a = change[:, None, None]
            hls[:, channel].mul_(1 - a.abs()).add_(a.clamp_min(0))
    return hls_to_rgb(hls)
