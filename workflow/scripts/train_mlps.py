"""Train the networks of a study at one width: all repeats of all cells."""

from rehash.hash_encoders.train import Training, train_mlps
from rehash.job import recorded, saving
from rehash.training import Compute

with recorded(snakemake) as notes:
    keys = {name: value for name, value in snakemake.wildcards.items() if name != "repeats"}
    training = Training(keys=keys, **snakemake.params.training)
    files = (snakemake.input.dataset, snakemake.output.networks, snakemake.output.history)
    notes |= train_mlps(*files, training, Compute(**snakemake.params.compute), saving(snakemake))
