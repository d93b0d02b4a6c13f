"""Write the table of the phase chart: the configurations of studies, each with its regime."""

from rehash.hash_encoders.phase_chart import phase_table
from rehash.job import recorded
from rehash.store import read_csv, write_csv

with recorded(snakemake):
    studies = {study: read_csv(path) for study, path in snakemake.input.items()}
    write_csv(phase_table(**studies, **snakemake.params.settings), snakemake.output.table)
