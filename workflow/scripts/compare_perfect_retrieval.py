"""Compare our perfect-retrieval rates with the published ones."""

from rehash.equihash.evaluation.comparison import compare_perfect_retrieval
from rehash.job import recorded

with recorded(snakemake):
    compare_perfect_retrieval(snakemake.input.retrievals, snakemake.input.published, snakemake.output.table)
