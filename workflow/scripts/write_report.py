"""Write the HTML report of all figures."""

from rehash.job import recorded
from rehash.report import write_report

with recorded(snakemake):
    inputs, params = snakemake.input, snakemake.params
    write_report(inputs.template, snakemake.output.report, params.entries, inputs.captions, params.facts)
