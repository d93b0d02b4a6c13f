"""List what each query of a database retrieves."""

from rehash.equihash.evaluation.by_query import list_queries
from rehash.job import recorded

with recorded(snakemake) as notes:
    inputs = snakemake.input
    keys = {name: snakemake.wildcards[name] for name in ("task", "model", "variant", "seed", "database")}
    notes |= list_queries(inputs.partitions, inputs.codes, inputs.queries, snakemake.output.table, keys=keys)
