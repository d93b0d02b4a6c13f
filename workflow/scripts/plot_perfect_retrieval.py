"""Draw perfect-retrieval rates."""

from rehash.figures.equihash_retrieval import plot_published
from rehash.figures.style import save_figure
from rehash.job import recorded
from rehash.store import read_csv

with recorded(snakemake):
    save_figure(plot_published(read_csv(snakemake.input.table)), snakemake.output.pdf, snakemake.output.png)
