rule train_baselines:
    """Train all weights of networks of the same width, a network per task and one in sequence; resumable."""
    input:
        dataset=graph.DATASET,
    output:
        table=f"{tgsh.FOLDER}full_networks.csv",
        provenance=f"{tgsh.FOLDER}full_networks.json",
    log:
        f"{tgsh.FOLDER}train_baselines.log",
    benchmark:
        f"{tgsh.FOLDER}train_baselines.tsv"
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(input.size_mb, attempt, base=2500),
        runtime=lambda wildcards, attempt: tgsh.baseline_minutes(config, **wildcards, attempt=attempt),
        on_code_change=config["on_code_change"],
        save_every_s=config["save_every_seconds"],
    params:
        code=graph.digest_of("train_baselines"),
        training=lambda wildcards: tgsh.baseline_params(config, **wildcards),
    message:
        "Training full networks on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/train_baselines.py"


rule collect_baselines:
    """Set FlyNet's accuracy beside that of fully trained networks, task by task."""
    input:
        full=f"{tgsh.FOLDER}full_networks.csv",
        accuracy=f"{tgsh.FOLDER}accuracy.csv",
    output:
        table=f"{tgsh.FOLDER}baselines.csv",
        provenance=f"{tgsh.FOLDER}baselines.json",
    log:
        f"{tgsh.FOLDER}collect_baselines.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("collect_baselines"),
        tasks=lambda wildcards: tgsh.baseline_tasks(config, **wildcards),
    message:
        "Collecting the baselines of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/collect_baselines.py"
