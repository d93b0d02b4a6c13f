"""Draw a study."""

from rehash.figures.studies import plot_study
from rehash.figures.style import save_figure
from rehash.job import recorded
from rehash.store import read_csv

with recorded(snakemake):
    figure = plot_study(read_csv(snakemake.input.table), snakemake.wildcards.study, snakemake.params.kmeans)
    save_figure(figure, snakemake.output.pdf, snakemake.output.png)
