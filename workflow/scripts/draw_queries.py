"""Draw the queries of a database."""

from rehash.equihash.queries import draw_queries
from rehash.job import recorded

with recorded(snakemake):
    draw_queries(snakemake.input.shards, snakemake.output.queries, **snakemake.params.queries)
