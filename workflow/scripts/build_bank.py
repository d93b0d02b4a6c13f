"""Build a bank of images in three splits (HDF5) from its raw files."""

from rehash.equihash.images.banks import build_bank
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    description = snakemake.params.description | untracked(snakemake, "words")
    raw = dict(snakemake.input.items()) | untracked(snakemake, "place")
    notes |= build_bank(raw, snakemake.output.bank, description=description)
