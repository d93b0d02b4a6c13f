"""Generate an image of every digit under every task from the modulations."""

from rehash.job import recorded
from rehash.tgsh.generate import generate_digits

with recorded(snakemake) as notes:
    notes |= generate_digits(
        [snakemake.input.dataset, *snakemake.input.others],
        snakemake.input.modulations,
        snakemake.input.inverse,
        snakemake.output.pictures,
        snakemake.output.table,
    )
