"""Compute the pseudo-inverses of the frozen encoders of a dataset."""

from rehash.job import recorded
from rehash.tgsh.generate import invert_encoder

with recorded(snakemake) as notes:
    notes |= invert_encoder(snakemake.output.inverse, dataset=snakemake.input.dataset, **snakemake.params.networks)
