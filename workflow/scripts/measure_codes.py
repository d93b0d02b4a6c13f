"""Measure redundancy, K-NN accuracy and collisions of the hash codes of modulated responses."""

from rehash.job import recorded
from rehash.tgsh.codes import measure_codes
from rehash.training import Compute

with recorded(snakemake) as notes:
    files = ([snakemake.input.dataset, *snakemake.input.others], snakemake.input.modulations, snakemake.output.table)
    compute = Compute(**snakemake.params.compute)
    notes |= measure_codes(*files, compute, references=snakemake.params.references)
