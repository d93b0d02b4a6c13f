"""Draw a Perlin bank."""

from rehash.figures.equihash import draw_perlin
from rehash.figures.style import save_figure
from rehash.job import recorded

with recorded(snakemake):
    figure = draw_perlin(snakemake.input.bank, snakemake.input.table)
    save_figure(figure, snakemake.output.pdf, snakemake.output.png)
