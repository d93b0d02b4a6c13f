"""Draw the capacity study."""

from rehash.figures.capacity import plot_capacity
from rehash.figures.style import save_figure
from rehash.job import recorded
from rehash.store import read_csv

with recorded(snakemake):
    save_figure(plot_capacity(read_csv(snakemake.input.table)), snakemake.output.pdf, snakemake.output.png)
