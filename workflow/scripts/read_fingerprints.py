"""Read the fingerprints of the items of one shard of a database from a file of others."""

from rehash.equihash.index.public_fingerprints import read_fingerprints
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    path, params = untracked(snakemake, "place")["items"], snakemake.params
    files = (path, snakemake.input.labels, snakemake.output.fingerprints)
    part = {name: int(snakemake.wildcards[name]) for name in ("shard", "shards")}
    notes |= read_fingerprints(*files, **part, content=params.content, **params.given)
