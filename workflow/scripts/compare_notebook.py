"""Compare with the published notebook."""

from rehash.job import recorded
from rehash.tgsh.published import write_comparison

with recorded(snakemake):
    write_comparison(
        snakemake.input.history,
        snakemake.input.similarity,
        snakemake.input.tasks,
        (snakemake.input.published, snakemake.input.published_similarity),
        (snakemake.output.table, snakemake.output.similarity),
        units=snakemake.params.units,
        epochs=snakemake.params.epochs,
    )
