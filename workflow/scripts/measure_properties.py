"""Measure the encoding properties of neural codes: redundancy and categorization."""

from rehash.hash_encoders.measure import measure_properties
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= measure_properties(snakemake.input.codes, snakemake.output.table, threads=snakemake.params.threads)
