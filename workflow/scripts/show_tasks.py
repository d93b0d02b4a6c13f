"""Write an image of every class as each task of a benchmark shows it, and the table of the tasks."""

from rehash.job import recorded
from rehash.tgsh.generate import show_tasks

with recorded(snakemake) as notes:
    notes |= show_tasks(
        [snakemake.input.dataset, *snakemake.input.others],
        snakemake.output.pictures,
        snakemake.output.table,
        keys=dict(snakemake.wildcards.items()),
        **snakemake.params.drawing,
    )
