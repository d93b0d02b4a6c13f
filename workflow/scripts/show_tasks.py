"""Show what each task does to pictures."""

from rehash.job import recorded
from rehash.tgsh.generate import show_tasks

with recorded(snakemake) as notes:
    notes |= show_tasks(
        snakemake.input.dataset,
        snakemake.output.pictures,
        snakemake.output.table,
        keys=dict(snakemake.wildcards.items()),
        **snakemake.params.drawing,
    )
