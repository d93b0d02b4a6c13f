"""Build a bank of pictures."""

import json

from rehash.equihash.banks import build_bank
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= build_bank(
        dict(snakemake.input.items()),
        snakemake.output.bank,
        description=snakemake.params.description | json.loads(snakemake.resources.words),
    )
