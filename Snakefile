from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


# The config of the folder that it is run in goes over the defaults (config/config.yaml beside this file).
if Path("config/config.yaml").is_file():

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/hash_encoders.smk"
include: "workflow/rules/tgsh.smk"
include: "workflow/rules/equihash_data.smk"
include: "workflow/rules/equihash_networks.smk"
include: "workflow/rules/equihash_index.smk"
include: "workflow/rules/comparison.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,
    datasets,
    hash_encoders,
    tgsh,
    equihash,
    comparison,
    provenance,


rule all:
    """Make every table, every figure and the report of the configured studies."""
    default_target: True
    input:
        "results/report.html",
        [getattr(rules, wing.name).input for wing in asked],
