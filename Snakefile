from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


# The defaults lie beside this file, wherever it is run from. Over them goes the config of the folder it is run in.
configfile: str(workflow.current_basedir.join("config/config.yaml"))


if Path("config/config.yaml").is_file():

    configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/datasets.smk"
include: "workflow/rules/hash_encoders.smk"
include: "workflow/rules/tgsh.smk"
include: "workflow/rules/equihash_data.smk"
include: "workflow/rules/equihash_networks.smk"
include: "workflow/rules/equihash_index.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


report: "workflow/report/workflow.rst"


localrules:
    all,
    hash_encoders,
    tgsh,
    equihash,
    provenance,


rule all:
    """Make every table, every figure and the report of the configured studies."""
    default_target: True
    input:
        "results/report.html",
        rules.hash_encoders.input,
        rules.tgsh.input,
        rules.equihash.input,
