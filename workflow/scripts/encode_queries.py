"""Encode the queries of a database."""

from rehash.equihash.encode import encode_queries
from rehash.job import recorded
from rehash.training import discard_state

with recorded(snakemake) as notes:
    notes |= encode_queries(
        snakemake.input.weights,
        snakemake.input.bank,
        snakemake.input.get("perlin"),
        snakemake.input.queries,
        snakemake.output.codes,
        probed=snakemake.params.probed,
        saving={
            "code": snakemake.params.code,
            "on_code_change": snakemake.resources.on_code_change,
            "save_every_s": snakemake.resources.save_every_s,
        },
        **snakemake.params.encoding,
    )

discard_state(snakemake.output.codes)
