"""Collect the training histories and diagnostics of a task's models into one table each."""

from rehash.job import recorded
from rehash.store import write_csv
from rehash.tables import concatenated

with recorded(snakemake):
    inputs, outputs = snakemake.input, snakemake.output
    write_csv(concatenated(inputs.histories), outputs.table)
    write_csv(concatenated(inputs.diagnostics), outputs.diagnostics)
    write_csv(concatenated(inputs.histograms), outputs.histograms)
