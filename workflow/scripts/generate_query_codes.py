"""Generate fingerprints of a database's queries without any network, and the metrics expected of them."""

from rehash.equihash.index.synthetic import generate_query_codes
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= generate_query_codes(
        snakemake.input.queries,
        snakemake.output.codes,
        snakemake.output.expected,
        **snakemake.params.logits,
        **snakemake.params.synthetic,
    )
