# Rules that train or import hash networks, and measure them without an index.


rule train_hash:
    """Train a hash network to give noisy views of one label the same fingerprint; it resumes if killed."""
    input:
        unpack(of(equihash.task_inputs)),
    output:
        weights=equihash.WEIGHTS,
        history=f"{equihash.RUN}training.csv",
        losses=f"{equihash.RUN}losses.csv",
        provenance=f"{equihash.RUN}network.json",
    log:
        log_of("train_hash", equihash.WEIGHTS),
    benchmark:
        benchmark_of("train_hash", equihash.WEIGHTS)
    wildcard_constraints:
        variant=equihash.TRAINED,
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **saving,
        gpu=gpus,
        mem_mb=of(sizes.training_mb),
        runtime=time_of(sizes.training_minutes),
    params:
        code=of(equihash.training_digest),
        training=of(equihash.run_params),
        compute=compute,
    message:
        "Training {wildcards.model} on {wildcards.task}: {wildcards.variant}, seed {wildcards.seed}"
    script:
        "../scripts/train_hash.py"


rule import_hash:
    """Import the network of a public checkpoint."""
    output:
        weights=f"{equihash.IMPORTED_RUN}network.safetensors",
        provenance=f"{equihash.IMPORTED_RUN}network.json",
    log:
        log_of("import_hash", f"{equihash.IMPORTED_RUN}network.safetensors"),
    conda:
        "../../envs/train.yaml"
    resources:
        **graph.untracked(place=of(equihash.checkpoint)),
    params:
        code=digest("import_hash"),
        content=of(equihash.checkpoint_content, look=looking),
        network=of(equihash.import_params),
    message:
        "Importing {wildcards.model} for {wildcards.task}"
    script:
        "../scripts/import_hash.py"


rule collect_training:
    """Collect the training histories of a task's models into one table."""
    input:
        histories=of(equihash.histories),
    output:
        table=f"{equihash.TASK}training.csv",
        provenance=f"{equihash.TASK}training.json",
    log:
        log_of("collect_training", f"{equihash.TASK}training.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_training"),
    message:
        "Collecting the training of the models of {wildcards.task}"
    script:
        "../scripts/collect_training.py"


rule measure_distances:
    """Measure Hamming distances between views of one label and of two, for a task's models, networks trained and untrained."""
    input:
        unpack(of(equihash.task_inputs)),
        unpack(of(equihash.distance_inputs)),
    output:
        table=f"{equihash.TASK}distances.csv",
        histogram=f"{equihash.TASK}distances_histogram.csv",
        statistics=f"{equihash.TASK}distances_statistics.csv",
        provenance=f"{equihash.TASK}distances.json",
    log:
        log_of("measure_distances", f"{equihash.TASK}distances.csv"),
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(sizes.distance_mb),
        runtime=time_of(sizes.distance_minutes),
    params:
        code=of(equihash.distance_digest),
        distances=of(equihash.distance_params),
        codes=of(equihash.distance_sources),
        compute=compute,
    message:
        "Measuring distances of views of {wildcards.task}"
    script:
        "../scripts/measure_distances.py"


rule collect_family:
    """Collect the evaluations of a family of ablations into one table."""
    input:
        evaluations=of(equihash.family_evaluations),
    output:
        table=f"{equihash.FAMILY}.csv",
        provenance=f"{equihash.FAMILY}.json",
    log:
        log_of("collect_family", f"{equihash.FAMILY}.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_family"),
        parameters=of(equihash.family_parameters),
    message:
        "Collecting the family {wildcards.family} of {wildcards.task}"
    script:
        "../scripts/collect_family.py"
