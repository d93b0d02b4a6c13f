"""Generate fingerprints of one shard whose collisions are known, without any network."""

from rehash.equihash.index.synthetic import generate_fingerprints
from rehash.job import recorded

with recorded(snakemake) as notes:
    files = (snakemake.input.labels, snakemake.output.fingerprints)
    part = {name: int(snakemake.wildcards[name]) for name in ("shard", "shards")}
    notes |= generate_fingerprints(*files, **part, **snakemake.params.synthetic)
