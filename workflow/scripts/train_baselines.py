"""Train the baselines of FlyNet on its tasks: full networks, online EWC, experience replay and a linear probe."""

from rehash.job import recorded, saving
from rehash.tgsh.baselines import BaselineTraining, train_baselines
from rehash.training import Compute

with recorded(snakemake) as notes:
    training = BaselineTraining(keys=dict(snakemake.wildcards.items()), **snakemake.params.training)
    files = ([snakemake.input.dataset, *snakemake.input.others], snakemake.output.table)
    compute = Compute(**snakemake.params.compute)
    notes |= train_baselines(*files, training, compute, saving(snakemake))
