# Rules for He et al. 2021: networks, their codes and the properties of these by width, then the tables of studies.


rule hash_encoders:
    """Make all that the config asks for of He et al. 2021: neural networks as hash encoders."""
    input:
        HASH_ENCODERS.targets(config),


rule train_mlps:
    """Train the networks of a study at one width; it resumes if killed, and takes what fewer or more repeats have."""
    input:
        dataset=graph.DATASET,
    output:
        networks=encoders.NETWORKS,
        history=f"{encoders.COHORT}training_{{repeats}}.csv",
        provenance=f"{encoders.COHORT}networks_{{repeats}}.json",
    log:
        log_of("train_mlps", encoders.NETWORKS),
    benchmark:
        benchmark_of("train_mlps", encoders.NETWORKS)
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **saving,
        gpu=gpus,
        mem_mb=of(encoder_sizes.training_mb),
        runtime=time_of(encoder_sizes.training_minutes),
        networks=of(encoders.networks_planned),
    params:
        code=digest("train_mlps"),
        training=of(encoders.training_params),
        compute=compute,
    message:
        "Training networks: {resources.networks} of width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.study}, {wildcards.protocol})"
    script:
        "../scripts/train_mlps.py"


rule train_model:
    """Train a network of any shape, one repeat of it; it resumes if killed."""
    input:
        dataset=graph.DATASET,
    output:
        network=encoders.MODEL_NETWORK,
        history=f"{encoders.MODEL_REPEAT}training.csv",
        provenance=f"{encoders.MODEL_REPEAT}network.json",
    log:
        log_of("train_model", encoders.MODEL_NETWORK),
    benchmark:
        benchmark_of("train_model", encoders.MODEL_NETWORK)
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **saving,
        **graph.untracked(place=of(encoders.model_places)),
        gpu=gpus,
        mem_mb=of(encoder_sizes.model_training_mb),
        runtime=time_of(encoder_sizes.model_training_minutes),
    params:
        code=digest("train_model"),
        content=of(encoders.model_content, look=looking),
        training=of(encoders.model_training_params),
        compute=compute,
    message:
        "Training the network {wildcards.model} on {wildcards.dataset} (repeat {wildcards.repeat})"
    script:
        "../scripts/train_model.py"


rule measure_properties:
    """Measure the encoding properties of networks' neural codes: redundancy and categorization."""
    input:
        dataset=graph.DATASET,
        networks=of(encoders.networks_file),
    output:
        table=f"{encoders.COHORT}properties.csv",
        provenance=f"{encoders.COHORT}properties.json",
    log:
        log_of("measure_properties", f"{encoders.COHORT}properties.csv"),
    benchmark:
        benchmark_of("measure_properties", f"{encoders.COHORT}properties.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(encoder_sizes.properties_mb),
        runtime=time_of(encoder_sizes.measuring_minutes),
    params:
        code=digest("measure_properties"),
        one_vs_one_classes=config["hash_encoders"]["one_vs_one_classes"],
        compute=compute,
    message:
        "Measuring codes of width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.study}, {wildcards.protocol})"
    script:
        "../scripts/measure_properties.py"


rule measure_random_inputs:
    """Measure the codes that networks give to random and shuffled inputs: redundancy and active units."""
    input:
        dataset=graph.DATASET,
        networks=of(encoders.networks_file),
    output:
        table=f"{encoders.COHORT}random_inputs.csv",
        provenance=f"{encoders.COHORT}random_inputs.json",
    log:
        log_of("measure_random_inputs", f"{encoders.COHORT}random_inputs.csv"),
    benchmark:
        benchmark_of("measure_random_inputs", f"{encoders.COHORT}random_inputs.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(encoder_sizes.random_inputs_mb),
        runtime=time_of(encoder_sizes.random_inputs_minutes),
    params:
        code=digest("measure_random_inputs"),
        compute=compute,
    message:
        "Random inputs through width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.protocol})"
    script:
        "../scripts/measure_random_inputs.py"


rule measure_regions:
    """Find the exact borders of networks' linear regions: along lines, in any direction and in a plane."""
    input:
        dataset=graph.DATASET,
        networks=of(encoders.networks_file),
    output:
        lines=f"{encoders.COHORT}regions_lines.csv",
        slices=f"{encoders.COHORT}regions_slices.csv",
        provenance=f"{encoders.COHORT}regions.json",
    log:
        log_of("measure_regions", f"{encoders.COHORT}regions_lines.csv"),
    benchmark:
        benchmark_of("measure_regions", f"{encoders.COHORT}regions_lines.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        mem_mb=of(encoder_sizes.regions_mb),
        runtime=time_of(encoder_sizes.regions_minutes),
    params:
        code=digest("measure_regions"),
        settings=of(encoders.regions_settings),
        seed=config["seed"],
        threads=config["threads"],
    message:
        "Linear regions of width {wildcards.layer_width} on {wildcards.dataset} ({wildcards.protocol})"
    script:
        "../scripts/measure_regions.py"


rule collect_study:
    """Collect the tables of a study's networks into one tidy table."""
    input:
        tables=of(encoders.study_tables),
    output:
        table=f"{encoders.STUDY}.csv",
        provenance=f"{encoders.STUDY}.json",
    log:
        log_of("collect_study", f"{encoders.STUDY}.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_study"),
    message:
        "Collecting the study {wildcards.study} on {wildcards.dataset}"
    script:
        "../scripts/collect_study.py"


rule collect_regions:
    """Collect the lines and slices through linear regions of all networks of a dataset into two tables."""
    input:
        lines=of(encoders.region_tables, kind="lines"),
        slices=of(encoders.region_tables, kind="slices"),
    output:
        lines=f"{encoders.FOLDER}regions.csv",
        slices=f"{encoders.FOLDER}regions_slices.csv",
        provenance=f"{encoders.FOLDER}regions.json",
    log:
        log_of("collect_regions", f"{encoders.FOLDER}regions.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_regions"),
    message:
        "Collecting the linear regions of {wildcards.dataset}"
    script:
        "../scripts/collect_regions.py"


rule fetch_weights:
    """Fetch the weights of a model from the first address that has them with the right checksum."""
    output:
        file=encoders.DOWNLOADED_WEIGHTS,
    log:
        log_of("fetch_weights", encoders.DOWNLOADED_WEIGHTS),
    conda:
        "../../envs/data.yaml"
    resources:
        **graph.untracked(mirrors=of(encoders.weights_mirrors)),
        runtime=time_of(graph.growing, amount=60),
    params:
        code=digest("fetch_weights"),
        md5=of(encoders.weights_checksum),
    message:
        "Fetching {wildcards.file}, the weights of {wildcards.model}"
    script:
        "../scripts/fetch_weights.py"


rule encode_model:
    """Compute the codes of a network's layers for the samples of a dataset; it resumes if killed."""
    input:
        unpack(of(encoders.model_files)),
    output:
        codes=encoders.LAYER_CODES,
        provenance=f"{encoders.OF_STATE}codes.json",
    log:
        log_of("encode_model", encoders.LAYER_CODES),
    benchmark:
        benchmark_of("encode_model", encoders.LAYER_CODES)
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **saving,
        **graph.untracked(place=of(encoders.model_places)),
        gpu=gpus,
        mem_mb=of(encoder_sizes.encoding_mb),
        runtime=time_of(encoder_sizes.encoding_minutes),
    params:
        code=digest("encode_model"),
        content=of(encoders.model_content, look=looking),
        encoding=of(encoders.layers_encoding),
        compute=compute,
    message:
        "Encoding {wildcards.dataset} layer by layer with {wildcards.model} ({wildcards.state}, repeat {wildcards.repeat})"
    script:
        "../scripts/encode_model.py"


rule measure_layers:
    """Measure the codes of a network's layers: how unique they are, and how well simple classifiers do on them."""
    input:
        dataset=graph.DATASET,
        codes=encoders.LAYER_CODES,
    output:
        table=encoders.LAYER_TABLE,
        provenance=f"{encoders.OF_STATE}layers.json",
    log:
        log_of("measure_layers", encoders.LAYER_TABLE),
    benchmark:
        benchmark_of("measure_layers", encoders.LAYER_TABLE)
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(encoder_sizes.layers_mb),
        runtime=time_of(encoder_sizes.layers_minutes),
    params:
        code=digest("measure_layers"),
        encoding=of(encoders.layers_encoding),
        measured=of(encoders.layers_measured),
        compute=compute,
    message:
        "Measuring the layers of {wildcards.model} ({wildcards.state}, repeat {wildcards.repeat}) on {wildcards.dataset}"
    script:
        "../scripts/measure_layers.py"


rule collect_layers:
    """Collect the tables of all networks' layers on a dataset into one."""
    input:
        tables=of(encoders.layer_tables),
    output:
        table=f"{encoders.LAYERS}.csv",
        provenance=f"{encoders.LAYERS}.json",
    log:
        log_of("collect_layers", f"{encoders.LAYERS}.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_layers"),
    message:
        "Collecting the layers of networks on {wildcards.dataset}"
    script:
        "../scripts/collect_layers.py"


rule measure_model_regions:
    """Measure the linear regions of a network of any shape, along lines through inputs and around them."""
    input:
        unpack(of(encoders.model_files)),
    output:
        table=encoders.MODEL_LINES,
        provenance=f"{encoders.OF_STATE}regions.json",
    log:
        log_of("measure_model_regions", encoders.MODEL_LINES),
    benchmark:
        benchmark_of("measure_model_regions", encoders.MODEL_LINES)
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **graph.untracked(place=of(encoders.model_places)),
        mem_mb=of(encoder_sizes.model_regions_mb),
        runtime=time_of(encoder_sizes.model_regions_minutes),
    params:
        code=digest("measure_model_regions"),
        content=of(encoders.model_content, look=looking),
        regions=of(encoders.model_regions),
        threads=config["threads"],
    message:
        "Linear regions of {wildcards.model} ({wildcards.state}, repeat {wildcards.repeat}) on {wildcards.dataset}"
    script:
        "../scripts/measure_model_regions.py"


rule collect_model_regions:
    """Collect the lines through the linear regions of all networks whose layers are measured into one table."""
    input:
        tables=of(encoders.model_region_tables),
    output:
        table=f"{encoders.MODEL_REGIONS}.csv",
        provenance=f"{encoders.MODEL_REGIONS}.json",
    log:
        log_of("collect_model_regions", f"{encoders.MODEL_REGIONS}.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_model_regions"),
    message:
        "Collecting the linear regions of networks on {wildcards.dataset}"
    script:
        "../scripts/collect_model_regions.py"


rule compare_published:
    """Compare studies with the published curves, point by point."""
    input:
        tables=of(encoders.published_tables),
    output:
        table=f"{encoders.FOLDER}published.csv",
        provenance=f"{encoders.FOLDER}published.json",
    log:
        log_of("compare_published", f"{encoders.FOLDER}published.csv"),
    group:
        "overview"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("compare_published"),
        published=graph.resource_digest("published_hash_encoders.csv"),
        counterpart=of(encoders.published_counterpart),
    message:
        "Comparing {wildcards.dataset} with what was published"
    script:
        "../scripts/compare_published.py"


rule chart_phases:
    """Write the table of the phase chart: the configurations of studies, each with its regime."""
    input:
        unpack(of(encoders.phase_chart_tables)),
    output:
        table=f"{encoders.FOLDER}phase_chart.csv",
        provenance=f"{encoders.FOLDER}phase_chart.json",
    log:
        log_of("chart_phases", f"{encoders.FOLDER}phase_chart.csv"),
    group:
        "overview"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("chart_phases"),
        settings=of(encoders.chart_settings),
    message:
        "Charting the phases of {wildcards.dataset}"
    script:
        "../scripts/chart_phases.py"
