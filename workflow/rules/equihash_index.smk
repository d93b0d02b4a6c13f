rule encode_shard:
    """Encode the items of one shard of a database; killed, it goes on where it was."""
    input:
        unpack(lambda wildcards: evaluations.encoding_inputs(config, **wildcards)),
        labels=equihash.LABELS,
    output:
        fingerprints=f"{evaluations.FINGERPRINTS}.h5",
        provenance=f"{evaluations.FINGERPRINTS}.json",
    log:
        f"{evaluations.FINGERPRINTS}.log",
    benchmark:
        f"{evaluations.FINGERPRINTS}.tsv"
    wildcard_constraints:
        variant=f"(?!{models.SYNTHETIC}/)[^/]+",
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: sizing.shard_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: sizing.shard_minutes(config, **wildcards, attempt=attempt),
        # Here and not in params, since they change no result and so must cause no rerun.
        on_code_change=config["on_code_change"],
        save_every_s=config["save_every_seconds"],
    params:
        code=graph.digest_of("encode_shard"),
        encoding=lambda wildcards: evaluations.encoding_params(config, wildcards.task, wildcards.database),
    message:
        "Encoding {wildcards.database} with {wildcards.model} ({wildcards.variant}, seed {wildcards.seed}), shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../scripts/encode_shard.py"


rule encode_queries:
    """Encode a database's queries; killed, it goes on where it was."""
    input:
        unpack(lambda wildcards: evaluations.encoding_inputs(config, **wildcards)),
        queries=evaluations.QUERIES,
    output:
        codes=f"{evaluations.QUERY_CODES}.h5",
        provenance=f"{evaluations.QUERY_CODES}.json",
    log:
        f"{evaluations.INDEXED}encode_queries.log",
    benchmark:
        f"{evaluations.INDEXED}encode_queries.tsv"
    wildcard_constraints:
        variant=f"(?!{models.SYNTHETIC}/)[^/]+",
    conda:
        "../../envs/train.yaml"
    threads: config["threads"]
    resources:
        gpu=gpus,
        mem_mb=lambda wildcards, attempt: sizing.query_codes_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: sizing.query_minutes(config, **wildcards, attempt=attempt),
        on_code_change=config["on_code_change"],
        save_every_s=config["save_every_seconds"],
    params:
        code=graph.digest_of("encode_queries"),
        encoding=lambda wildcards: evaluations.encoding_params(config, wildcards.task, wildcards.database),
        probed=lambda wildcards: evaluations.probed(config, wildcards.database),
    message:
        "Encoding the queries of {wildcards.database} with {wildcards.model} ({wildcards.variant}, seed {wildcards.seed})"
    script:
        "../scripts/encode_queries.py"


rule generate_fingerprints:
    """Generate fingerprints of one shard whose collisions are known, without any network."""
    input:
        labels=equihash.LABELS,
    output:
        fingerprints=f"{evaluations.FINGERPRINTS}.h5".replace("{variant}", models.SYNTHETIC),
        provenance=f"{evaluations.FINGERPRINTS}.json".replace("{variant}", models.SYNTHETIC),
    log:
        f"{evaluations.FINGERPRINTS}.log".replace("{variant}", models.SYNTHETIC),
    benchmark:
        f"{evaluations.FINGERPRINTS}.tsv".replace("{variant}", models.SYNTHETIC)
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: sizing.synthetic_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: sizing.synthetic_minutes(config, **wildcards, attempt=attempt),
    params:
        code=graph.digest_of("generate_fingerprints"),
        synthetic=lambda wildcards: evaluations.synthetic_params(config, **wildcards),
    message:
        "Generating fingerprints of {wildcards.database} ({wildcards.model}), shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../scripts/generate_fingerprints.py"


rule generate_query_codes:
    """Generate fingerprints of a database's queries, and what its metrics must come to."""
    input:
        queries=evaluations.QUERIES,
    output:
        codes=f"{evaluations.QUERY_CODES}.h5".replace("{variant}", models.SYNTHETIC),
        expected=f"{evaluations.INDEXED}expected.csv".replace("{variant}", models.SYNTHETIC),
        provenance=f"{evaluations.QUERY_CODES}.json".replace("{variant}", models.SYNTHETIC),
    log:
        f"{evaluations.INDEXED}generate_query_codes.log".replace("{variant}", models.SYNTHETIC),
    benchmark:
        f"{evaluations.INDEXED}generate_query_codes.tsv".replace("{variant}", models.SYNTHETIC)
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: sizing.synthetic_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: sizing.synthetic_minutes(config, **wildcards, attempt=attempt),
    params:
        code=graph.digest_of("generate_query_codes"),
        synthetic=lambda wildcards: evaluations.synthetic_params(config, **wildcards),
        probed=lambda wildcards: evaluations.probed(config, wildcards.database),
    message:
        "Generating fingerprints of the queries of {wildcards.database} ({wildcards.model})"
    script:
        "../scripts/generate_query_codes.py"


rule merge_index:
    """Merge one partition of an index from all shards of fingerprints."""
    input:
        fingerprints=lambda wildcards: evaluations.shard_files(config, **wildcards),
    output:
        partition=f"{evaluations.PARTITION}.h5",
        provenance=f"{evaluations.PARTITION}.json",
    log:
        f"{evaluations.PARTITION}.log",
    benchmark:
        f"{evaluations.PARTITION}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: sizing.merge_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: sizing.partition_minutes(config, **wildcards, attempt=attempt),
    params:
        code=graph.digest_of("merge_index"),
    message:
        "Merging partition {wildcards.partition} of {wildcards.partitions} of the index of {wildcards.database} ({wildcards.model}, {wildcards.variant}, seed {wildcards.seed})"
    script:
        "../scripts/merge_index.py"


rule evaluate_partition:
    """Ask one partition of an index its queries, and count its collisions."""
    input:
        unpack(lambda wildcards: evaluations.count_inputs(config, wildcards.database)),
        partition=f"{evaluations.PARTITION}.h5",
        codes=f"{evaluations.QUERY_CODES}.h5",
    output:
        counts=f"{evaluations.COUNTS}.h5",
        provenance=f"{evaluations.COUNTS}.json",
    log:
        f"{evaluations.COUNTS}.log",
    benchmark:
        f"{evaluations.COUNTS}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: sizing.partition_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: sizing.partition_minutes(config, **wildcards, attempt=attempt),
    params:
        code=graph.digest_of("evaluate_partition"),
        probes=lambda wildcards: evaluations.probes(config, wildcards.database),
    message:
        "Evaluating partition {wildcards.partition} of {wildcards.partitions} of the index of {wildcards.database} ({wildcards.model}, {wildcards.variant}, seed {wildcards.seed})"
    script:
        "../scripts/evaluate_partition.py"


rule evaluate_index:
    """Add up what the partitions of an index counted to the metrics of a network on a database."""
    input:
        counts=lambda wildcards: evaluations.count_files(config, **wildcards),
        codes=f"{evaluations.QUERY_CODES}.h5",
        queries=evaluations.QUERIES,
    output:
        **{name: f"{evaluations.INDEXED}{name}.csv" for name in equihash.TABLES},
        provenance=f"{evaluations.INDEXED}evaluation.json",
    log:
        f"{evaluations.INDEXED}evaluate_index.log",
    benchmark:
        f"{evaluations.INDEXED}evaluate_index.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: sizing.evaluation_mb(config, **wildcards, attempt=attempt),
        runtime=lambda wildcards, attempt: graph.minutes(20, attempt),
    params:
        code=graph.digest_of("evaluate_index"),
        evaluation=lambda wildcards: evaluations.evaluation_params(config, wildcards.database),
    message:
        "Evaluating {wildcards.model} ({wildcards.variant}, seed {wildcards.seed}) on the database {wildcards.database}"
    script:
        "../scripts/evaluate_index.py"


rule compare_models:
    """Put the evaluations of all networks on a database side by side."""
    input:
        unpack(lambda wildcards: evaluations.compared(config, wildcards.database)),
        labels=lambda wildcards: equihash.label_files(config, wildcards.database)[0],
    output:
        **{name: f"{equihash.DATABASE}{name}.csv" for name in evaluations.COMPARISONS},
        provenance=f"{equihash.DATABASE}retrieval.json",
    log:
        f"{equihash.DATABASE}compare_models.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("compare_models"),
        tables=evaluations.COMPARISONS,
    message:
        "Comparing networks on the database {wildcards.database}"
    script:
        "../scripts/compare_models.py"


rule plot_comparison:
    """Draw networks on a database: retrieval, bucket sizes, multi-probing, or distances."""
    input:
        tables=lambda wildcards: evaluations.comparison_tables(**wildcards),
    output:
        pdf=f"{evaluations.COMPARISON}.pdf",
        png=report(
            f"{evaluations.COMPARISON}.png",
            caption="../report/figure.rst",
            category="equihash",
            labels={"figure": "{comparison}", "name": "{database}"},
        ),
    log:
        f"{evaluations.COMPARISON}.plot_comparison.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_comparison"),
        # For Snakemake's own report; ours reads the file.
        caption=lambda wildcards: graph.caption(f"equihash_{wildcards.comparison}"),
    message:
        "Drawing {wildcards.comparison} of the networks on {wildcards.database}"
    script:
        "../scripts/plot_comparison.py"


rule compare_perfect_retrieval:
    """Put published perfect-retrieval rates beside ours."""
    input:
        retrievals=evaluations.perfect_inputs(config),
        published=workflow.source_path("../resources/published_equihash.csv"),
    output:
        table=f"{evaluations.PERFECT}.csv",
        provenance=f"{evaluations.PERFECT}.json",
    log:
        f"{evaluations.PERFECT}.compare_perfect_retrieval.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("compare_perfect_retrieval"),
    message:
        "Comparing perfect-retrieval rates with the published ones"
    script:
        "../scripts/compare_perfect_retrieval.py"


rule plot_perfect_retrieval:
    """Draw perfect-retrieval rates against the size of the database, published and ours."""
    input:
        table=f"{evaluations.PERFECT}.csv",
    output:
        pdf=f"{evaluations.PERFECT}.pdf",
        png=report(
            f"{evaluations.PERFECT}.png",
            caption="../report/equihash_perfect_retrieval.rst",
            category="equihash",
            labels={"figure": "perfect retrieval", "name": "published and ours"},
        ),
    log:
        f"{evaluations.PERFECT}.plot_perfect_retrieval.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_perfect_retrieval"),
    message:
        "Drawing perfect-retrieval rates"
    script:
        "../scripts/plot_perfect_retrieval.py"
