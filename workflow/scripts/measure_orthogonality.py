"""Measure how nearly orthogonal untrained modulations are, by width."""

from rehash.job import recorded
from rehash.tgsh.orthogonality import measure_orthogonality
from rehash.training import Compute

with recorded(snakemake) as notes:
    compute = Compute(**snakemake.params.compute)
    notes |= measure_orthogonality(
        snakemake.input.dataset, snakemake.output.table, compute, **snakemake.params.networks
    )
