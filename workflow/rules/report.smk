# Rules for the report, a page that shows all figures, and for a file with the provenance of all results.

entries = [entry for wing in asked for entry in wing.entries(config)]


rule write_report:
    """Write results/report.html, what all works found, and its pages with every figure; they need no network."""
    input:
        [wing.targets(config) for wing in asked],
    output:
        report="results/report.html",
        pages=pages(entries),
    log:
        log_of("write_report", "results/report.html"),
    group:
        "report"
    conda:
        "../../envs/figures.yaml"
    params:
        code=digest("write_report", *(name for wing in wings for name in wing.functions())),
        words=graph.words_digest([entry["caption"] for entry in entries]),
        entries=entries,
        wings={wing.name: list(wing.published) for wing in asked},
        absent=[wing.name for wing in wings if wing not in asked],
        published=[graph.resource_digest(name) for wing in asked for name in wing.published],
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
        [getattr(rules, wing.name).input for wing in asked],
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
        asked=[entry["provenance"] for entry in entries],
    message:
        "Collecting the provenance of all results"
    script:
        "../scripts/collect_provenance.py"
