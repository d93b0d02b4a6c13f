"""Build one dataset in the project's HDF5 layout from its raw files."""

from rehash.datasets.build import build_dataset
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    about = snakemake.params.description | untracked(snakemake, "words")
    name, files = snakemake.wildcards.dataset, dict(snakemake.input.items())
    notes |= build_dataset(snakemake.output.dataset, files, name=name, **about)
