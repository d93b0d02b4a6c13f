"""Compare our perfect-retrieval rates with the published ones."""

from rehash.equihash.evaluation.comparison import compare_perfect_retrieval
from rehash.job import recorded
from rehash.resources import resource

with recorded(snakemake):
    published = resource("published_equihash.csv")
    compare_perfect_retrieval(
        snakemake.input.retrievals,
        snakemake.input.labels,
        published,
        snakemake.output.table,
        differences=snakemake.params.differences,
    )
