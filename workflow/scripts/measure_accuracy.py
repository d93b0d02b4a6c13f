"""Measure the test accuracy of every task: untrained, right after its training, and after all tasks."""

from rehash.job import recorded
from rehash.tgsh.accuracy import measure_accuracy
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, compute = snakemake.input, Compute(**snakemake.params.compute)
    files = ([inputs.dataset, *inputs.others], inputs.modulations, inputs.history, snakemake.output.table)
    notes |= measure_accuracy(*files, compute)
