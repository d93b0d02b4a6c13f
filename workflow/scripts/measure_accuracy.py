"""Measure the accuracy of every task."""

from rehash.job import recorded
from rehash.tgsh.measure_accuracy import measure_accuracy

with recorded(snakemake) as notes:
    notes |= measure_accuracy(
        snakemake.input.dataset,
        snakemake.input.modulations,
        snakemake.input.history,
        snakemake.output.table,
        device=snakemake.params.device,
        threads=snakemake.params.threads,
    )
