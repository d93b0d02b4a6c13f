"""Measure the linear regions of a network of any shape, along lines through inputs."""

from rehash.hash_encoders.models.origins import Origin
from rehash.hash_encoders.models.regions import Lines, measure_model_regions
from rehash.job import recorded, untracked
from rehash.training import set_reproducible

with recorded(snakemake) as notes:
    set_reproducible(snakemake.params.threads)
    settings = Lines(keys=dict(snakemake.wildcards.items()), **snakemake.params.regions)
    inputs = {name: path for name, path in snakemake.input.items() if name != "dataset"}
    files = (snakemake.input.dataset, Origin(**untracked(snakemake, "place"), **inputs), snakemake.output.table)
    notes |= measure_model_regions(*files, settings)
