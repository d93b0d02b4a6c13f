# Rules that train or import hash networks, and measure them without an index.


rule train_hash:
    """Train a hash network to give noisy views of one label the same fingerprint; it resumes if killed."""
    input:
        unpack(of(equihash.training_inputs)),
    output:
        weights=equihash.WEIGHTS,
        history=f"{equihash.RUN}training.csv",
        losses=f"{equihash.RUN}losses.csv",
        diagnostics=f"{equihash.RUN}diagnostics.csv",
        histograms=f"{equihash.RUN}histograms.csv",
        checkpoints=equihash.CHECKPOINTS,
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
        **graph.untracked(start=of(equihash.start_place)),
        gpu=gpus,
        mem_mb=of(sizes.training_mb),
        runtime=time_of(sizes.training_minutes),
    params:
        code=of(equihash.training_digest),
        training=of(equihash.run_params),
        steps=of(equihash.kept_steps),
        start=of(equihash.start_content, look=looking),
        compute=compute,
    message:
        "Training {wildcards.model} on {wildcards.task}: {wildcards.variant}, seed {wildcards.seed}"
    script:
        "../scripts/train_hash.py"


rule take_checkpoint:
    """Take the network at one step of a training out of those that the training has kept."""
    input:
        unpack(of(equihash.checkpoint_inputs)),
    output:
        weights=equihash.WEIGHTS,
        provenance=f"{equihash.RUN}network.json",
    log:
        log_of("take_checkpoint", equihash.WEIGHTS),
    wildcard_constraints:
        variant=equihash.AT_A_STEP,
    conda:
        "../../envs/train.yaml"
    params:
        code=digest("take_checkpoint"),
        step=of(equihash.checkpoint_step),
    message:
        "Taking the network of {wildcards.model} ({wildcards.variant}, seed {wildcards.seed}) on {wildcards.task}"
    script:
        "../scripts/take_checkpoint.py"


rule import_hash:
    """Import a network that was trained elsewhere, and the evaluations of its training if its file has them."""
    output:
        weights=f"{equihash.IMPORTED_RUN}network.safetensors",
        history=f"{equihash.IMPORTED_RUN}training.csv",
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
    """Collect the training histories and diagnostics of a task's models into one table each."""
    input:
        unpack(of(equihash.diagnoses)),
        histories=of(equihash.histories),
    output:
        table=f"{equihash.TASK}training.csv",
        diagnostics=f"{equihash.TASK}diagnostics.csv",
        histograms=f"{equihash.TASK}histograms.csv",
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
