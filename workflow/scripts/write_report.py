"""Write the HTML report of all figures."""

from rehash.job import recorded
from rehash.report import write_report
from rehash.resources import caption, template

with recorded(snakemake):
    entries = snakemake.params.entries
    captions = [caption(entry["caption"]) for entry in entries]
    write_report(template(), snakemake.output.report, entries, captions, snakemake.params.facts)
