"""Put the networks on a database side by side."""

from rehash.equihash.comparison import compare_models
from rehash.job import recorded

with recorded(snakemake):
    compare_models(
        {name: snakemake.input[name] for name in snakemake.params.tables},
        snakemake.input.labels,
        {name: snakemake.output[name] for name in snakemake.params.tables},
    )
