"""Write the HTML report."""

from rehash.hash_encoders.section import section
from rehash.job import recorded
from rehash.report import write_report

with recorded(snakemake):
    sections = [
        section(entry, caption, text)
        for entry, caption, text in zip(
            snakemake.params.entries, snakemake.input.captions, snakemake.params.dataset_texts, strict=True
        )
    ]
    write_report(snakemake.input.template, snakemake.output.report, sections, snakemake.params.facts)
