"""Train a modulation for every task."""

from rehash.job import recorded
from rehash.tgsh.train import train_flynet
from rehash.training import discard_state

with recorded(snakemake) as notes:
    notes |= train_flynet(
        snakemake.input.dataset,
        snakemake.output.modulations,
        snakemake.output.history,
        keys=dict(snakemake.wildcards.items()),
        code=snakemake.params.code,
        on_code_change=snakemake.resources.on_code_change,
        save_every_s=snakemake.resources.save_every_s,
        **snakemake.params.training,
    )

discard_state(snakemake.output.modulations)
