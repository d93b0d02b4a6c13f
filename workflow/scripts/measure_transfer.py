"""Measure the accuracy of every task's modulation on every task."""

from rehash.job import recorded
from rehash.tgsh.transfer import measure_transfer
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, outputs, compute = snakemake.input, snakemake.output, Compute(**snakemake.params.compute)
    notes |= measure_transfer(inputs.dataset, inputs.modulations, outputs.table, outputs.correlation, compute)
