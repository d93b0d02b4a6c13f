"""Collect the histories of a task's models."""

from rehash.job import recorded
from rehash.store import write_csv
from rehash.tables import concatenated

with recorded(snakemake):
    write_csv(concatenated(snakemake.input.histories), snakemake.output.table)
