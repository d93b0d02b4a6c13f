"""Collect the property tables of a study into one tidy table."""

from rehash.hash_encoders.study import collect_study
from rehash.job import recorded
from rehash.store import write_csv

with recorded(snakemake):
    write_csv(collect_study(snakemake.input.tables, snakemake.wildcards.study), snakemake.output.table)
