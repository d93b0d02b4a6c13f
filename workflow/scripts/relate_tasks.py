"""Relate tasks by their modulations."""

from rehash.job import recorded
from rehash.tgsh.relate_tasks import relate_tasks

with recorded(snakemake) as notes:
    notes |= relate_tasks(snakemake.input.modulations, snakemake.output.similarity, snakemake.output.correlation)
