"""Draw what models learned."""

from rehash.figures.equihash_training import plot_training
from rehash.figures.style import save_figure
from rehash.job import recorded
from rehash.store import read_csv

with recorded(snakemake):
    save_figure(plot_training(read_csv(snakemake.input.table)), snakemake.output.pdf, snakemake.output.png)
