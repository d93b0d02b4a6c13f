"""Train one network of any shape."""

from rehash.hash_encoders.models.origins import Origin
from rehash.hash_encoders.models.train import ModelTraining, train_model
from rehash.job import recorded, saving, untracked
from rehash.training import Compute

with recorded(snakemake) as notes:
    training = ModelTraining(keys=dict(snakemake.wildcards.items()), **snakemake.params.training)
    origin, output = Origin(**untracked(snakemake, "place")), snakemake.output
    files = (snakemake.input.dataset, origin, output.network, output.history)
    notes |= train_model(*files, training, Compute(**snakemake.params.compute), saving(snakemake))
