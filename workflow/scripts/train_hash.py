"""Train a hash network."""

from rehash.equihash.train import train_hash
from rehash.job import recorded
from rehash.training import discard_state

with recorded(snakemake) as notes:
    notes |= train_hash(
        snakemake.input.bank,
        snakemake.input.get("perlin"),
        snakemake.output.weights,
        snakemake.output.history,
        snakemake.output.losses,
        keys={name: snakemake.wildcards[name] for name in ("task", "model", "variant")},
        code=snakemake.params.code,
        on_code_change=snakemake.resources.on_code_change,
        save_every_s=snakemake.resources.save_every_s,
        **snakemake.params.training,
    )

discard_state(snakemake.output.weights)
