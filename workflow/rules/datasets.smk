# Rules that fetch raw files and build datasets in one layout (HDF5).


rule datasets:
    """Make the cards of the datasets that the config builds something from."""
    input:
        DATASETS.targets(config),


rule fetch_file:
    """Fetch one raw file from the first mirror whose content has the right checksum."""
    output:
        file=graph.DOWNLOAD,
    log:
        log_of("fetch_file", graph.DOWNLOAD),
    conda:
        "../../envs/data.yaml"
    resources:
        **graph.untracked(mirrors=of(graph.mirrors)),
        runtime=time_of(graph.growing, amount=60),
    params:
        code=digest("fetch_file"),
        md5=of(graph.download_md5),
    message:
        "Fetching {wildcards.file} of {wildcards.dataset}"
    script:
        "../scripts/fetch_file.py"


rule build_dataset:
    """Build one dataset in the project's HDF5 layout from its raw files, or from another dataset that it divides."""
    input:
        unpack(of(graph.dataset_inputs)),
    output:
        dataset=graph.DATASET,
        classes="results/datasets/{dataset}.csv",
        findings="results/datasets/{dataset}_findings.csv",
        provenance="results/datasets/{dataset}.json",
    log:
        log_of("build_dataset", graph.DATASET),
    benchmark:
        benchmark_of("build_dataset", graph.DATASET)
    conda:
        "../../envs/data.yaml"
    resources:
        **graph.untracked(words=of(graph.dataset_words), place=of(graph.dataset_place)),
        mem_mb=of(dataset_sizes.building_mb),
        runtime=time_of(dataset_sizes.building_minutes),
    params:
        code=of(graph.reader_digest),
        content=of(graph.dataset_content, look=looking),
        description=of(graph.dataset_description),
    message:
        "Building the dataset {wildcards.dataset}"
    script:
        "../scripts/build_dataset.py"
