"""Merge, from all shards, the fingerprints that belong to one partition of an index."""

from rehash.equihash.index.partitions import merge_partition
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= merge_partition(
        snakemake.input.fingerprints,
        snakemake.output.partition,
        partition=int(snakemake.wildcards.partition),
        partitions=int(snakemake.wildcards.partitions),
    )
