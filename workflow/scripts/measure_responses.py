"""Measure modulated responses as a hash."""

from rehash.job import recorded
from rehash.tgsh.measure_responses import measure_responses

with recorded(snakemake) as notes:
    notes |= measure_responses(
        snakemake.input.dataset,
        snakemake.input.modulations,
        snakemake.output.pairs,
        snakemake.output.curves,
        snakemake.output.recovered,
        gallery=snakemake.params.gallery,
        device=snakemake.params.device,
        threads=snakemake.params.threads,
    )
