# Rules that set the three works side by side: codes of any source, measured by retrieval on one dataset.


rule comparison:
    """Make all that the config asks for of the comparison: retrieval by codes of every source, on one scale."""
    input:
        COMPARISON.targets(config),


rule fit_source:
    """Fit the projections of a baseline, such as ITQ, on the train split of a dataset."""
    input:
        unpack(of(comparison.fit_inputs)),
    output:
        fitted=comparison.FITTED,
        provenance=f"{comparison.SOURCE}fitted.json",
    log:
        log_of("fit_source", comparison.FITTED),
    benchmark:
        benchmark_of("fit_source", comparison.FITTED)
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=of(comparison_sizes.fitting_mb),
        runtime=time_of(comparison_sizes.fitting_minutes),
    params:
        code=of(comparison.fit_digest),
        fit=of(comparison.fit_params),
        compute=compute,
    message:
        "Fitting {wildcards.source} on {wildcards.dataset}"
    script:
        "../scripts/fit_source.py"


rule encode_source:
    """Compute the codes that all encoders of a source give to queries and gallery."""
    input:
        unpack(of(comparison.source_inputs)),
    output:
        codes=comparison.CODES,
        provenance=f"{comparison.SOURCE}codes.json",
    log:
        log_of("encode_source", comparison.CODES),
    benchmark:
        benchmark_of("encode_source", comparison.CODES)
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **graph.untracked(place=of(comparison.outside_files)),
        gpu=gpus,
        mem_mb=of(comparison_sizes.encoding_mb),
        runtime=time_of(comparison_sizes.encoding_minutes),
    params:
        code=of(comparison.source_digest),
        content=of(comparison.outside_digests, look=looking),
        source=of(comparison.source_params),
        compute=compute,
    message:
        "Encoding {wildcards.dataset} with {wildcards.source}"
    script:
        "../scripts/encode_source.py"


rule measure_retrieval:
    """Measure how well a search by a source's codes finds samples of the query's class."""
    input:
        codes=comparison.CODES,
    output:
        table=f"{comparison.MEASURED}.csv",
        curves=f"{comparison.CURVES}.csv",
        provenance=f"{comparison.MEASURED}.json",
    log:
        log_of("measure_retrieval", f"{comparison.MEASURED}.csv"),
    benchmark:
        benchmark_of("measure_retrieval", f"{comparison.MEASURED}.csv")
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        mem_mb=of(comparison_sizes.measuring_mb),
        runtime=time_of(comparison_sizes.measuring_minutes),
    params:
        code=digest("measure_retrieval"),
        measured=of(comparison.measured),
        threads=config["threads"],
    message:
        "Measuring retrieval by {wildcards.source} on {wildcards.dataset}"
    script:
        "../scripts/measure_retrieval.py"


rule collect_retrieval:
    """Collect what was measured of all sources of a dataset, and how long encoding took."""
    input:
        tables=of(comparison.compared_tables, path=f"{comparison.MEASURED}.csv"),
        curves=of(comparison.compared_tables, path=f"{comparison.CURVES}.csv"),
        encoded=of(comparison.compared_tables, path=f"{comparison.SOURCE}codes.json"),
    output:
        table=f"{comparison.RETRIEVAL}.csv",
        trade=f"{comparison.TRADE}.csv",
        curves=f"{comparison.ALL_CURVES}.csv",
        times=f"{comparison.TIMES}.csv",
        provenance=f"{comparison.RETRIEVAL}.json",
    log:
        log_of("collect_retrieval", f"{comparison.RETRIEVAL}.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_retrieval"),
        titles=of(comparison.titles),
    message:
        "Collecting retrieval on {wildcards.dataset}"
    script:
        "../scripts/collect_retrieval.py"


rule compare_retrieval:
    """Compare retrieval with the published values of the same method, bits and protocol."""
    input:
        table=f"{comparison.RETRIEVAL}.csv",
    output:
        table=f"{comparison.PUBLISHED}.csv",
        provenance=f"{comparison.PUBLISHED}.json",
    log:
        log_of("compare_retrieval", f"{comparison.PUBLISHED}.csv"),
    group:
        "overview"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("compare_retrieval"),
        published=graph.resource_digest("published_retrieval.csv"),
        counterpart=of(comparison.published_counterpart),
    message:
        "Comparing retrieval on {wildcards.dataset} with what was published"
    script:
        "../scripts/compare_retrieval.py"
