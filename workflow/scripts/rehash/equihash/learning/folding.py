"""BatchNorm folded into the layer before it, for networks that are trained and only evaluated any more.

In evaluation a BatchNorm is a scale and a shift of each channel c, from its running mean and variance, its weight and
its bias: (x - mean_c) / sqrt(variance_c + eps) * weight_c + bias_c. After a convolution or a dense layer with weights
W_c and bias b_c both are one layer, with

    scale_c = weight_c / sqrt(variance_c + eps)
    W'_c = W_c * scale_c
    b'_c = (b_c - mean_c) * scale_c + bias_c

which is computed in float64 once and rounded to float32 once; a layer without a bias gets one. A BatchNorm that follows
anything else (in `mosaic_cnn` a ReLU) stays as it is.

As functions the two networks are equal; in float32 they round differently, so that a bit whose logit is near 0 can
differ. W' and b' are off by at most 2^-24 of themselves, as a product or a sum is, so that logits are about as exact as
before. What fingerprints are made with says which arithmetic it was: ARITHMETIC.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

# The version of how a network that is opened computes. 1: BatchNorm is a layer of its own. 2: it is folded.
# Fingerprints of two versions are never merged.
ARITHMETIC = 2

_FUSED = {
    (nn.Conv2d, nn.BatchNorm2d): fuse_conv_bn_eval,
    (nn.Linear, nn.BatchNorm1d): fuse_linear_bn_eval,
}


def folded(network: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return a network in evaluation mode that computes the same with fewer layers; the given one stays as it is.

    A BatchNorm is folded into the convolution or dense layer that is defined right before it in the same module, and an
    identity takes its place. So layers of a network have to be defined in the order in which they are applied, as those
    of `architectures.NETWORKS` are (a test watches them).

    Args:
        dtype: what weights are rounded to.
    """
    exact = copy.deepcopy(network).double().eval()
    for module in [*exact.modules()]:
        for (name, layer), (after, norm) in pairwise([*module.named_children()]):
            if fuse := _FUSED.get((type(layer), type(norm))):
                setattr(module, name, fuse(layer, norm))
                setattr(module, after, nn.Identity().eval())
    return exact.to(dtype)
