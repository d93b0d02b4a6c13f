"""Fetch one raw file from the first mirror that has the right content."""

import json

from rehash.datasets.fetch import fetch_file
from rehash.job import recorded

with recorded(snakemake):
    fetch_file(
        snakemake.wildcards.file,
        json.loads(snakemake.resources.mirrors),
        snakemake.params.md5,
        snakemake.output.file,
    )
