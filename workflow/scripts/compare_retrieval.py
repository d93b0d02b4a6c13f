"""Compare retrieval with the published values of the same method, bits and protocol."""

from rehash.comparison.published import compare_retrieval
from rehash.job import recorded
from rehash.resources import resource
from rehash.store import write_csv

with recorded(snakemake):
    published, counterpart = resource("published_retrieval.csv"), snakemake.params.counterpart
    write_csv(compare_retrieval(snakemake.input.table, published, **counterpart), snakemake.output.table)
