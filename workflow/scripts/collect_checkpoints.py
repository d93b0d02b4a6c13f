"""Collect the evaluations of networks at several steps of their training into one table."""

from rehash.equihash.evaluation.checkpoints import collect_steps
from rehash.job import recorded
from rehash.store import write_csv

with recorded(snakemake):
    write_csv(collect_steps(snakemake.input.evaluations, snakemake.params.steps), snakemake.output.table)
