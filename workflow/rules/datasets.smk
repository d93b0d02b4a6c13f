rule fetch_file:
    """Fetch one raw file from the first mirror whose content has the right checksum."""
    output:
        file=graph.DOWNLOAD,
    log:
        "results/logs/fetch_file/{dataset}/{file}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        runtime=60,
        # Not in params: what was fetched from one mirror, checksum right, is not fetched again for another.
        mirrors=lambda wildcards: json.dumps(graph.download_source(config, **wildcards)["mirrors"]),
    params:
        code=graph.digest_of("fetch_file"),
        md5=lambda wildcards: graph.download_source(config, **wildcards)["md5"],
    message:
        "Fetching {wildcards.file} of {wildcards.dataset}"
    script:
        "../scripts/fetch_file.py"


rule build_dataset:
    """Build one dataset in the project's HDF5 layout."""
    input:
        unpack(lambda wildcards: graph.raw_files(config, wildcards.dataset)),
    output:
        dataset=graph.DATASET,
        provenance="results/datasets/{dataset}.json",
    log:
        "results/logs/build_dataset/{dataset}.log",
    benchmark:
        "results/benchmarks/build_dataset/{dataset}.tsv"
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
        # Not in params: other words for the same data make no other data.
        words=lambda wildcards: json.dumps(graph.dataset_words(config, wildcards.dataset)),
    params:
        code=lambda wildcards: graph.reader_digest(config, wildcards.dataset),
        description=lambda wildcards: graph.dataset_description(config, wildcards.dataset),
    message:
        "Building the dataset {wildcards.dataset}"
    script:
        "../scripts/build_dataset.py"
