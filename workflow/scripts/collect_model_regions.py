"""Collect the lines through the linear regions of all networks whose layers are measured into one table."""

from rehash.job import recorded
from rehash.store import write_csv
from rehash.tables import concatenated

with recorded(snakemake):
    write_csv(concatenated(snakemake.input.tables), snakemake.output.table)
