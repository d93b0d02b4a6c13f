# Rules for Hong & Pavlic 2023: train modulations of a frozen network, one job per benchmark, and measure them.


rule tgsh:
    """Make all that the config asks for of Hong & Pavlic 2023: a frozen network with a learned modulation per task."""
    input:
        TGSH.targets(config),


rule show_tasks:
    """Write an image of every class as each task of a benchmark shows it, and the table of the tasks."""
    input:
        dataset=graph.DATASET,
        others=of(tgsh.other_datasets),
    output:
        pictures=f"{tgsh.FOLDER}tasks.h5",
        table=f"{tgsh.FOLDER}tasks.csv",
        provenance=f"{tgsh.FOLDER}tasks.json",
    log:
        log_of("show_tasks", f"{tgsh.FOLDER}tasks.h5"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("show_tasks"),
        drawing=of(tgsh.drawing),
    message:
        "Showing the tasks of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/show_tasks.py"


rule train_flynet:
    """Train a modulation of the frozen network for every task of a benchmark; it resumes if killed."""
    input:
        dataset=graph.DATASET,
        others=of(tgsh.other_datasets),
    output:
        modulations=tgsh.MODULATIONS,
        history=f"{tgsh.FOLDER}training.csv",
        provenance=f"{tgsh.FOLDER}modulations.json",
    log:
        log_of("train_flynet", tgsh.MODULATIONS),
    benchmark:
        benchmark_of("train_flynet", tgsh.MODULATIONS)
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **saving,
        gpu=gpus,
        mem_mb=of(tgsh.training_mb),
        runtime=time_of(tgsh.training_minutes),
    params:
        code=digest("train_flynet"),
        training=of(tgsh.training_params),
        compute=compute,
    message:
        "Training FlyNet's modulations on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/train_flynet.py"


rule train_baselines:
    """Train FlyNet's baselines, with a network a task or one for all tasks in sequence; it resumes if killed."""
    input:
        dataset=graph.DATASET,
        others=of(tgsh.other_datasets),
    output:
        table=f"{tgsh.FOLDER}full_networks.csv",
        provenance=f"{tgsh.FOLDER}full_networks.json",
    log:
        log_of("train_baselines", f"{tgsh.FOLDER}full_networks.csv"),
    benchmark:
        benchmark_of("train_baselines", f"{tgsh.FOLDER}full_networks.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **saving,
        gpu=gpus,
        mem_mb=of(tgsh.baseline_mb),
        runtime=time_of(tgsh.baseline_minutes),
    params:
        code=digest("train_baselines"),
        training=of(tgsh.baseline_params),
        compute=compute,
    message:
        "Training the baselines on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/train_baselines.py"


rule collect_baselines:
    """Write the accuracies of FlyNet and its baselines as one table, and what each costs as another."""
    input:
        full=f"{tgsh.FOLDER}full_networks.csv",
        full_notes=f"{tgsh.FOLDER}full_networks.json",
        accuracy=f"{tgsh.FOLDER}accuracy.csv",
        flynet_notes=f"{tgsh.FOLDER}modulations.json",
    output:
        table=f"{tgsh.FOLDER}baselines.csv",
        costs=f"{tgsh.FOLDER}baseline_costs.csv",
        provenance=f"{tgsh.FOLDER}baselines.json",
    log:
        log_of("collect_baselines", f"{tgsh.FOLDER}baselines.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_baselines"),
        tasks=of(tgsh.baseline_tasks),
    message:
        "Collecting the baselines of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/collect_baselines.py"


rule measure_accuracy:
    """Measure the test accuracy of every task: untrained, right after its training, and after all tasks."""
    input:
        dataset=graph.DATASET,
        others=of(tgsh.other_datasets),
        modulations=tgsh.MODULATIONS,
        history=f"{tgsh.FOLDER}training.csv",
    output:
        table=f"{tgsh.FOLDER}accuracy.csv",
        provenance=f"{tgsh.FOLDER}accuracy.json",
    log:
        log_of("measure_accuracy", f"{tgsh.FOLDER}accuracy.csv"),
    benchmark:
        benchmark_of("measure_accuracy", f"{tgsh.FOLDER}accuracy.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(tgsh.training_mb),
        runtime=time_of(tgsh.measuring_minutes),
    params:
        code=digest("measure_accuracy"),
        compute=compute,
    message:
        "Measuring accuracy on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/measure_accuracy.py"


rule relate_tasks:
    """Relate the similarity of tasks' modulations to the distance between the tasks."""
    input:
        modulations=tgsh.MODULATIONS,
    output:
        similarity=f"{tgsh.FOLDER}task_similarity.csv",
        correlation=f"{tgsh.FOLDER}task_correlation.csv",
        provenance=f"{tgsh.FOLDER}task_similarity.json",
    log:
        log_of("relate_tasks", f"{tgsh.FOLDER}task_similarity.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("relate_tasks"),
    message:
        "Relating the tasks of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/relate_tasks.py"


rule measure_responses:
    """Measure similarities, ROC curves, nearest neighbours, manifolds and sign bits of modulated responses."""
    input:
        dataset=graph.DATASET,
        modulations=of(tgsh.modulations_of_shared_images),
    output:
        pairs=f"{tgsh.FOLDER}pair_similarity.csv",
        curves=f"{tgsh.FOLDER}roc.csv",
        recovered=f"{tgsh.FOLDER}recovery.csv",
        manifolds=f"{tgsh.FOLDER}manifolds.csv",
        manifold_pairs=f"{tgsh.FOLDER}manifold_pairs.csv",
        signs=f"{tgsh.FOLDER}sign_bits.csv",
        provenance=f"{tgsh.FOLDER}hash_property.json",
    log:
        log_of("measure_responses", f"{tgsh.FOLDER}pair_similarity.csv"),
    benchmark:
        benchmark_of("measure_responses", f"{tgsh.FOLDER}pair_similarity.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(tgsh.measuring_mb),
        runtime=time_of(tgsh.measuring_minutes),
    params:
        code=digest("measure_responses"),
        gallery=config["tgsh"]["measurements"]["gallery"],
        test_images=config["tgsh"]["measurements"]["test_images"],
        compute=compute,
    message:
        "Measuring modulated responses on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/measure_responses.py"


rule measure_transfer:
    """Measure the accuracy of every task's modulation on every task."""
    input:
        dataset=graph.DATASET,
        modulations=of(tgsh.modulations_of_shared_images),
    output:
        table=f"{tgsh.FOLDER}transfer.csv",
        correlation=f"{tgsh.FOLDER}transfer_correlation.csv",
        provenance=f"{tgsh.FOLDER}transfer.json",
    log:
        log_of("measure_transfer", f"{tgsh.FOLDER}transfer.csv"),
    benchmark:
        benchmark_of("measure_transfer", f"{tgsh.FOLDER}transfer.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(tgsh.transfer_mb),
        runtime=time_of(tgsh.measuring_minutes),
    params:
        code=digest("measure_transfer"),
        compute=compute,
    message:
        "Measuring transfer between the tasks of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/measure_transfer.py"


rule train_held_out:
    """Train new tasks from random and from known modulations, and measure one-shot learning; it resumes if killed."""
    input:
        dataset=graph.DATASET,
        modulations=of(tgsh.modulations_of_shared_images),
    output:
        forward=f"{tgsh.FOLDER}forward.csv",
        curve=f"{tgsh.FOLDER}forward_curve.csv",
        one_shot=f"{tgsh.FOLDER}one_shot.csv",
        provenance=f"{tgsh.FOLDER}held_out.json",
    log:
        log_of("train_held_out", f"{tgsh.FOLDER}forward.csv"),
    benchmark:
        benchmark_of("train_held_out", f"{tgsh.FOLDER}forward.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **saving,
        gpu=gpus,
        mem_mb=of(tgsh.training_mb),
        runtime=time_of(tgsh.held_out_minutes),
    params:
        code=digest("train_held_out"),
        held_out=of(tgsh.held_out_params),
        compute=compute,
    message:
        "Training held-out tasks of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/train_held_out.py"


rule measure_orthogonality:
    """Measure how nearly orthogonal untrained modulations are, from narrow networks to wide ones."""
    input:
        dataset=graph.DATASET,
    output:
        table=f"{tgsh.ORTHOGONALITY}.csv",
        provenance=f"{tgsh.ORTHOGONALITY}.json",
    log:
        log_of("measure_orthogonality", f"{tgsh.ORTHOGONALITY}.csv"),
    benchmark:
        benchmark_of("measure_orthogonality", f"{tgsh.ORTHOGONALITY}.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(tgsh.orthogonality_mb),
        runtime=time_of(tgsh.orthogonality_minutes),
    params:
        code=digest("measure_orthogonality"),
        networks=of(tgsh.orthogonality_params),
        compute=compute,
    message:
        "Comparing untrained modulations for {wildcards.dataset}"
    script:
        "../scripts/measure_orthogonality.py"


rule measure_codes:
    """Measure redundancy, K-NN accuracy and collisions of the hash codes of modulated responses."""
    input:
        dataset=graph.DATASET,
        others=of(tgsh.other_datasets),
        modulations=tgsh.MODULATIONS,
    output:
        table=f"{tgsh.FOLDER}codes.csv",
        provenance=f"{tgsh.FOLDER}codes.json",
    log:
        log_of("measure_codes", f"{tgsh.FOLDER}codes.csv"),
    benchmark:
        benchmark_of("measure_codes", f"{tgsh.FOLDER}codes.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(tgsh.measuring_mb),
        runtime=time_of(tgsh.measuring_minutes),
    params:
        code=digest("measure_codes"),
        references=config["tgsh"]["measurements"]["references"],
        compute=compute,
    message:
        "Measuring hash codes on {wildcards.benchmark} of {wildcards.dataset}"
    script:
        "../scripts/measure_codes.py"


rule invert_encoder:
    """Compute the pseudo-inverses of the frozen encoders of a dataset, once for all benchmarks."""
    input:
        dataset=graph.DATASET,
    output:
        inverse=tgsh.INVERSE,
        provenance=tgsh.INVERSE.replace(".h5", ".json"),
    log:
        log_of("invert_encoder", tgsh.INVERSE),
    benchmark:
        benchmark_of("invert_encoder", tgsh.INVERSE)
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(tgsh.inverse_mb),
        runtime=time_of(tgsh.inverse_minutes),
    params:
        code=digest("invert_encoder"),
        networks=of(tgsh.network_params),
    message:
        "Inverting the encoders for {wildcards.dataset}{wildcards.network}"
    script:
        "../scripts/invert_encoder.py"


rule generate_digits:
    """Generate an image of every digit under every task from the modulations."""
    input:
        dataset=graph.DATASET,
        others=of(tgsh.other_datasets),
        modulations=tgsh.MODULATIONS,
        inverse=of(tgsh.inverse_file),
    output:
        pictures=f"{tgsh.FOLDER}generated.h5",
        table=f"{tgsh.FOLDER}generated.csv",
        provenance=f"{tgsh.FOLDER}generated.json",
    log:
        log_of("generate_digits", f"{tgsh.FOLDER}generated.h5"),
    benchmark:
        benchmark_of("generate_digits", f"{tgsh.FOLDER}generated.h5")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(tgsh.generation_mb),
        runtime=time_of(tgsh.measuring_minutes),
    params:
        code=digest("generate_digits"),
    message:
        "Generating digits of {wildcards.benchmark} on {wildcards.dataset}"
    script:
        "../scripts/generate_digits.py"


rule compare_notebook:
    """Compare accuracies and similarities of tasks with those that the published notebook shows."""
    input:
        history=f"{tgsh.FOLDER}training.csv",
        similarity=f"{tgsh.FOLDER}task_similarity.csv",
        tasks=f"{tgsh.FOLDER}tasks.csv",
    output:
        table=f"{tgsh.FOLDER}published.csv",
        similarity=f"{tgsh.FOLDER}published_similarity.csv",
        provenance=f"{tgsh.FOLDER}published.json",
    log:
        log_of("compare_notebook", f"{tgsh.FOLDER}published.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("compare_notebook"),
        published=[graph.resource_digest(f"published_tgsh{end}.csv") for end in ("", "_similarity")],
        ours=of(tgsh.notebook_params),
    message:
        "Comparing {wildcards.benchmark} of {wildcards.dataset} with the notebook"
    script:
        "../scripts/compare_notebook.py"
