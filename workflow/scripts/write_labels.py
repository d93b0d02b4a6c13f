"""Write the labels of one shard of a database as a file, for others to read."""

from rehash.equihash.databases.label_files import write_labels
from rehash.job import recorded

with recorded(snakemake) as notes:
    part = {name: int(snakemake.wildcards[name]) for name in ("shard", "shards")}
    notes |= write_labels(snakemake.input.labels, snakemake.output.shard, **part)
