"""Measure how well a search by a source's codes finds samples of the query's class."""

from rehash.comparison.retrieve import measure_retrieval
from rehash.job import recorded

with recorded(snakemake) as notes:
    outputs, params = snakemake.output, snakemake.params
    notes |= measure_retrieval(
        snakemake.input.codes, outputs.table, outputs.curves, **params.measured, threads=params.threads
    )
