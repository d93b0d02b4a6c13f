"""Compute the fingerprints that a model gives to the items of one shard of a database."""

from rehash.equihash.index.encode import Shown, encode_shard
from rehash.equihash.learning.models import asked_model
from rehash.job import recorded, saving
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, shown, compute = snakemake.input, Shown(**snakemake.params.shown), Compute(**snakemake.params.compute)
    model = asked_model(inputs, snakemake.params.codes)
    files = (model, inputs.bank, inputs.get("perlin"), inputs.labels, snakemake.output.fingerprints)
    part = {name: int(snakemake.wildcards[name]) for name in ("shard", "shards")}
    notes |= encode_shard(*files, shown, compute, saving(snakemake), **part)
