"""Generate a bank of Perlin noise fields at two resolutions."""

from rehash.equihash.images.perlin import write_perlin
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= write_perlin(snakemake.output.bank, **snakemake.params.fields)
