"""Read the fingerprints of a database's queries from files of others."""

from rehash.equihash.index.public_fingerprints import read_query_codes
from rehash.job import recorded, untracked

with recorded(snakemake) as notes:
    params, files = snakemake.params, (snakemake.input.queries, snakemake.output.codes)
    given = {"content": params.content, "probed": params.probed, **params.given}
    notes |= read_query_codes(untracked(snakemake, "place"), *files, **given)
