"""Train all weights, per task and in sequence."""

from rehash.job import recorded
from rehash.tgsh.baselines import train_baselines
from rehash.training import discard_state

with recorded(snakemake) as notes:
    notes |= train_baselines(
        snakemake.input.dataset,
        snakemake.output.table,
        keys=dict(snakemake.wildcards.items()),
        code=snakemake.params.code,
        on_code_change=snakemake.resources.on_code_change,
        save_every_s=snakemake.resources.save_every_s,
        **snakemake.params.training,
    )

discard_state(snakemake.output.table)
