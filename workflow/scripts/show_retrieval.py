"""Show queries of a database and what a network's index retrieves for them."""

from rehash.equihash.evaluation.gallery import show_retrieval
from rehash.equihash.index.encode import Shown
from rehash.job import recorded

with recorded(snakemake) as notes:
    inputs, params = snakemake.input, snakemake.params
    keys = {name: snakemake.wildcards[name] for name in ("task", "model", "variant", "seed", "database")}
    files = (inputs.partitions, inputs.counts, inputs.codes, inputs.queries, inputs.labels)
    views = (inputs.bank, inputs.get("perlin"), dict(snakemake.output.items()))
    notes |= show_retrieval(*files, *views, shown=Shown(**params.shown), keys=keys, **params.gallery)
