"""Collect the evaluations of all networks on a database into tables that compare them."""

from rehash.equihash.evaluation.comparison import compare_models
from rehash.job import recorded

with recorded(snakemake):
    inputs = {name: snakemake.input[name] for name in snakemake.params.tables}
    outputs = {name: snakemake.output[name] for name in snakemake.params.outputs}
    compare_models(inputs, snakemake.input.get("predicted", []), snakemake.input.labels, outputs)
