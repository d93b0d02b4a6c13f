"""Collect the provenance of all results into one JSON file."""

from rehash.job import recorded
from rehash.provenance import collect_provenance

with recorded(snakemake):
    collect_provenance("results", snakemake.output.collected, snakemake.params.asked)
