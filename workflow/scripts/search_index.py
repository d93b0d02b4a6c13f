"""Search an index for images, or views of its database, and write a page with what is found."""

from rehash.equihash.index.encode import Shown
from rehash.equihash.learning.models import asked_model
from rehash.equihash.search import search_index
from rehash.job import recorded, untracked
from rehash.resources import template
from rehash.training import Compute

with recorded(snakemake) as notes:
    inputs, outputs, params = snakemake.input, snakemake.output, snakemake.params
    keys = {name: snakemake.wildcards[name] for name in ("task", "model", "variant", "seed", "database")}
    views = (asked_model(inputs, params.codes), inputs.bank, inputs.get("perlin"))
    files = (inputs.partitions, inputs.labels, inputs.get("queries"), untracked(snakemake, "place"))
    how = {"shown": Shown(**params.shown), "compute": Compute(**params.compute), "keys": keys}
    written = {"page": outputs.page, "table": outputs.table}
    notes |= search_index(*views, *files, template("search.html.j2"), written, **how, **params.search)
