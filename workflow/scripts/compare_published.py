"""Compare studies with the published curves, point by point."""

from rehash.hash_encoders.published import compare_published
from rehash.job import recorded
from rehash.resources import resource
from rehash.store import write_csv

with recorded(snakemake):
    published = resource("published_hash_encoders.csv")
    table = compare_published(snakemake.input.tables, published, **snakemake.params.counterpart)
    write_csv(table, snakemake.output.table)
