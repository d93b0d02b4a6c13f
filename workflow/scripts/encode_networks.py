"""Run networks over the training and test inputs and keep their neural codes."""

from rehash.hash_encoders.encode import encode_networks
from rehash.job import recorded

with recorded(snakemake):
    encode_networks(
        snakemake.input.dataset,
        snakemake.input.networks,
        snakemake.output.codes,
        device=snakemake.params.device,
        threads=snakemake.params.threads,
    )
