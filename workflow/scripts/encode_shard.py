"""Encode one shard of a database."""

from rehash.equihash.encode import encode_shard
from rehash.job import recorded
from rehash.training import discard_state

with recorded(snakemake) as notes:
    notes |= encode_shard(
        snakemake.input.weights,
        snakemake.input.bank,
        snakemake.input.get("perlin"),
        snakemake.input.labels,
        snakemake.output.fingerprints,
        saving={
            "code": snakemake.params.code,
            "on_code_change": snakemake.resources.on_code_change,
            "save_every_s": snakemake.resources.save_every_s,
        },
        **snakemake.params.encoding,
    )

discard_state(snakemake.output.fingerprints)
