# Rules for the data of Duchesneau's thesis: banks of images and of noise, and the labels and queries of databases.


rule equihash:
    """Make all that the config asks for of Duchesneau's thesis: mosaics, databases, networks and their ablations."""
    input:
        EQUIHASH.targets(config),
        equihash.query_files(config),


rule build_bank:
    """Build a bank of images in three splits that can be memory-mapped."""
    input:
        unpack(of(equihash.bank_inputs)),
    output:
        bank=equihash.BANK,
        provenance="results/equihash/banks/{bank}.json",
    log:
        log_of("build_bank", equihash.BANK),
    conda:
        "../../envs/data.yaml"
    resources:
        **graph.untracked(words=of(equihash.bank_words), place=of(equihash.bank_place)),
        mem_mb=of(sizes.bank_mb),
        runtime=time_of(sizes.bank_minutes),
    params:
        code=of(equihash.bank_digest),
        content=of(equihash.bank_content, look=looking),
        description=of(equihash.bank_description),
    message:
        "Building the bank {wildcards.bank}"
    script:
        "../scripts/build_bank.py"


rule generate_perlin:
    """Generate a bank of Perlin noise fields at two resolutions."""
    output:
        bank=equihash.PERLIN_BANK,
        provenance=f"{equihash.PERLIN}fields.json",
    log:
        log_of("generate_perlin", equihash.PERLIN_BANK),
    wildcard_constraints:
        perlin=equihash.names_of(config, "perlin", "path", None),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(graph.growing, amount=2000),
        runtime=time_of(sizes.perlin_minutes),
    params:
        code=digest("generate_perlin"),
        fields=of(equihash.perlin_params),
    message:
        "Generating the Perlin bank {wildcards.perlin}"
    script:
        "../scripts/generate_perlin.py"


rule import_perlin:
    """Copy the fields of a public file of Perlin noise into a bank that can be memory-mapped."""
    output:
        bank=equihash.PERLIN_BANK,
        provenance=f"{equihash.PERLIN}fields.json",
    log:
        log_of("import_perlin", equihash.PERLIN_BANK),
    wildcard_constraints:
        perlin=equihash.names_of(config, "perlin", "path", None, others=True),
    conda:
        "../../envs/analysis.yaml"
    resources:
        **graph.untracked(place=of(equihash.perlin_place), tasks=of(equihash.perlin_tasks)),
        mem_mb=of(graph.growing, amount=1000),
        runtime=time_of(sizes.perlin_import_minutes),
    params:
        code=digest("import_perlin"),
        content=of(equihash.perlin_content, look=looking),
        fields=of(equihash.copied_perlin),
    message:
        "Copying the Perlin fields of a file into the bank {wildcards.perlin}"
    script:
        "../scripts/import_perlin.py"


rule measure_spectrum:
    """Measure the spectra of the fields of a Perlin bank."""
    input:
        bank=equihash.PERLIN_BANK,
    output:
        table=f"{equihash.PERLIN}spectrum.csv",
        provenance=f"{equihash.PERLIN}spectrum.json",
    log:
        log_of("measure_spectrum", f"{equihash.PERLIN}spectrum.csv"),
    group:
        "figure"
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("measure_spectrum"),
    message:
        "Measuring the spectra of the Perlin bank {wildcards.perlin}"
    script:
        "../scripts/measure_spectrum.py"


rule show_views:
    """Write a contact sheet: labels of a task and some noisy views of each."""
    input:
        unpack(of(equihash.task_inputs)),
    output:
        pictures=f"{equihash.TASK}views.h5",
        table=f"{equihash.TASK}views.csv",
        provenance=f"{equihash.TASK}views.json",
    log:
        log_of("show_views", f"{equihash.TASK}views.h5"),
    group:
        "figure"
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=of(sizes.distance_mb),
    params:
        code=digest("show_views"),
        settings=of(equihash.task_settings),
        seed=config["seed"],
    message:
        "Showing views of the task {wildcards.task}"
    script:
        "../scripts/show_views.py"


rule describe_labels:
    """Write how the labels of a database are computed, each from the number of its item."""
    input:
        unpack(of(equihash.label_inputs)),
    output:
        labels=equihash.LABELS,
        provenance=f"{equihash.DATABASE}labels.json",
    log:
        log_of("describe_labels", equihash.LABELS),
    wildcard_constraints:
        database=equihash.names_of(config, "databases", "labels", "file", others=True),
    conda:
        "../../envs/analysis.yaml"
    params:
        code=digest("describe_labels"),
        labels=of(equihash.label_params),
    message:
        "Describing the labels of the database {wildcards.database}"
    script:
        "../scripts/describe_labels.py"


rule read_labels:
    """Read the labels of a database from a public file."""
    input:
        unpack(of(equihash.label_inputs)),
    output:
        labels=equihash.LABELS,
        provenance=f"{equihash.DATABASE}labels.json",
    log:
        log_of("read_labels", equihash.LABELS),
    benchmark:
        benchmark_of("read_labels", equihash.LABELS)
    wildcard_constraints:
        database=equihash.names_of(config, "databases", "labels", "file"),
    conda:
        "../../envs/analysis.yaml"
    resources:
        **graph.untracked(place=of(equihash.label_place)),
        mem_mb=of(graph.growing, amount=2000),
        runtime=time_of(sizes.label_minutes),
    params:
        code=digest("read_labels"),
        content=of(equihash.label_content, look=looking),
        labels=of(equihash.file_labels),
    message:
        "Reading labels of the database {wildcards.database}"
    script:
        "../scripts/read_labels.py"


rule write_labels:
    """Write the labels of one shard of a database as a file, for others to read."""
    input:
        labels=equihash.LABELS,
    output:
        shard=equihash.LABEL_SHARD,
        provenance=f"{equihash.DATABASE}labels/{{shard}}-of-{{shards}}.json",
    log:
        log_of("write_labels", equihash.LABEL_SHARD),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(graph.growing, amount=1000),
        runtime=time_of(sizes.label_minutes),
    params:
        code=digest("write_labels"),
    message:
        "Writing labels of the database {wildcards.database}, shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../scripts/write_labels.py"


rule draw_queries:
    """Draw the positive and negative queries and the pairs of labels of a database."""
    input:
        labels=equihash.LABELS,
    output:
        queries=equihash.QUERIES,
        provenance=f"{equihash.DATABASE}queries.json",
    log:
        log_of("draw_queries", equihash.QUERIES),
    benchmark:
        benchmark_of("draw_queries", equihash.QUERIES)
    wildcard_constraints:
        database=equihash.names_of(config, "databases", "asked", "file", others=True),
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=of(sizes.query_mb),
        runtime=time_of(sizes.label_minutes),
    params:
        code=digest("draw_queries"),
        queries=of(equihash.query_params),
    message:
        "Drawing queries of the database {wildcards.database}"
    script:
        "../scripts/draw_queries.py"


rule read_queries:
    """Read the queries of a database from the public file that has its labels."""
    input:
        unpack(of(equihash.label_inputs)),
        labels=equihash.LABELS,
    output:
        queries=equihash.QUERIES,
        provenance=f"{equihash.DATABASE}queries.json",
    log:
        log_of("read_queries", equihash.QUERIES),
    benchmark:
        benchmark_of("read_queries", equihash.QUERIES)
    wildcard_constraints:
        database=equihash.names_of(config, "databases", "asked", "file"),
    conda:
        "../../envs/analysis.yaml"
    resources:
        **graph.untracked(place=of(equihash.label_place)),
        mem_mb=of(sizes.query_mb),
        runtime=time_of(sizes.label_minutes),
    params:
        code=digest("read_queries"),
        content=of(equihash.query_content, look=looking),
        queries=of(equihash.file_queries),
    message:
        "Reading queries of the database {wildcards.database}"
    script:
        "../scripts/read_queries.py"
