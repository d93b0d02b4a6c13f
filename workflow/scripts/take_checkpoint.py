"""Take the network at one step of a training out of those that the training has kept."""

from rehash.equihash.learning.checkpoints import take_checkpoint
from rehash.job import recorded

with recorded(snakemake):
    keys = {name: snakemake.wildcards[name] for name in ("task", "model", "variant")}
    take_checkpoint(snakemake.input.source, snakemake.output.weights, snakemake.params.step, keys)
