"""Find the exact borders of networks' linear regions: along lines, in any direction and in a plane."""

from rehash.hash_encoders.measure_regions import measure_regions
from rehash.job import recorded
from rehash.training import set_reproducible

with recorded(snakemake) as notes:
    set_reproducible(snakemake.params.threads)
    files = (snakemake.input.dataset, snakemake.input.networks, snakemake.output.lines, snakemake.output.slices)
    notes |= measure_regions(*files, **snakemake.params.settings, seed=snakemake.params.seed)
