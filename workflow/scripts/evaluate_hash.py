"""Evaluate a network on a database."""

from rehash.equihash.evaluate import evaluate_hash
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= evaluate_hash(
        snakemake.input.weights,
        snakemake.input.bank,
        snakemake.input.get("perlin"),
        snakemake.input.labels,
        snakemake.input.queries,
        snakemake.output.table,
        keys={name: snakemake.wildcards[name] for name in ("task", "model", "variant", "seed", "database")},
        **snakemake.params.evaluation,
    )
