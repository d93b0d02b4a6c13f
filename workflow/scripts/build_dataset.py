"""Build one dataset in the project's HDF5 layout from its raw files."""

import json

from rehash.datasets.build import build_dataset
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= build_dataset(
        snakemake.output.dataset,
        dict(snakemake.input.items()),
        name=snakemake.wildcards.dataset,
        **snakemake.params.description,
        **json.loads(snakemake.resources.words),
    )
