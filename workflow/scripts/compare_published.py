"""Set studies beside the published curves."""

from rehash.hash_encoders.published import compare_published
from rehash.job import recorded
from rehash.store import write_csv

with recorded(snakemake):
    write_csv(
        compare_published(snakemake.input.tables, snakemake.input.published, **snakemake.params.counterpart),
        snakemake.output.table,
    )
