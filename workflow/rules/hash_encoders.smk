rule hash_encoders:
    """What the config asks for of He et al. 2021: neural networks behave as hash encoders."""
    input:
        plan.targets(config),


rule train_mlps:
    """Train the networks of a study at one width; killed, it goes on where it was."""
    input:
        dataset=graph.DATASET,
    output:
        networks=f"{plan.COHORT}networks.safetensors",
        history=f"{plan.COHORT}training.csv",
        provenance=f"{plan.COHORT}networks.json",
    log:
        f"{plan.COHORT}train_mlps.log",
    benchmark:
        f"{plan.COHORT}train_mlps.tsv"
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(
            input.size_mb, attempt, base=1500 + 3 * plan.state_mb(config, **wildcards)
        ),
        runtime=lambda wildcards, attempt: plan.training_minutes(
            config, wildcards.study, wildcards.dataset, wildcards.protocol, attempt
        ),
        # Here and not in params, since they change no result and so must cause no rerun.
        on_code_change=config["on_code_change"],
        save_every_s=config["save_every_seconds"],
        networks=lambda wildcards: plan.networks_planned(config, wildcards.study, wildcards.dataset),
    params:
        code=graph.digest_of("train_mlps"),
        training=lambda wildcards: plan.training_params(config, wildcards.study, wildcards.dataset, wildcards.protocol),
    message:
        "Training networks: {resources.networks} of width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.study}, {wildcards.protocol})"
    script:
        "../scripts/train_mlps.py"


rule encode_networks:
    """Run the networks over the training and test inputs and keep their neural codes."""
    input:
        dataset=graph.DATASET,
        networks=f"{plan.COHORT}networks.safetensors",
    output:
        codes=temp(f"{plan.COHORT}codes.h5"),
    log:
        f"{plan.COHORT}encode_networks.log",
    benchmark:
        f"{plan.COHORT}encode_networks.tsv"
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(input.size_mb, attempt),
        runtime=lambda wildcards, attempt: graph.minutes(30, attempt),
    params:
        code=graph.digest_of("encode_networks"),
        device=config["device"],
        threads=config["threads"],
    message:
        "Encoding with width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.study}, {wildcards.protocol})"
    script:
        "../scripts/encode_networks.py"


rule measure_properties:
    """Measure redundancy and categorization of neural codes."""
    input:
        codes=f"{plan.COHORT}codes.h5",
    output:
        table=f"{plan.COHORT}properties.csv",
        provenance=f"{plan.COHORT}properties.json",
    log:
        f"{plan.COHORT}measure_properties.log",
    benchmark:
        f"{plan.COHORT}measure_properties.tsv"
    conda:
        "../../envs/analysis.yaml"
    threads: config["threads"]
    resources:
        mem_mb=lambda wildcards, attempt: graph.measuring_mb(int(wildcards.layer_width) * int(wildcards.depth), attempt),
        runtime=lambda wildcards, attempt: plan.measuring_minutes(config, wildcards.study, wildcards.dataset, attempt),
    params:
        code=graph.digest_of("measure_properties"),
        threads=config["threads"],
    message:
        "Measuring codes of width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.study}, {wildcards.protocol})"
    script:
        "../scripts/measure_properties.py"


rule measure_random_inputs:
    """Measure the codes that networks give to inputs which are no pictures."""
    input:
        dataset=graph.DATASET,
        networks=f"{plan.COHORT}networks.safetensors",
    output:
        table=f"{plan.COHORT}random_inputs.csv",
        provenance=f"{plan.COHORT}random_inputs.json",
    log:
        f"{plan.COHORT}measure_random_inputs.log",
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(input.size_mb, attempt),
        runtime=lambda wildcards, attempt: graph.minutes(30, attempt),
    params:
        code=graph.digest_of("measure_random_inputs"),
        device=config["device"],
        threads=config["threads"],
    message:
        "Random inputs through width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.protocol})"
    script:
        "../scripts/measure_random_inputs.py"


rule collect_study:
    """Collect the tables of a study into one tidy table."""
    input:
        tables=lambda wildcards: plan.study_tables(config, wildcards.study, wildcards.dataset),
    output:
        table=f"{plan.STUDY}.csv",
        provenance=f"{plan.STUDY}.json",
    log:
        "results/logs/collect_study/{dataset}/{study}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("collect_study"),
    message:
        "Collecting the study {wildcards.study} on {wildcards.dataset}"
    script:
        "../scripts/collect_study.py"


rule plot_study:
    """Draw a study: redundancy and categorization against what it varies."""
    input:
        table=f"{plan.STUDY}.csv",
    output:
        pdf=f"{plan.STUDY}.pdf",
        png=report(
            f"{plan.STUDY}.png",
            caption="../report/figure.rst",
            category="hash_encoders",
            subcategory="{dataset}",
            labels={"study": "{study}"},
        ),
    log:
        "results/logs/plot_study/{dataset}/{study}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_study"),
        kmeans=lambda wildcards: plan.drawn_split(config, wildcards.study, wildcards.dataset),
        caption=lambda wildcards: graph.caption(wildcards.study),
    message:
        "Drawing the study {wildcards.study} on {wildcards.dataset}"
    script:
        "../scripts/plot_study.py"


rule compare_published:
    """Set studies beside the published curves, point by point."""
    input:
        tables=lambda wildcards: plan.published_tables(config, wildcards.dataset),
        published=workflow.source_path("../resources/published_hash_encoders.csv"),
    output:
        table="results/hash_encoders/{dataset}/published.csv",
        provenance="results/hash_encoders/{dataset}/published.json",
    log:
        "results/logs/compare_published/{dataset}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("compare_published"),
        counterpart=lambda wildcards: plan.study_config(config, "published", wildcards.dataset),
    message:
        "Comparing {wildcards.dataset} with what was published"
    script:
        "../scripts/compare_published.py"


rule plot_published:
    """Draw published curves beside ours."""
    input:
        table="results/hash_encoders/{dataset}/published.csv",
    output:
        pdf="results/hash_encoders/{dataset}/published.pdf",
        png=report(
            "results/hash_encoders/{dataset}/published.png",
            caption="../report/published.rst",
            category="hash_encoders",
            subcategory="{dataset}",
            labels={"study": "published"},
        ),
    log:
        "results/logs/plot_published/{dataset}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_published"),
    message:
        "Drawing {wildcards.dataset} beside what was published"
    script:
        "../scripts/plot_published.py"


rule chart_phases:
    """Put the studies of width, sample size and training time on one chart and name the regimes."""
    input:
        unpack(lambda wildcards: plan.phase_chart_tables(config, wildcards.dataset)),
    output:
        table="results/hash_encoders/{dataset}/phase_chart.csv",
        provenance="results/hash_encoders/{dataset}/phase_chart.json",
    log:
        "results/logs/chart_phases/{dataset}.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("chart_phases"),
        thresholds=config["hash_encoders"]["phase_chart"]["thresholds"],
    message:
        "Charting the phases of {wildcards.dataset}"
    script:
        "../scripts/chart_phases.py"


rule plot_phase_chart:
    """Draw the activation hash phase chart, for paper and as an interactive page."""
    input:
        table="results/hash_encoders/{dataset}/phase_chart.csv",
    output:
        pdf="results/hash_encoders/{dataset}/phase_chart.pdf",
        png=report(
            "results/hash_encoders/{dataset}/phase_chart.png",
            caption="../report/phase_chart.rst",
            category="hash_encoders",
            subcategory="{dataset}",
            labels={"study": "phase chart"},
        ),
        html=report(
            "results/hash_encoders/{dataset}/phase_chart.html",
            caption="../report/phase_chart.rst",
            category="hash_encoders",
            subcategory="{dataset}",
            labels={"study": "phase chart, interactive"},
        ),
    log:
        "results/logs/plot_phase_chart/{dataset}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_phase_chart"),
        thresholds=config["hash_encoders"]["phase_chart"]["thresholds"],
    message:
        "Drawing the phase chart of {wildcards.dataset}"
    script:
        "../scripts/plot_phase_chart.py"
