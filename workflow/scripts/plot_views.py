"""Draw a contact sheet."""

from rehash.figures.equihash import draw_views
from rehash.figures.style import save_figure
from rehash.job import recorded

with recorded(snakemake):
    save_figure(draw_views(snakemake.input.pictures), snakemake.output.pdf, snakemake.output.png)
