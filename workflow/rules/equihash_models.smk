rule train_hash:
    """Train a network to give views of one thing one fingerprint; killed, it goes on where it was."""
    input:
        unpack(lambda wildcards: equihash.task_inputs(config, wildcards.task)),
    output:
        weights=models.WEIGHTS,
        history=f"{models.RUN}training.csv",
        losses=f"{models.RUN}losses.csv",
        provenance=f"{models.RUN}network.json",
    log:
        f"{models.RUN}train_hash.log",
    benchmark:
        f"{models.RUN}train_hash.tsv"
    wildcard_constraints:
        variant=f"(?!{models.IMPORTED}/|{models.SYNTHETIC}/)[^/]+",
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: sizing.training_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: sizing.training_minutes(config, **wildcards, attempt=attempt),
        # Here and not in params, since they change no result and so must cause no rerun.
        on_code_change=config["on_code_change"],
        save_every_s=config["save_every_seconds"],
    params:
        code=lambda wildcards: models.training_digest(config, wildcards.task, wildcards.model),
        training=lambda wildcards: models.run_params(config, **wildcards),
    message:
        "Training {wildcards.model} on {wildcards.task}: {wildcards.variant}, seed {wildcards.seed}"
    script:
        "../scripts/train_hash.py"


rule import_hash:
    """Take the weights of a public checkpoint."""
    input:
        checkpoint=lambda wildcards: models.model_config(config, wildcards.task, wildcards.model)["import"],
    output:
        weights=models.WEIGHTS.replace("{variant}", models.IMPORTED),
        provenance=f"{models.RUN}network.json".replace("{variant}", models.IMPORTED),
    log:
        f"{models.RUN}import_hash.log".replace("{variant}", models.IMPORTED),
    conda:
        "../../envs/train.yaml"
    params:
        code=graph.digest_of("import_hash"),
        network=lambda wildcards: models.import_params(config, **wildcards),
    message:
        "Importing {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/import_hash.py"


rule collect_training:
    """Put the histories of a task's models into one table."""
    input:
        histories=lambda wildcards: models.histories(config, wildcards.task),
    output:
        table=f"{models.TRAINING}.csv",
        provenance=f"{models.TRAINING}.json",
    log:
        "results/equihash/tasks/{task}/collect_training.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("collect_training"),
    message:
        "Collecting the training of the models of {wildcards.task}"
    script:
        "../scripts/collect_training.py"


rule plot_training:
    """Draw what a task's models learned, step by step."""
    input:
        table=f"{models.TRAINING}.csv",
    output:
        pdf=f"{models.TRAINING}.pdf",
        png=report(
            f"{models.TRAINING}.png",
            caption="../report/equihash_training.rst",
            category="equihash",
            labels={"figure": "training", "name": "{task}"},
        ),
    log:
        "results/equihash/tasks/{task}/plot_training.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_training"),
    message:
        "Drawing the training of the models of {wildcards.task}"
    script:
        "../scripts/plot_training.py"


rule measure_distances:
    """Measure Hamming distances of views of one label and of two, for each of a task's models and its untrained start."""
    input:
        unpack(lambda wildcards: equihash.task_inputs(config, wildcards.task)),
        weights=lambda wildcards: models.weights(config, wildcards.task),
    output:
        table=f"{models.DISTANCES}.csv",
        histogram=f"{models.DISTANCES}_histogram.csv",
        provenance=f"{models.DISTANCES}.json",
    log:
        "results/equihash/tasks/{task}/measure_distances.log",
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: sizing.distance_minutes(config, wildcards.task, attempt),
    params:
        code=graph.digest_of("measure_distances"),
        distances=lambda wildcards: models.distance_params(config, wildcards.task),
    message:
        "Measuring distances of views of {wildcards.task}"
    script:
        "../scripts/measure_distances.py"


rule plot_distances:
    """Draw a task's Hamming distances, and recall and fallout, trained and untrained."""
    input:
        table=f"{models.DISTANCES}.csv",
        histogram=f"{models.DISTANCES}_histogram.csv",
    output:
        pdf=f"{models.DISTANCES}.pdf",
        png=report(
            f"{models.DISTANCES}.png",
            caption="../report/equihash_distances.rst",
            category="equihash",
            labels={"figure": "distances", "name": "{task}"},
        ),
    log:
        "results/equihash/tasks/{task}/plot_distances.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_distances"),
    message:
        "Drawing distances of views of {wildcards.task}"
    script:
        "../scripts/plot_distances.py"


rule collect_family:
    """Put the evaluations of a family of ablations into one table."""
    input:
        evaluations=lambda wildcards: evaluations.family_evaluations(config, **wildcards),
    output:
        table=f"{models.FAMILY}.csv",
        provenance=f"{models.FAMILY}.json",
    log:
        f"{models.FAMILY}.collect_family.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("collect_family"),
        parameters=lambda wildcards: models.family_parameters(config, **wildcards),
    message:
        "Collecting the family {wildcards.family} of {wildcards.task}"
    script:
        "../scripts/collect_family.py"


rule plot_family:
    """Draw recall against irrelevant collisions over a family of ablations."""
    input:
        table=f"{models.FAMILY}.csv",
    output:
        pdf=f"{models.FAMILY}.pdf",
        png=report(
            f"{models.FAMILY}.png",
            caption="../report/equihash_family.rst",
            category="equihash",
            labels={"figure": "family", "name": "{task} {family}"},
        ),
    log:
        f"{models.FAMILY}.plot_family.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_family"),
    message:
        "Drawing the family {wildcards.family} of {wildcards.task}"
    script:
        "../scripts/plot_family.py"
