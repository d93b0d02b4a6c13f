from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/hash_encoders.smk"
include: "workflow/rules/hash_encoders_regions.smk"
include: "workflow/rules/tgsh.smk"
include: "workflow/rules/tgsh_baselines.smk"
include: "workflow/rules/equihash.smk"
include: "workflow/rules/equihash_models.smk"
include: "workflow/rules/equihash_index.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,
    hash_encoders,
    tgsh,
    equihash,
    provenance,


rule all:
    """Every table, figure and the report of the configured studies."""
    default_target: True
    input:
        "results/report.html",
        rules.hash_encoders.input,
        rules.tgsh.input,
        rules.equihash.input,
