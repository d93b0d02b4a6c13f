"""Draw the activation hash phase chart, for paper and as an interactive page."""

from rehash.figures.phase_chart import interactive_phase_chart, plot_phase_chart
from rehash.figures.style import save_figure
from rehash.job import recorded
from rehash.store import read_csv, write_bytes

with recorded(snakemake):
    points = read_csv(snakemake.input.table)
    figure = plot_phase_chart(points, snakemake.params.thresholds)
    save_figure(figure, snakemake.output.pdf, snakemake.output.png)
    write_bytes(interactive_phase_chart(points, snakemake.params.thresholds).encode(), snakemake.output.html)
