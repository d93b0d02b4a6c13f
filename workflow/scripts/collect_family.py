"""Collect the evaluations of a family of ablations into one table."""

from rehash.equihash.evaluation.comparison import collect_family
from rehash.job import recorded

with recorded(snakemake):
    about = {"family": snakemake.wildcards.family, "parameters": snakemake.params.parameters}
    collect_family(snakemake.input.evaluations, snakemake.output.table, **about)
