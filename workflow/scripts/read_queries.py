"""Read the queries of a database from the public file that has its labels."""

from rehash.equihash.databases.public_labels import read_queries
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    place, inputs = untracked(snakemake, "place"), snakemake.input
    files = (place["labels"], inputs.get("bank"), inputs.labels, snakemake.output.queries)
    notes |= read_queries(*files, ground_truth=place.get("ground_truth"), **snakemake.params.queries)
