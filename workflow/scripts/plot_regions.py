"""Draw how far linear regions reach, and a plane through three digits cut into them."""

from rehash.figures.regions import plot_regions
from rehash.figures.style import save_figure
from rehash.job import recorded
from rehash.store import read_csv

with recorded(snakemake):
    figure = plot_regions(read_csv(snakemake.input.lines), read_csv(snakemake.input.slices))
    save_figure(figure, snakemake.output.pdf, snakemake.output.png)
