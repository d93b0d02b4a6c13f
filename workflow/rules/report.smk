entries = [entry for part in (plan, tgsh, equihash, models, evaluations) for entry in part.figures(config)]


rule write_report:
    """Write results/report.html: every figure with what it shows, on one page that needs no network."""
    input:
        plan.targets(config),
        tgsh.targets(config),
        equihash.targets(config),
        models.targets(config),
        evaluations.targets(config),
        template=workflow.source_path("../report/report.html.j2"),
        captions=[workflow.source_path(f"../report/{entry['caption']}.rst") for entry in entries],
    output:
        report="results/report.html",
    log:
        "results/logs/write_report.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("write_report"),
        entries=entries,
        facts={"Root seed": config["seed"], "Device asked for": config["device"], "Threads a job": config["threads"]},
    message:
        "Writing the report"
    script:
        "../scripts/write_report.py"


rule provenance:
    """Collect where every result came from into one file, results/provenance.json."""
    input:
        "results/provenance.json",


rule collect_provenance:
    """Put the provenance of everything that was built, and of all that the config asks for, into one file."""
    input:
        rules.write_report.output.report,
        rules.hash_encoders.input,
        rules.tgsh.input,
        rules.equihash.input,
    output:
        collected="results/provenance.json",
    log:
        "results/logs/collect_provenance.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("collect_provenance"),
    message:
        "Collecting the provenance of all results"
    script:
        "../scripts/collect_provenance.py"
