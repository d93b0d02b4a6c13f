"""Relate the similarity of tasks' modulations to the distance between the tasks."""

from rehash.job import recorded
from rehash.tgsh.relations import relate_tasks

with recorded(snakemake) as notes:
    notes |= relate_tasks(snakemake.input.modulations, snakemake.output.similarity, snakemake.output.correlation)
