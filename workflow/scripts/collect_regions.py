"""Collect the lines and slices through linear regions of all networks of a dataset into two tables."""

from rehash.job import recorded
from rehash.store import write_csv
from rehash.tables import concatenated

with recorded(snakemake):
    write_csv(concatenated(snakemake.input.lines), snakemake.output.lines)
    write_csv(concatenated(snakemake.input.slices), snakemake.output.slices)
