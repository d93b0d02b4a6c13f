"""Training a hash network: views go in, the weights of a network come out.

`architectures` builds networks; `objectives` are the losses, of which `tuple_entropy` is the costly term; `train` runs
the steps and `triplets` measures them; `weights` and `public_checkpoint` read and write networks.
"""
