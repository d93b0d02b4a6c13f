"""Compare studies with the published curves, point by point."""

from rehash.hash_encoders.published import compare_published
from rehash.job import recorded
from rehash.store import write_csv

with recorded(snakemake):
    inputs = snakemake.input
    table = compare_published(inputs.tables, inputs.published, **snakemake.params.counterpart)
    write_csv(table, snakemake.output.table)
