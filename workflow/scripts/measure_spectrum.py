"""Measure the spectra of a Perlin bank."""

from rehash.equihash.perlin import measure_spectrum
from rehash.job import recorded

with recorded(snakemake) as notes:
    notes |= measure_spectrum(snakemake.input.bank, snakemake.output.table)
