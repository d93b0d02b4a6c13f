"""Train new tasks from random and from known modulations and without some classes, and measure one-shot learning."""

from rehash.job import recorded, saving
from rehash.tgsh.held_out import HeldOut, train_held_out
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, compute = snakemake.input, Compute(**snakemake.params.compute)
    tables = {name: path for name, path in snakemake.output.items() if name != "provenance"}
    held_out = HeldOut(**snakemake.params.held_out)
    notes |= train_held_out(inputs.dataset, inputs.modulations, tables, held_out, compute, saving(snakemake))
