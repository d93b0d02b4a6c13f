rule hash_encoders:
    """Every table and figure of He et al. 2021: neural networks behave as hash encoders."""
    input:
        graph.hash_encoders_targets(config),


rule train_mlps:
    """Train all repeats of one configuration at once; killed, it goes on where it was."""
    input:
        dataset=graph.DATASET,
    output:
        networks=f"{graph.COHORT}networks.safetensors",
        history=f"{graph.COHORT}training.csv",
        provenance=f"{graph.COHORT}networks.json",
    log:
        f"{graph.COHORT}train_mlps.log",
    benchmark:
        f"{graph.COHORT}train_mlps.tsv"
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(input.size_mb, attempt),
        runtime=lambda wildcards, attempt: graph.training_minutes(
            config, wildcards.dataset, wildcards.protocol, attempt
        ),
        # Here and not in params, since they change no result and so must cause no rerun.
        on_code_change=config["on_code_change"],
        save_every_s=config["save_every_seconds"],
    params:
        code=code_digest("train_mlps"),
        training=lambda wildcards: graph.training_params(config, wildcards.dataset, wildcards.protocol),
    message:
        "Training {params.training[repeats]} networks of width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.protocol})"
    script:
        "../scripts/train_mlps.py"


rule measure_properties:
    """Measure redundancy and categorization of a cohort's neural codes, before and after training."""
    input:
        dataset=graph.DATASET,
        networks=f"{graph.COHORT}networks.safetensors",
    output:
        table=f"{graph.COHORT}properties.csv",
        provenance=f"{graph.COHORT}properties.json",
    log:
        f"{graph.COHORT}measure_properties.log",
    benchmark:
        f"{graph.COHORT}measure_properties.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(input.size_mb, attempt, base=2500, per_input_mb=24),
        runtime=lambda wildcards, attempt: graph.minutes(60, attempt),
    params:
        code=code_digest("measure_properties"),
        device=config["device"],
        threads=config["threads"],
    message:
        "Measuring codes of width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.protocol})"
    script:
        "../scripts/measure_properties.py"


rule collect_study:
    """Collect the property tables of a study into one tidy table."""
    input:
        tables=lambda wildcards: graph.study_tables(config, wildcards.study, wildcards.dataset),
    output:
        table=f"{graph.STUDY}.csv",
        provenance=f"{graph.STUDY}.json",
    log:
        "results/logs/collect_study/{dataset}/{study}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=code_digest("collect_study"),
    message:
        "Collecting the {wildcards.study} study on {wildcards.dataset}"
    script:
        "../scripts/collect_study.py"


rule plot_capacity:
    """Draw the capacity study: redundancy and categorization against layer width."""
    input:
        table="results/hash_encoders/{dataset}/capacity.csv",
    output:
        pdf="results/hash_encoders/{dataset}/capacity.pdf",
        png=report(
            "results/hash_encoders/{dataset}/capacity.png",
            caption="../report/capacity.rst",
            category="hash_encoders",
            subcategory="{dataset}",
            labels={"study": "capacity"},
        ),
    log:
        "results/logs/plot_capacity/{dataset}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=code_digest("plot_capacity"),
    message:
        "Drawing the capacity study on {wildcards.dataset}"
    script:
        "../scripts/plot_capacity.py"
