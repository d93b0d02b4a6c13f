"""Write the accuracies and costs of FlyNet and its baselines as tables."""

from rehash.job import recorded
from rehash.store import write_csv
from rehash.tgsh.forgetting import collect_baselines, collect_costs

with recorded(snakemake):
    table = collect_baselines(snakemake.input.full, snakemake.input.accuracy, snakemake.params.tasks)
    write_csv(table, snakemake.output.table)
    write_csv(collect_costs(snakemake.input.full_notes, snakemake.input.flynet_notes), snakemake.output.costs)
