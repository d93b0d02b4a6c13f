"""Measure similarities, ROC curves and nearest neighbours of modulated responses."""

from rehash.job import recorded
from rehash.tgsh.responses import measure_responses
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, outputs, compute = snakemake.input, snakemake.output, Compute(**snakemake.params.compute)
    tables = (outputs.pairs, outputs.curves, outputs.recovered)
    notes |= measure_responses(inputs.dataset, inputs.modulations, *tables, compute, gallery=snakemake.params.gallery)
