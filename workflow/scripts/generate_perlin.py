"""Generate a bank of Perlin fields."""

from rehash.equihash.perlin import write_perlin
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= write_perlin(snakemake.output.bank, **snakemake.params.fields)
