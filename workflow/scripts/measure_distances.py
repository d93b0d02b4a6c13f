"""Measure Hamming distances between views of one label and of two, for a task's models."""

from rehash.equihash.evaluation.distances import measure_distances
from rehash.equihash.learning.models import asked_sources
from rehash.job import recorded
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, outputs, compute = snakemake.input, snakemake.output, Compute(**snakemake.params.compute)
    models = [*inputs.weights, *asked_sources(inputs, snakemake.params.codes)]
    files = (models, inputs.bank, inputs.get("perlin"), outputs.table, outputs.histogram, outputs.statistics)
    notes |= measure_distances(*files, compute, **snakemake.params.distances)
