"""Draw networks on a database."""

from rehash.figures.equihash import draw_comparison
from rehash.figures.style import save_figure
from rehash.job import recorded

with recorded(snakemake):
    figure = draw_comparison(snakemake.wildcards.comparison, snakemake.input.tables)
    save_figure(figure, snakemake.output.pdf, snakemake.output.png)
