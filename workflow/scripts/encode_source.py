"""Compute the codes that all encoders of a source give to queries and gallery."""

from rehash.comparison.encode import encode_source
from rehash.job import recorded, untracked
from rehash.training import Compute

with recorded(snakemake) as notes:
    source, compute = snakemake.params.source, Compute(**snakemake.params.compute)
    outside = untracked(snakemake, "place")
    notes |= encode_source(snakemake.input.dataset, snakemake.output.codes, source, compute, outside)
