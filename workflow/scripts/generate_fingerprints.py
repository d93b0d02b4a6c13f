"""Generate fingerprints of one shard whose collisions are known, without any network."""

from rehash.equihash.index.synthetic import generate_fingerprints
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= generate_fingerprints(snakemake.input.labels, snakemake.output.fingerprints, **snakemake.params.synthetic)
