"""Train a hash network to give noisy views of one label the same fingerprint."""

from rehash.equihash.learning.train import Training, train_hash
from rehash.job import recorded, saving
from rehash.training import Compute

with recorded(snakemake) as notes:
    keys = {name: snakemake.wildcards[name] for name in ("task", "model", "variant")}
    training, compute = Training(keys=keys, **snakemake.params.training), Compute(**snakemake.params.compute)
    inputs, outputs = snakemake.input, snakemake.output
    files = (inputs.bank, inputs.get("perlin"), outputs.weights, outputs.history, outputs.losses)
    notes |= train_hash(*files, training, compute, saving(snakemake))
