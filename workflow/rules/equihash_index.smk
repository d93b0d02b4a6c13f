# Rules from fingerprints to metrics: shards are encoded, partitions merged and queried, and their counts added up.


# What a network has computed costs hours to make again; all other shards are deleted once they are merged.
kept = (lambda path: path) if config["equihash"]["keep_shards"] else temp


rule encode_shard:
    """Compute a model's fingerprints of the items of one shard of a database; it resumes if killed."""
    input:
        unpack(of(equihash.encoding_inputs)),
        labels=equihash.LABELS,
    output:
        fingerprints=kept(f"{equihash.FINGERPRINTS}.h5"),
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
        logits=of(equihash.kept_logits),
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
        fingerprints=temp(f"{equihash.SYNTHETIC_FINGERPRINTS}.h5"),
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
        logits=of(equihash.kept_logits),
    message:
        "Generating fingerprints of the queries of {wildcards.database} ({wildcards.model})"
    script:
        "../scripts/generate_query_codes.py"


rule read_fingerprints:
    """Read the fingerprints of the items of one shard of a database from a file of others."""
    input:
        labels=equihash.LABELS,
    output:
        fingerprints=temp(f"{equihash.GIVEN_FINGERPRINTS}.h5"),
        provenance=f"{equihash.GIVEN_FINGERPRINTS}.json",
    log:
        log_of("read_fingerprints", equihash.GIVEN_FINGERPRINTS),
    benchmark:
        benchmark_of("read_fingerprints", equihash.GIVEN_FINGERPRINTS)
    conda:
        "../../envs/analysis.yaml"
    resources:
        **graph.untracked(place=of(equihash.given_place)),
        mem_mb=of(sizes.synthetic_mb),
        runtime=time_of(sizes.synthetic_minutes),
    params:
        code=digest("read_fingerprints"),
        content=of(equihash.given_content, look=looking),
        given=of(equihash.given_params),
    message:
        "Reading fingerprints of {wildcards.database} ({wildcards.model}), shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../scripts/read_fingerprints.py"


rule read_query_codes:
    """Read the fingerprints of a database's queries from files of others."""
    input:
        queries=equihash.QUERIES,
    output:
        codes=f"{equihash.GIVEN_QUERY_CODES}.h5",
        provenance=f"{equihash.GIVEN_QUERY_CODES}.json",
    log:
        log_of("read_query_codes", equihash.GIVEN_QUERY_CODES),
    benchmark:
        benchmark_of("read_query_codes", equihash.GIVEN_QUERY_CODES)
    conda:
        "../../envs/analysis.yaml"
    resources:
        **graph.untracked(place=of(equihash.given_place)),
        mem_mb=of(sizes.given_codes_mb),
        runtime=time_of(sizes.given_codes_minutes),
    params:
        code=digest("read_query_codes"),
        content=of(equihash.given_content, look=looking),
        given=of(equihash.given_params),
        probed=of(equihash.probed),
    message:
        "Reading fingerprints of the queries of {wildcards.database} ({wildcards.model})"
    script:
        "../scripts/read_query_codes.py"


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
        unpack(of(equihash.count_inputs)),
        counts=of(equihash.count_files),
        codes=f"{equihash.QUERY_CODES}.h5",
        partitions=of(equihash.partition_files),
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


rule show_retrieval:
    """Write a gallery of a network on a database: queries, what its index retrieves for them, and how often it is right."""
    input:
        unpack(of(equihash.retrieval_inputs)),
        partitions=of(equihash.partition_files),
        counts=of(equihash.count_files),
        codes=f"{equihash.QUERY_CODES}.h5",
    output:
        pictures=f"{equihash.INDEXED}gallery.h5",
        table=f"{equihash.INDEXED}gallery.csv",
        rates=f"{equihash.INDEXED}gallery_rates.csv",
        provenance=f"{equihash.INDEXED}gallery.json",
    log:
        log_of("show_retrieval", f"{equihash.INDEXED}gallery.h5"),
    group:
        "figure"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=of(sizes.gallery_mb),
        runtime=time_of(sizes.gallery_minutes),
    params:
        code=digest("show_retrieval"),
        shown=of(equihash.encoding_params),
        gallery=of(equihash.gallery_params),
    message:
        "Showing what {wildcards.model} ({wildcards.variant}, seed {wildcards.seed}) retrieves from the database {wildcards.database}"
    script:
        "../scripts/show_retrieval.py"


rule list_queries:
    """List what each query of a database retrieves with an exact look-up."""
    input:
        partitions=of(equihash.partition_files),
        codes=f"{equihash.QUERY_CODES}.h5",
        queries=equihash.QUERIES,
    output:
        table=f"{equihash.INDEXED}query_results.csv",
        provenance=f"{equihash.INDEXED}query_results.json",
    log:
        log_of("list_queries", f"{equihash.INDEXED}query_results.csv"),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(sizes.listing_mb),
        runtime=time_of(sizes.query_minutes),
    params:
        code=digest("list_queries"),
    message:
        "Listing what each query of {wildcards.database} retrieves ({wildcards.model}, {wildcards.variant}, seed {wildcards.seed})"
    script:
        "../scripts/list_queries.py"


rule search_index:
    """Search an index for images, or views of its database, and write a page with what is found (--config query=...)."""
    input:
        unpack(of(asked_for.search_inputs, stands=stands)),
        partitions=of(equihash.partition_files),
    output:
        page=f"{equihash.INDEXED}search.html",
        table=f"{equihash.INDEXED}search.csv",
        provenance=f"{equihash.INDEXED}search.json",
    log:
        log_of("search_index", f"{equihash.INDEXED}search.html"),
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        **graph.untracked(place=of(asked_for.search_place, stands=stands)),
        mem_mb=of(sizes.search_mb),
        runtime=time_of(sizes.search_minutes),
    params:
        code=of(equihash.encoding_digest, script="search_index"),
        shown=of(equihash.encoding_params),
        codes=of(equihash.code_params),
        search=of(asked_for.search_params, stands=stands, look=looking),
        template=graph.template_digest("search.html.j2"),
        compute={**compute, "device": "cpu"},
    message:
        "Searching {wildcards.database} with {wildcards.model} ({wildcards.variant}, seed {wildcards.seed})"
    script:
        "../scripts/search_index.py"


rule compare_models:
    """Collect the evaluations of all networks on a database into tables that compare them."""
    input:
        unpack(of(equihash.compared)),
        labels=equihash.LABELS,
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


rule collect_checkpoints:
    """Collect the evaluations of networks at several steps of their training into one table."""
    input:
        evaluations=of(equihash.timed_evaluations),
    output:
        table=f"{equihash.DATABASE}checkpoints.csv",
        provenance=f"{equihash.DATABASE}checkpoints.json",
    log:
        log_of("collect_checkpoints", f"{equihash.DATABASE}checkpoints.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("collect_checkpoints"),
        steps=of(equihash.timed_steps),
    message:
        "Collecting the networks at several steps of their training on the database {wildcards.database}"
    script:
        "../scripts/collect_checkpoints.py"


rule compare_perfect_retrieval:
    """Compare our perfect-retrieval rates with the published ones."""
    input:
        **equihash.perfect_inputs(config),
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
        differences=equihash.perfect_differences(config),
    message:
        "Comparing perfect-retrieval rates with the published ones"
    script:
        "../scripts/compare_perfect_retrieval.py"
