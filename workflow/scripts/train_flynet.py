"""Train a modulation of the frozen network for every task of a benchmark."""

from rehash.job import recorded, saving
from rehash.tgsh.train import Training, train_flynet
from rehash.training import Compute

with recorded(snakemake) as notes:
    training = Training(keys=dict(snakemake.wildcards.items()), **snakemake.params.training)
    files = ([snakemake.input.dataset, *snakemake.input.others], snakemake.output.modulations, snakemake.output.history)
    notes |= train_flynet(*files, training, Compute(**snakemake.params.compute), saving(snakemake))
