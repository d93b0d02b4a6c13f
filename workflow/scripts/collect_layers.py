"""Collect the tables of all networks' layers on a dataset into one."""

from rehash.hash_encoders.models.collect import collect_layers
from rehash.job import recorded
from rehash.store import write_csv

with recorded(snakemake):
    write_csv(collect_layers(snakemake.input.tables), snakemake.output.table)
