"""Draw one figure of a benchmark."""

from rehash.figures.benchmarks import plot_benchmark
from rehash.figures.style import save_figure
from rehash.job import recorded

with recorded(snakemake):
    figure = plot_benchmark(snakemake.wildcards.figure, snakemake.input.tables)
    save_figure(figure, snakemake.output.pdf, snakemake.output.png)
