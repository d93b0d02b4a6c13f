"""Collect the tables of a study's networks into one tidy table."""

from rehash.hash_encoders.study import collect_study, origin
from rehash.job import recorded
from rehash.store import write_csv

with recorded(snakemake) as notes:
    table = collect_study(snakemake.input.tables, snakemake.wildcards.study)
    notes |= origin(table)
    write_csv(table, snakemake.output.table)
