"""Import the network of a public checkpoint."""

from rehash.equihash.learning.public_checkpoint import import_checkpoint
from rehash.job import recorded, untracked

with recorded(snakemake):
    import_checkpoint(untracked(snakemake, "place"), snakemake.output.weights, **snakemake.params.network)
