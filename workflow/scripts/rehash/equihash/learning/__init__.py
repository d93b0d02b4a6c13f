"""Training a hash network: views go in, the weights of a network come out.

`architectures` builds networks; `objectives` are the losses, of which `tuple_entropy` is the costly term; `train` runs
the steps, `triplets` and `diagnostics` measure them, `checkpoints` keeps some of them; `weights` and
`public_checkpoint` read and write networks.
"""

# Micro-batches that give an untrained network's BatchNorm its running statistics: 0.9^40 of their start is below 0.02.
UNTRAINED_BATCHES = 40
