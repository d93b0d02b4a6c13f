"""Write a contact sheet: labels of a task and some noisy views of each."""

from rehash.equihash.images.contact_sheet import show_views
from rehash.job import recorded

with recorded(snakemake) as notes:
    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    files = (inputs.bank, inputs.get("perlin"), outputs.pictures, outputs.table)
    notes |= show_views(*files, name=snakemake.wildcards.task, settings=params.settings, seed=params.seed)
