"""Evaluate a network on a database."""

from rehash.equihash.evaluate import evaluate
from rehash.equihash.plan import TABLES
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= evaluate(
        snakemake.input.counts,
        snakemake.input.codes,
        snakemake.input.queries,
        {name: snakemake.output[name] for name in TABLES},
        keys={name: snakemake.wildcards[name] for name in ("task", "model", "variant", "seed", "database")},
        **snakemake.params.evaluation,
    )
