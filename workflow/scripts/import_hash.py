"""Import a network that was trained elsewhere."""

from rehash.equihash.learning.imported import import_network
from rehash.job import recorded, untracked

with recorded(snakemake):
    outputs = snakemake.output.weights, snakemake.output.history
    import_network(untracked(snakemake, "place"), *outputs, **snakemake.params.network)
