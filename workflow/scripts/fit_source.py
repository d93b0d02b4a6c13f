"""Fit the projections of a baseline on the train split of a dataset."""

from rehash.comparison.fit import fit_source
from rehash.job import recorded
from rehash.training import Compute

with recorded(snakemake) as notes:
    fit, compute = snakemake.params.fit, Compute(**snakemake.params.compute)
    notes |= fit_source(snakemake.input.dataset, snakemake.output.fitted, fit, compute)
