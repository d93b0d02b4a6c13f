"""Measure the codes that networks give to inputs which are no pictures."""

from rehash.hash_encoders.random_inputs import measure_random_inputs
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= measure_random_inputs(
        snakemake.input.dataset,
        snakemake.input.networks,
        snakemake.output.table,
        device=snakemake.params.device,
        threads=snakemake.params.threads,
    )
