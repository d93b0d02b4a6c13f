"""Measure the codes of a network's layers: how unique they are, and how well simple classifiers do on them."""

from rehash.hash_encoders.models.codes import LayersEncoding
from rehash.hash_encoders.models.measure import measure_layers
from rehash.job import recorded
from rehash.training import Compute

with recorded(snakemake) as notes:
    encoding = LayersEncoding(keys=dict(snakemake.wildcards.items()), **snakemake.params.encoding)
    files = (snakemake.input.codes, snakemake.input.dataset, snakemake.output.table)
    notes |= measure_layers(*files, encoding, Compute(**snakemake.params.compute), **snakemake.params.measured)
