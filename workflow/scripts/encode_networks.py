"""Write the neural codes that networks give to the training and test inputs."""

from rehash.hash_encoders.encode import encode_networks
from rehash.job import recorded
from rehash.training import Compute

with recorded(snakemake):
    compute = Compute(**snakemake.params.compute)
    encode_networks(snakemake.input.dataset, snakemake.input.networks, snakemake.output.codes, compute)
