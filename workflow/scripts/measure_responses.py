"""Measure similarities, ROC curves, neighbours, manifolds and sign bits of modulated responses."""

from rehash.job import recorded
from rehash.tgsh.responses import measure_responses
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, params, compute = snakemake.input, snakemake.params, Compute(**snakemake.params.compute)
    tables = {name: path for name, path in snakemake.output.items() if name != "provenance"}
    how_much = {"gallery": params.gallery, "test_images": params.test_images}
    notes |= measure_responses(inputs.dataset, inputs.modulations, tables, compute, **how_much)
