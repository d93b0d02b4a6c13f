"""Look up queries in one partition of an index, and count what they find and its collisions."""

from rehash.equihash.evaluation.counts import evaluate_partition
from rehash.job import recorded

with recorded(snakemake) as notes:
    inputs = snakemake.input
    files = (inputs.partition, inputs.codes, inputs.queries, inputs.labels, snakemake.output.counts)
    notes |= evaluate_partition(*files, probes=snakemake.params.probes)
