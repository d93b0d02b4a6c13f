"""Put three studies on one chart and name the regimes."""

from rehash.hash_encoders.phase_chart import phase_table
from rehash.job import recorded
from rehash.store import read_csv, write_csv

with recorded(snakemake):
    write_csv(
        phase_table(
            read_csv(snakemake.input.sample_size),
            read_csv(snakemake.input.training_time),
            read_csv(snakemake.input.capacity),
            snakemake.params.thresholds,
        ),
        snakemake.output.table,
    )
