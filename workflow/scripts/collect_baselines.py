"""Write the accuracies of FlyNet and of fully trained networks as one table."""

from rehash.job import recorded
from rehash.store import write_csv
from rehash.tgsh.forgetting import collect_baselines

with recorded(snakemake):
    table = collect_baselines(snakemake.input.full, snakemake.input.accuracy, snakemake.params.tasks)
    write_csv(table, snakemake.output.table)
