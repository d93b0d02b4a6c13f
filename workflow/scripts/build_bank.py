"""Build a bank of images in three splits (HDF5) from its raw files."""

from rehash.equihash.images.banks import build_bank
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    description = snakemake.params.description | untracked(snakemake, "words")
    notes |= build_bank(dict(snakemake.input.items()), snakemake.output.bank, description=description)
