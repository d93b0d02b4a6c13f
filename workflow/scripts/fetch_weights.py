"""Fetch the weights of a model from the first address that has them."""

from rehash.datasets.fetch import fetch_file
from rehash.job import recorded, untracked

with recorded(snakemake):
    mirrors = untracked(snakemake, "mirrors")
    fetch_file(snakemake.wildcards.file, mirrors, snakemake.params.md5, snakemake.output.file)
