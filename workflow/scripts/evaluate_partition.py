"""Evaluate one partition of an index."""

from rehash.equihash.counts import evaluate_partition
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= evaluate_partition(
        snakemake.input.partition,
        snakemake.input.codes,
        snakemake.input.queries,
        snakemake.input.labels,
        snakemake.output.counts,
        probes=snakemake.params.probes,
    )
