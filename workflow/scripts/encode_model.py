"""Compute the codes of a network's layers."""

from rehash.hash_encoders.models.codes import LayersEncoding
from rehash.hash_encoders.models.encode import encode_model
from rehash.hash_encoders.models.origins import Origin
from rehash.job import recorded, saving, untracked
from rehash.training import Compute

with recorded(snakemake) as notes:
    encoding = LayersEncoding(keys=dict(snakemake.wildcards.items()), **snakemake.params.encoding)
    inputs = {name: path for name, path in snakemake.input.items() if name != "dataset"}
    files = (snakemake.input.dataset, Origin(**untracked(snakemake, "place"), **inputs), snakemake.output.codes)
    notes |= encode_model(*files, encoding, Compute(**snakemake.params.compute), saving(snakemake))
