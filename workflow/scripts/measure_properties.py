"""Measure the encoding properties of networks' neural codes: redundancy and categorization."""

from rehash.hash_encoders.measure import measure_properties
from rehash.job import recorded
from rehash.training import Compute

with recorded(snakemake) as notes:
    files = (snakemake.input.dataset, snakemake.input.networks, snakemake.output.table)
    compute, classes = Compute(**snakemake.params.compute), snakemake.params.one_vs_one_classes
    notes |= measure_properties(*files, compute, one_vs_one_classes=classes)
