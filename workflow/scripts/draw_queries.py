"""Draw the positive and negative queries and the pairs of labels of a database."""

from rehash.equihash.databases.queries import draw_queries
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= draw_queries(snakemake.input.labels, snakemake.output.queries, **snakemake.params.queries)
