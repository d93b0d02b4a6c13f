"""Compare with the published notebook."""

from rehash.job import recorded
from rehash.tgsh.published import write_comparison

with recorded(snakemake):
    write_comparison(
        snakemake.input.history,
        snakemake.input.tasks,
        snakemake.input.published,
        snakemake.output.table,
        units=snakemake.params.units,
    )
