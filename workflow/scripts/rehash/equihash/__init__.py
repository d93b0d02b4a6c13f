"""Duchesneau's thesis: networks that map noisy views of one label to the same fingerprint, and the index over them.

Each part is a package whose first lines say what comes in and what goes out: `images` (what a label looks like),
`databases` (which labels there are), `learning` (a network), `index` (fingerprints and where they are found),
`evaluation` (how well), `figures`. `plan` and `sizes` tell Snakemake what to make of a config.
"""
