"""Draw Hamming distances of views."""

from rehash.figures.equihash_distances import plot_distances
from rehash.figures.style import save_figure
from rehash.job import recorded
from rehash.store import read_csv

with recorded(snakemake):
    figure = plot_distances(read_csv(snakemake.input.histogram), read_csv(snakemake.input.table))
    save_figure(figure, snakemake.output.pdf, snakemake.output.png)
