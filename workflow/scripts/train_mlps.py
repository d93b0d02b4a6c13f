"""Train all repeats of one configuration at once."""

from rehash.hash_encoders.train import train_mlps
from rehash.job import recorded
from rehash.training import discard_state

with recorded(snakemake) as notes:
    notes |= train_mlps(
        snakemake.input.dataset,
        snakemake.output.networks,
        snakemake.output.history,
        keys=dict(snakemake.wildcards.items()),
        code=snakemake.params.code,
        on_code_change=snakemake.resources.on_code_change,
        save_every_s=snakemake.resources.save_every_s,
        **snakemake.params.training,
    )

discard_state(snakemake.output.networks)
