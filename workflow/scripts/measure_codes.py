"""Measure the hash codes of modulated responses."""

from rehash.job import recorded
from rehash.tgsh.measure_codes import measure_codes

with recorded(snakemake) as notes:
    notes |= measure_codes(
        snakemake.input.dataset,
        snakemake.input.modulations,
        snakemake.output.table,
        references=snakemake.params.references,
        device=snakemake.params.device,
        threads=snakemake.params.threads,
    )
