"""Draw one registered figure from its tables."""

from rehash.figures.drawing import draw_figure
from rehash.job import recorded

with recorded(snakemake):
    settings = {name: snakemake.params[name] for name in ("draw", "page", "settings")}
    draw_figure(snakemake.input.tables, dict(snakemake.output.items()), **settings)
