"""Read the fingerprints of the items of one shard of a database from a file of others."""

from rehash.equihash.index.public_fingerprints import read_fingerprints
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    path, params = untracked(snakemake, "place")["items"], snakemake.params
    files = (path, snakemake.input.labels, snakemake.output.fingerprints)
    notes |= read_fingerprints(*files, content=params.content, **params.given)
