"""Measure the codes that networks give to random and shuffled inputs: redundancy and active units."""

from rehash.hash_encoders.random_inputs import measure_random_inputs
from rehash.job import recorded
from rehash.training import Compute

with recorded(snakemake) as notes:
    compute = Compute(**snakemake.params.compute)
    notes |= measure_random_inputs(snakemake.input.dataset, snakemake.input.networks, snakemake.output.table, compute)
