"""Collect the training histories of a task's models into one table."""

from rehash.job import recorded
from rehash.store import write_csv
from rehash.tables import concatenated

with recorded(snakemake):
    write_csv(concatenated(snakemake.input.histories), snakemake.output.table)
