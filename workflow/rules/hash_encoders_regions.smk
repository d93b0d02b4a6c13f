rule measure_regions:
    """Find the exact borders of linear regions, along lines and in a plane."""
    input:
        dataset=graph.DATASET,
        networks=f"{plan.COHORT}networks.safetensors",
    output:
        lines=f"{plan.COHORT}regions_lines.csv",
        slices=f"{plan.COHORT}regions_slices.csv",
        provenance=f"{plan.COHORT}regions.json",
    log:
        f"{plan.COHORT}measure_regions.log",
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(input.size_mb, attempt, per_input_mb=16),
        runtime=lambda wildcards, attempt: graph.minutes(60, attempt),
    params:
        code=graph.digest_of("measure_regions"),
        lines=lambda wildcards: plan.study_config(config, "regions", wildcards.dataset)["lines"],
        seed=config["seed"],
        threads=config["threads"],
    message:
        "Linear regions of width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.protocol})"
    script:
        "../scripts/measure_regions.py"


rule collect_regions:
    """Collect the lines and slices through linear regions of all networks of a dataset."""
    input:
        lines=lambda wildcards: plan.region_tables(config, wildcards.dataset, "lines"),
        slices=lambda wildcards: plan.region_tables(config, wildcards.dataset, "slices"),
    output:
        lines="results/hash_encoders/{dataset}/regions.csv",
        slices="results/hash_encoders/{dataset}/regions_slices.csv",
        provenance="results/hash_encoders/{dataset}/regions.json",
    log:
        "results/logs/collect_regions/{dataset}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("collect_regions"),
    message:
        "Collecting the linear regions of {wildcards.dataset}"
    script:
        "../scripts/collect_regions.py"


rule plot_regions:
    """Draw how far linear regions reach, and a plane through three digits cut into them."""
    input:
        lines="results/hash_encoders/{dataset}/regions.csv",
        slices="results/hash_encoders/{dataset}/regions_slices.csv",
    output:
        pdf="results/hash_encoders/{dataset}/regions.pdf",
        png=report(
            "results/hash_encoders/{dataset}/regions.png",
            caption="../report/regions.rst",
            category="hash_encoders",
            subcategory="{dataset}",
            labels={"study": "linear regions"},
        ),
    log:
        "results/logs/plot_regions/{dataset}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_regions"),
    message:
        "Drawing the linear regions of {wildcards.dataset}"
    script:
        "../scripts/plot_regions.py"
