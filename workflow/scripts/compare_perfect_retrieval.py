"""Put published perfect-retrieval rates beside ours."""

from rehash.equihash.comparison import compare_perfect_retrieval
from rehash.job import recorded

with recorded(snakemake):
    compare_perfect_retrieval(snakemake.input.retrievals, snakemake.input.published, snakemake.output.table)
