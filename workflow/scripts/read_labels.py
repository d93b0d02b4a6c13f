"""Read the labels of a database from a public file."""

from rehash.equihash.databases.public_labels import read_labels
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    path, params = untracked(snakemake, "place")["labels"], snakemake.params
    which = {"database": snakemake.wildcards.database, "content": params.content}
    notes |= read_labels(path, snakemake.input.get("bank"), snakemake.output.labels, **which, **params.labels)
