"""Compare accuracies and similarities of tasks with those that the published notebook shows."""

from rehash.job import recorded
from rehash.tgsh.published import write_comparison

with recorded(snakemake):
    inputs, outputs = snakemake.input, snakemake.output
    ours, theirs = (inputs.history, inputs.similarity, inputs.tasks), (inputs.published, inputs.published_similarity)
    write_comparison(*ours, theirs, (outputs.table, outputs.similarity), **snakemake.params.ours)
