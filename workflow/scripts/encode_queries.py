"""Compute the fingerprints that a model gives to the queries of a database."""

from rehash.equihash.index.encode import Shown, encode_queries
from rehash.equihash.learning.models import asked_model
from rehash.job import recorded, saving
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, shown, compute = snakemake.input, Shown(**snakemake.params.shown), Compute(**snakemake.params.compute)
    model = asked_model(inputs, snakemake.params.codes)
    files = (model, inputs.bank, inputs.get("perlin"), inputs.queries, snakemake.output.codes)
    notes |= encode_queries(*files, shown, compute, saving(snakemake), **snakemake.params.logits)
