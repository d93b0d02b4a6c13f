"""Collect the evaluations of a family."""

from rehash.equihash.family import collect_family
from rehash.job import recorded

with recorded(snakemake):
    collect_family(
        snakemake.input.evaluations,
        snakemake.output.table,
        family=snakemake.wildcards.family,
        parameters=snakemake.params.parameters,
    )
