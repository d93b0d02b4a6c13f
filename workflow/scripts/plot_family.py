"""Draw a family of ablations."""

from rehash.figures.equihash_family import plot_family
from rehash.figures.style import save_figure
from rehash.job import recorded
from rehash.store import read_csv

with recorded(snakemake):
    save_figure(plot_family(read_csv(snakemake.input.table)), snakemake.output.pdf, snakemake.output.png)
