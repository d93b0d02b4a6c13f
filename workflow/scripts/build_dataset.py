"""Build one dataset in the project's HDF5 layout from its raw files."""

from rehash.datasets.build import build_dataset
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    outputs, params = snakemake.output, snakemake.params
    files = dict(snakemake.input.items()) | untracked(snakemake, "place")
    about = {"name": snakemake.wildcards.dataset, "content": params.content, **params.description}
    tables = {"classes": outputs.classes, "findings": outputs.findings}
    notes |= build_dataset(outputs.dataset, files, **about, **untracked(snakemake, "words"), **tables)
