"""Compute the metrics of a network on a database from what the partitions of its index counted."""

from rehash.equihash.evaluation.summary import evaluate_index
from rehash.job import recorded

with recorded(snakemake) as notes:
    inputs, params = snakemake.input, snakemake.params
    outputs = {name: snakemake.output[name] for name in params.tables}
    keys = {name: snakemake.wildcards[name] for name in ("task", "model", "variant", "seed", "database")}
    files = (inputs.counts, inputs.codes, inputs.queries, inputs.partitions, inputs.labels, outputs)
    notes |= evaluate_index(*files, keys=keys, **params.evaluation)
