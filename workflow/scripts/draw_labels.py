"""Draw random labels for the items of one shard of a database."""

from rehash.equihash.databases.labels import draw_shard
from rehash.job import recorded

with recorded(snakemake) as notes:
    database, shard, shards = (snakemake.wildcards[name] for name in ("database", "shard", "shards"))
    which = {"database": database, "shard": int(shard), "shards": int(shards)}
    notes |= draw_shard(snakemake.input.get("bank"), snakemake.output.labels, **which, **snakemake.params.labels)
