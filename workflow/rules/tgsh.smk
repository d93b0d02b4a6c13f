rule tgsh:
    """What the config asks for of Hong & Pavlic 2023: one frozen random network, a learned modulation per task."""
    input:
        tgsh.targets(config),


rule show_tasks:
    """Show a picture of every class under every task of a benchmark."""
    input:
        dataset=graph.DATASET,
    output:
        pictures=f"{tgsh.FOLDER}tasks.h5",
        table=f"{tgsh.FOLDER}tasks.csv",
        provenance=f"{tgsh.FOLDER}tasks.json",
    log:
        f"{tgsh.FOLDER}show_tasks.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("show_tasks"),
        drawing=lambda wildcards: tgsh.drawing(config, **wildcards),
    message:
        "Showing the tasks of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/show_tasks.py"


rule train_flynet:
    """Train the modulations of all tasks of a benchmark; killed, it goes on where it was."""
    input:
        dataset=graph.DATASET,
    output:
        modulations=f"{tgsh.FOLDER}modulations.safetensors",
        history=f"{tgsh.FOLDER}training.csv",
        provenance=f"{tgsh.FOLDER}modulations.json",
    log:
        f"{tgsh.FOLDER}train_flynet.log",
    benchmark:
        f"{tgsh.FOLDER}train_flynet.tsv"
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(input.size_mb, attempt, base=2500),
        runtime=lambda wildcards, attempt: tgsh.training_minutes(config, **wildcards, attempt=attempt),
        # Here and not in params, since they change no result and so must cause no rerun.
        on_code_change=config["on_code_change"],
        save_every_s=config["save_every_seconds"],
    params:
        code=graph.digest_of("train_flynet"),
        training=lambda wildcards: tgsh.training_params(config, **wildcards),
    message:
        "Training FlyNet's modulations on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/train_flynet.py"


rule measure_accuracy:
    """Measure every task's accuracy once all are trained, beside what it was right after its training."""
    input:
        dataset=graph.DATASET,
        modulations=f"{tgsh.FOLDER}modulations.safetensors",
        history=f"{tgsh.FOLDER}training.csv",
    output:
        table=f"{tgsh.FOLDER}accuracy.csv",
        provenance=f"{tgsh.FOLDER}accuracy.json",
    log:
        f"{tgsh.FOLDER}measure_accuracy.log",
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(input.size_mb, attempt),
        runtime=lambda wildcards, attempt: tgsh.measuring_minutes(config, **wildcards, attempt=attempt),
    params:
        code=graph.digest_of("measure_accuracy"),
        device=config["device"],
        threads=config["threads"],
    message:
        "Measuring accuracy on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/measure_accuracy.py"


rule relate_tasks:
    """Relate how alike tasks' modulations are to how far the tasks lie apart."""
    input:
        modulations=f"{tgsh.FOLDER}modulations.safetensors",
    output:
        similarity=f"{tgsh.FOLDER}task_similarity.csv",
        correlation=f"{tgsh.FOLDER}task_correlation.csv",
        provenance=f"{tgsh.FOLDER}task_similarity.json",
    log:
        f"{tgsh.FOLDER}relate_tasks.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("relate_tasks"),
    message:
        "Relating the tasks of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/relate_tasks.py"


rule measure_responses:
    """Measure intra and inter similarity, ROC, and nearest neighbours of modulated responses."""
    input:
        dataset=graph.DATASET,
        modulations=f"{tgsh.FOLDER}modulations.safetensors",
    output:
        pairs=f"{tgsh.FOLDER}pair_similarity.csv",
        curves=f"{tgsh.FOLDER}roc.csv",
        recovered=f"{tgsh.FOLDER}recovery.csv",
        provenance=f"{tgsh.FOLDER}hash_property.json",
    log:
        f"{tgsh.FOLDER}measure_responses.log",
    benchmark:
        f"{tgsh.FOLDER}measure_responses.tsv"
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: tgsh.measuring_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: tgsh.measuring_minutes(config, **wildcards, attempt=attempt),
    params:
        code=graph.digest_of("measure_responses"),
        gallery=config["tgsh"]["measurements"]["gallery"],
        device=config["device"],
        threads=config["threads"],
    message:
        "Measuring modulated responses on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/measure_responses.py"


rule measure_codes:
    """Measure the hash codes of modulated responses: redundancy, K-NN, collisions."""
    input:
        dataset=graph.DATASET,
        modulations=f"{tgsh.FOLDER}modulations.safetensors",
    output:
        table=f"{tgsh.FOLDER}codes.csv",
        provenance=f"{tgsh.FOLDER}codes.json",
    log:
        f"{tgsh.FOLDER}measure_codes.log",
    benchmark:
        f"{tgsh.FOLDER}measure_codes.tsv"
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: tgsh.measuring_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: tgsh.measuring_minutes(config, **wildcards, attempt=attempt),
    params:
        code=graph.digest_of("measure_codes"),
        references=config["tgsh"]["measurements"]["references"],
        device=config["device"],
        threads=config["threads"],
    message:
        "Measuring hash codes on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/measure_codes.py"


rule invert_encoder:
    """Invert the frozen encoders of a dataset, once for all benchmarks."""
    output:
        inverse=f"{tgsh.DATASET_FOLDER}pseudo_inverse.h5",
        provenance=f"{tgsh.DATASET_FOLDER}pseudo_inverse.json",
    log:
        f"{tgsh.DATASET_FOLDER}invert_encoder.log",
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=graph.digest_of("invert_encoder"),
        networks=lambda wildcards: tgsh.network_params(config, **wildcards),
    message:
        "Inverting the encoders for {wildcards.dataset}"
    script:
        "../scripts/invert_encoder.py"


rule generate_digits:
    """Generate every digit under every task from the modulations."""
    input:
        dataset=graph.DATASET,
        modulations=f"{tgsh.FOLDER}modulations.safetensors",
        inverse=f"{tgsh.DATASET_FOLDER}pseudo_inverse.h5",
    output:
        pictures=f"{tgsh.FOLDER}generated.h5",
        table=f"{tgsh.FOLDER}generated.csv",
        provenance=f"{tgsh.FOLDER}generated.json",
    log:
        f"{tgsh.FOLDER}generate_digits.log",
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, input, attempt: graph.memory_mb(input.size_mb, attempt),
        runtime=lambda wildcards, attempt: tgsh.measuring_minutes(config, **wildcards, attempt=attempt),
    params:
        code=graph.digest_of("generate_digits"),
    message:
        "Generating digits of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/generate_digits.py"


rule compare_notebook:
    """Set the accuracies and the similarities of tasks that the published notebook shows beside ours."""
    input:
        history=f"{tgsh.FOLDER}training.csv",
        similarity=f"{tgsh.FOLDER}task_similarity.csv",
        tasks=f"{tgsh.FOLDER}tasks.csv",
        published=workflow.source_path("../resources/published_tgsh.csv"),
        published_similarity=workflow.source_path("../resources/published_tgsh_similarity.csv"),
    output:
        table=f"{tgsh.FOLDER}published.csv",
        similarity=f"{tgsh.FOLDER}published_similarity.csv",
        provenance=f"{tgsh.FOLDER}published.json",
    log:
        f"{tgsh.FOLDER}compare_notebook.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("compare_notebook"),
        units=lambda wildcards: tgsh.flynet_config(config, wildcards.dataset)["units"],
        epochs=lambda wildcards: tgsh.flynet_config(config, wildcards.dataset)["epochs"],
    message:
        "Comparing {wildcards.benchmark} of {wildcards.dataset} with the notebook"
    script:
        "../scripts/compare_notebook.py"


rule plot_benchmark:
    """Draw one figure of a benchmark."""
    input:
        tables=lambda wildcards: tgsh.figure_tables(**wildcards),
    output:
        pdf=f"{tgsh.FOLDER}{{figure}}.pdf",
        png=report(
            f"{tgsh.FOLDER}{{figure}}.png",
            caption="../report/figure.rst",
            category="tgsh",
            subcategory="{dataset}",
            labels={"benchmark": "{benchmark}", "figure": "{figure}"},
        ),
    log:
        f"{tgsh.FOLDER}plot_{{figure}}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_benchmark"),
        caption=lambda wildcards: graph.caption(f"tgsh_{wildcards.figure}"),
    message:
        "Drawing {wildcards.figure} of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/plot_benchmark.py"
