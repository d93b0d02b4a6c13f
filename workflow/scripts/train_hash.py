"""Train a hash network to give noisy views of one label the same fingerprint."""

from rehash.equihash.learning.train import Training, train_hash
from rehash.job import recorded, saving, untracked
from rehash.training import Compute

with recorded(snakemake) as notes:
    keys = {name: snakemake.wildcards[name] for name in ("task", "model", "variant")}
    params, inputs, outputs = snakemake.params, snakemake.input, dict(snakemake.output.items())
    outputs.pop("provenance")
    files = (inputs.bank, inputs.get("perlin"), *(outputs.pop(name) for name in ("weights", "history", "losses")))
    training, compute = Training(keys=keys, **params.training), Compute(**params.compute)
    outputs |= {"start": inputs.get("start") or untracked(snakemake, "start"), "steps": params.steps}
    notes |= train_hash(*files, training, compute, saving(snakemake), **outputs)
