"""Measure the spectra of the fields of a Perlin bank."""

from rehash.equihash.images.perlin import measure_spectrum
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= measure_spectrum(snakemake.input.bank, snakemake.output.table)
