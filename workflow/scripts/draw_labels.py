"""Draw the labels of one shard of a database."""

from rehash.equihash.labels import draw_shard
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= draw_shard(
        snakemake.input.bank,
        snakemake.output.labels,
        database=snakemake.wildcards.database,
        shard=int(snakemake.wildcards.shard),
        shards=int(snakemake.wildcards.shards),
        **snakemake.params.labels,
    )
