"""Import the network of a public checkpoint."""

from rehash.equihash.learning.public_checkpoint import import_checkpoint
from rehash.job import recorded

with recorded(snakemake):
    import_checkpoint(snakemake.input.checkpoint, snakemake.output.weights, **snakemake.params.network)
