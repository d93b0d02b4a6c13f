"""Train all weights of the baseline networks, one network per task and one on all tasks in sequence."""

from rehash.job import recorded, saving
from rehash.tgsh.baselines import BaselineTraining, train_baselines
from rehash.training import Compute

with recorded(snakemake) as notes:
    training = BaselineTraining(keys=dict(snakemake.wildcards.items()), **snakemake.params.training)
    files, compute = (snakemake.input.dataset, snakemake.output.table), Compute(**snakemake.params.compute)
    notes |= train_baselines(*files, training, compute, saving(snakemake))
