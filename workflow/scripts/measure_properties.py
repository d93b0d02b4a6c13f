"""Measure the encoding properties of a cohort's neural codes, before and after training."""

from rehash.hash_encoders.measure import measure_properties
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= measure_properties(
        snakemake.input.dataset,
        snakemake.input.networks,
        snakemake.output.table,
        device=snakemake.params.device,
        threads=snakemake.params.threads,
    )
