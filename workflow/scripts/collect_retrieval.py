"""Collect what was measured of all sources of a dataset, and how long encoding took."""

from rehash.comparison.collect import collect_retrieval
from rehash.job import recorded

with recorded(snakemake):
    inputs, outputs = snakemake.input, dict(snakemake.output.items())
    collect_retrieval(inputs.tables, inputs.curves, inputs.encoded, outputs, **snakemake.params.titles)
