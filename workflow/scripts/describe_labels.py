"""Write how the labels of a database are computed, each from the number of its item."""

from rehash.equihash.databases.label_files import describe_labels
from rehash.job import recorded

with recorded(snakemake) as notes:
    files = (snakemake.input.get("bank"), snakemake.output.labels)
    notes |= describe_labels(*files, database=snakemake.wildcards.database, **snakemake.params.labels)
