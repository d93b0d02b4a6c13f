"""Measure Hamming distances between views of one label and of two, for a task's networks."""

from rehash.equihash.evaluation.distances import measure_distances
from rehash.job import recorded
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, outputs, compute = snakemake.input, snakemake.output, Compute(**snakemake.params.compute)
    files = (inputs.weights, inputs.bank, inputs.get("perlin"), outputs.table, outputs.histogram, outputs.statistics)
    notes |= measure_distances(*files, compute, **snakemake.params.distances)
