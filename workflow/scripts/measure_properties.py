"""Measure the encoding properties of networks' neural codes: redundancy and categorization."""

from rehash.hash_encoders.measure import measure_properties
from rehash.job import recorded
from rehash.training import Compute

with recorded(snakemake) as notes:
    compute = Compute(**snakemake.params.compute)
    notes |= measure_properties(snakemake.input.dataset, snakemake.input.networks, snakemake.output.table, compute)
