"""Show views of a task."""

from rehash.equihash.sheets import show_views
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= show_views(
        snakemake.input.bank,
        snakemake.input.get("perlin"),
        snakemake.output.pictures,
        snakemake.output.table,
        name=snakemake.wildcards.task,
        settings=snakemake.params.settings,
        seed=snakemake.params.seed,
    )
