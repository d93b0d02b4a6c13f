"""Fetch one raw file from the first mirror that has the right content."""

from rehash.datasets.fetch import fetch_file
from rehash.job import recorded

with recorded(snakemake):
    fetch_file(
        snakemake.wildcards.file,
        snakemake.params.source["mirrors"],
        snakemake.params.source["md5"],
        snakemake.output.file,
    )
