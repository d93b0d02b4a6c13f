"""Copy the fields of a public file of Perlin noise into a bank."""

from rehash.equihash.images.public_perlin import import_perlin
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    place, tasks = untracked(snakemake, "place"), untracked(snakemake, "tasks")
    notes |= import_perlin(place, snakemake.output.bank, tasks=tasks, **snakemake.params.fields)
