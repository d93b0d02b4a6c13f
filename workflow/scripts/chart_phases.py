"""Put three studies on one chart and name the regimes."""

from rehash.hash_encoders.phase_chart import phase_table
from rehash.job import recorded
from rehash.store import read_csv, write_csv

with recorded(snakemake):
    studies = {study: read_csv(path) for study, path in snakemake.input.items()}
    write_csv(phase_table(**studies, thresholds=snakemake.params.thresholds), snakemake.output.table)
