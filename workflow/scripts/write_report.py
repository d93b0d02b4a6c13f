"""Write the HTML report of all figures."""

from rehash.job import recorded
from rehash.report.pages import write_report
from rehash.resources import caption, template

with recorded(snakemake):
    entries, how = snakemake.params.entries, snakemake.params
    captions = [caption(entry["caption"]) for entry in entries]
    templates = {"report": template(), "page": template("page.html.j2")}
    words = {"wings": how.wings, "absent": how.absent, "facts": how.facts}
    write_report(templates, snakemake.output.report, entries, captions, **words)
