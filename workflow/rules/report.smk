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
