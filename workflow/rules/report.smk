# Rules for the report, a page that shows all figures, and for a file with the provenance of all results.

entries = [entry for wing in wings for entry in wing.entries(config)]


rule write_report:
    """Write results/report.html: every figure with what it shows, on one page that needs no network."""
    input:
        [wing.targets(config) for wing in wings],
        template=workflow.source_path("../report/report.html.j2"),
        captions=[workflow.source_path(f"../report/{entry['caption']}.rst") for entry in entries],
    output:
        report="results/report.html",
    log:
        log_of("write_report", "results/report.html"),
    group:
        "report"
    conda:
        "../../envs/figures.yaml"
    params:
        code=digest("write_report", *(name for wing in wings for name in wing.functions())),
        entries=entries,
        facts={"Root seed": config["seed"], "Device asked for": config["device"], "Threads a job": config["threads"]},
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"


rule provenance:
    """Collect the provenance of every result into one file, results/provenance.json."""
    input:
        "results/provenance.json",


rule collect_provenance:
    """Write results/provenance.json once all that the config asks for is there; it covers everything that was built."""
    input:
        rules.write_report.output.report,
        rules.hash_encoders.input,
        rules.tgsh.input,
        rules.equihash.input,
    output:
        collected="results/provenance.json",
    log:
        log_of("collect_provenance", "results/provenance.json"),
    group:
        "report"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_provenance"),
    message:
        "Collecting the provenance of all results"
    script:
        "../scripts/collect_provenance.py"
