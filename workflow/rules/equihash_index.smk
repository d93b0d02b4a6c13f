# Rules from fingerprints to metrics: shards are encoded, partitions merged and queried, and their counts added up.


rule encode_shard:
    """Compute a model's fingerprints of the items of one shard of a database; it resumes if killed."""
    input:
        unpack(of(equihash.encoding_inputs)),
        labels=equihash.LABELS,
    output:
        fingerprints=f"{equihash.FINGERPRINTS}.h5",
        provenance=f"{equihash.FINGERPRINTS}.json",
    log:
        log_of("encode_shard", equihash.FINGERPRINTS),
    benchmark:
        benchmark_of("encode_shard", equihash.FINGERPRINTS)
    wildcard_constraints:
        variant=equihash.ENCODED,
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **saving,
        gpu=gpus,
        mem_mb=of(sizes.shard_mb),
        runtime=time_of(sizes.shard_minutes),
    params:
        code=of(equihash.encoding_digest, script="encode_shard"),
        shown=of(equihash.encoding_params),
        codes=of(equihash.code_params),
        compute=compute,
    message:
        "Encoding {wildcards.database} with {wildcards.model} ({wildcards.variant}, seed {wildcards.seed}), shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../scripts/encode_shard.py"


rule encode_queries:
    """Compute a model's fingerprints of the queries of a database; it resumes if killed."""
    input:
        unpack(of(equihash.encoding_inputs)),
        queries=equihash.QUERIES,
    output:
        codes=f"{equihash.QUERY_CODES}.h5",
        provenance=f"{equihash.QUERY_CODES}.json",
    log:
        log_of("encode_queries", equihash.QUERY_CODES),
    benchmark:
        benchmark_of("encode_queries", equihash.QUERY_CODES)
    wildcard_constraints:
        variant=equihash.ENCODED,
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **saving,
        gpu=gpus,
        mem_mb=of(sizes.query_codes_mb),
        runtime=time_of(sizes.query_minutes),
    params:
        code=of(equihash.encoding_digest, script="encode_queries"),
        shown=of(equihash.encoding_params),
        codes=of(equihash.code_params),
        probed=of(equihash.probed),
        compute=compute,
    message:
        "Encoding the queries of {wildcards.database} with {wildcards.model} ({wildcards.variant}, seed {wildcards.seed})"
    script:
        "../scripts/encode_queries.py"


rule generate_fingerprints:
    """Generate fingerprints of one shard whose collisions are known, without any network."""
    input:
        labels=equihash.LABELS,
    output:
        fingerprints=f"{equihash.SYNTHETIC_FINGERPRINTS}.h5",
        provenance=f"{equihash.SYNTHETIC_FINGERPRINTS}.json",
    log:
        log_of("generate_fingerprints", equihash.SYNTHETIC_FINGERPRINTS),
    benchmark:
        benchmark_of("generate_fingerprints", equihash.SYNTHETIC_FINGERPRINTS)
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(sizes.synthetic_mb),
        runtime=time_of(sizes.synthetic_minutes),
    params:
        code=digest("generate_fingerprints"),
        synthetic=of(equihash.synthetic_params),
    message:
        "Generating fingerprints of {wildcards.database} ({wildcards.model}), shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../scripts/generate_fingerprints.py"


rule generate_query_codes:
    """Generate fingerprints of a database's queries without any network, and the metrics expected of them."""
    input:
        queries=equihash.QUERIES,
    output:
        codes=f"{equihash.SYNTHETIC_RUN}queries.h5",
        expected=f"{equihash.SYNTHETIC_RUN}expected.csv",
        provenance=f"{equihash.SYNTHETIC_RUN}queries.json",
    log:
        log_of("generate_query_codes", f"{equihash.SYNTHETIC_RUN}queries.h5"),
    benchmark:
        benchmark_of("generate_query_codes", f"{equihash.SYNTHETIC_RUN}queries.h5")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(sizes.synthetic_mb),
        runtime=time_of(sizes.synthetic_minutes),
    params:
        code=digest("generate_query_codes"),
        synthetic=of(equihash.synthetic_params),
        probed=of(equihash.probed),
    message:
        "Generating fingerprints of the queries of {wildcards.database} ({wildcards.model})"
    script:
        "../scripts/generate_query_codes.py"


rule merge_index:
    """Merge, from all shards, the fingerprints that belong to one partition of an index."""
    input:
        fingerprints=of(equihash.shard_files),
    output:
        partition=f"{equihash.PARTITION}.h5",
        provenance=f"{equihash.PARTITION}.json",
    log:
        log_of("merge_index", equihash.PARTITION),
    benchmark:
        benchmark_of("merge_index", equihash.PARTITION)
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(sizes.merge_mb),
        runtime=time_of(sizes.partition_minutes),
    params:
        code=digest("merge_index"),
    message:
        "Merging partition {wildcards.partition} of {wildcards.partitions} of the index of {wildcards.database} ({wildcards.model}, {wildcards.variant}, seed {wildcards.seed})"
    script:
        "../scripts/merge_index.py"


rule evaluate_partition:
    """Look up queries in one partition of an index, and count what they find and its collisions."""
    input:
        unpack(of(equihash.count_inputs)),
        partition=f"{equihash.PARTITION}.h5",
        codes=f"{equihash.QUERY_CODES}.h5",
    output:
        counts=f"{equihash.COUNTS}.h5",
        provenance=f"{equihash.COUNTS}.json",
    log:
        log_of("evaluate_partition", equihash.COUNTS),
    benchmark:
        benchmark_of("evaluate_partition", equihash.COUNTS)
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(sizes.partition_mb),
        runtime=time_of(sizes.partition_minutes),
    params:
        code=digest("evaluate_partition"),
        probes=of(equihash.probes),
    message:
        "Evaluating partition {wildcards.partition} of {wildcards.partitions} of the index of {wildcards.database} ({wildcards.model}, {wildcards.variant}, seed {wildcards.seed})"
    script:
        "../scripts/evaluate_partition.py"


rule evaluate_index:
    """Compute the metrics of a network on a database from what the partitions of its index counted."""
    input:
        counts=of(equihash.count_files),
        codes=f"{equihash.QUERY_CODES}.h5",
        queries=equihash.QUERIES,
    output:
        **{name: f"{equihash.INDEXED}{name}.csv" for name in equihash.TABLES},
        provenance=f"{equihash.INDEXED}evaluation.json",
    log:
        log_of("evaluate_index", f"{equihash.INDEXED}evaluation.csv"),
    benchmark:
        benchmark_of("evaluate_index", f"{equihash.INDEXED}evaluation.csv")
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(sizes.evaluation_mb),
        runtime=time_of(sizes.summary_minutes),
    params:
        code=digest("evaluate_index"),
        tables=equihash.TABLES,
        evaluation=of(equihash.evaluation_params),
    message:
        "Evaluating {wildcards.model} ({wildcards.variant}, seed {wildcards.seed}) on the database {wildcards.database}"
    script:
        "../scripts/evaluate_index.py"


rule compare_models:
    """Collect the evaluations of all networks on a database into tables that compare them."""
    input:
        unpack(of(equihash.compared)),
        labels=of(equihash.first_labels),
    output:
        **{name: f"{equihash.DATABASE}{name}.csv" for name in equihash.COMPARED},
        provenance=f"{equihash.DATABASE}retrieval.json",
    log:
        log_of("compare_models", f"{equihash.DATABASE}retrieval.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("compare_models"),
        tables=list(equihash.COMPARISONS),
        outputs=equihash.COMPARED,
    message:
        "Comparing networks on the database {wildcards.database}"
    script:
        "../scripts/compare_models.py"


rule compare_perfect_retrieval:
    """Compare our perfect-retrieval rates with the published ones."""
    input:
        retrievals=equihash.perfect_inputs(config),
    output:
        table=f"{equihash.PERFECT}.csv",
        provenance=f"{equihash.PERFECT}.json",
    log:
        log_of("compare_perfect_retrieval", f"{equihash.PERFECT}.csv"),
    group:
        "overview"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("compare_perfect_retrieval"),
        published=graph.resource_digest("published_equihash.csv"),
    message:
        "Comparing perfect-retrieval rates with the published ones"
    script:
        "../scripts/compare_perfect_retrieval.py"
