"""Compare accuracies and similarities of tasks with those that the published notebook shows."""

from rehash.job import recorded
from rehash.resources import resource
from rehash.tgsh.published import write_comparison

with recorded(snakemake):
    inputs, outputs = snakemake.input, snakemake.output
    ours = inputs.history, inputs.similarity, inputs.tasks
    theirs = resource("published_tgsh.csv"), resource("published_tgsh_similarity.csv")
    write_comparison(*ours, theirs, (outputs.table, outputs.similarity), **snakemake.params.ours)
