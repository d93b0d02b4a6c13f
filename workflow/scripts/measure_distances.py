"""Measure Hamming distances of views."""

from rehash.equihash.distances import measure_distances
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= measure_distances(
        snakemake.input.weights,
        snakemake.input.bank,
        snakemake.input.get("perlin"),
        snakemake.output.table,
        snakemake.output.histogram,
        **snakemake.params.distances,
    )
