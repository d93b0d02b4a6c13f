"""Write the HTML report."""

from rehash.equihash import section as equihash
from rehash.hash_encoders import section as hash_encoders
from rehash.job import recorded
from rehash.report import write_report
from rehash.tgsh import section as tgsh

SECTIONS = {"hash_encoders": hash_encoders.section, "tgsh": tgsh.section, "equihash": equihash.section}

with recorded(snakemake):
    sections = [
        SECTIONS[entry["paper"]](entry, caption, entry["text"])
        for entry, caption in zip(snakemake.params.entries, snakemake.input.captions, strict=True)
    ]
    write_report(snakemake.input.template, snakemake.output.report, sections, snakemake.params.facts)
