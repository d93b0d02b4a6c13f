rule equihash:
    """What the config asks for of Duchesneau's thesis: mosaics, databases, networks and their ablations."""
    input:
        equihash.targets(config),
        models.targets(config),
        evaluations.targets(config),


rule build_bank:
    """Build a bank of pictures in three splits, which can be mapped into memory."""
    input:
        unpack(lambda wildcards: equihash.bank_inputs(config, wildcards.bank)),
    output:
        bank=equihash.BANK,
        provenance="results/equihash/banks/{bank}.json",
    log:
        "results/logs/build_bank/{bank}.log",
    conda:
        "../../envs/data.yaml"
    resources:
        mem_mb=lambda wildcards, input, attempt: equihash.bank_mb(input.size_mb, attempt),
        runtime=120,
        # Not in params: other words for the same pictures make no other bank.
        words=lambda wildcards: json.dumps(equihash.bank_words(config, wildcards.bank)),
    params:
        code=lambda wildcards: equihash.bank_digest(config, wildcards.bank),
        description=lambda wildcards: equihash.bank_description(config, wildcards.bank),
    message:
        "Building the bank {wildcards.bank}"
    script:
        "../scripts/build_bank.py"


rule generate_perlin:
    """Generate a bank of Perlin fields at two resolutions."""
    output:
        bank=equihash.PERLIN_BANK,
        provenance="results/equihash/perlin/{perlin}/fields.json",
    log:
        "results/equihash/perlin/{perlin}/generate_perlin.log",
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=2000,
        runtime=lambda wildcards, attempt: equihash.perlin_minutes(config, **wildcards, attempt=attempt),
    params:
        code=graph.digest_of("generate_perlin"),
        fields=lambda wildcards: equihash.perlin_params(config, **wildcards),
    message:
        "Generating the Perlin bank {wildcards.perlin}"
    script:
        "../scripts/generate_perlin.py"


rule measure_spectrum:
    """Measure the spectra of a Perlin bank."""
    input:
        bank=equihash.PERLIN_BANK,
    output:
        table=f"{equihash.PERLIN}.csv",
        provenance=f"{equihash.PERLIN}.json",
    log:
        "results/equihash/perlin/{perlin}/measure_spectrum.log",
    conda:
        "../../envs/analysis.yaml"
    params:
        code=graph.digest_of("measure_spectrum"),
    message:
        "Measuring the spectra of the Perlin bank {wildcards.perlin}"
    script:
        "../scripts/measure_spectrum.py"


rule plot_perlin:
    """Draw fields of a Perlin bank, their values and their spectra."""
    input:
        bank=equihash.PERLIN_BANK,
        table=f"{equihash.PERLIN}.csv",
    output:
        pdf=f"{equihash.PERLIN}.pdf",
        png=report(
            f"{equihash.PERLIN}.png",
            caption="../report/equihash_perlin.rst",
            category="equihash",
            labels={"figure": "Perlin noise", "name": "{perlin}"},
        ),
    log:
        "results/equihash/perlin/{perlin}/plot_perlin.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_perlin"),
    message:
        "Drawing the Perlin bank {wildcards.perlin}"
    script:
        "../scripts/plot_perlin.py"


rule show_views:
    """Show labels of a task and some noisy views of each."""
    input:
        unpack(lambda wildcards: equihash.task_inputs(config, wildcards.task)),
    output:
        pictures=f"{equihash.TASK}views.h5",
        table=f"{equihash.TASK}views.csv",
        provenance=f"{equihash.TASK}views.json",
    log:
        f"{equihash.TASK}show_views.log",
    conda:
        "../../envs/train.yaml"
    resources:
        mem_mb=4000,
    params:
        code=graph.digest_of("show_views"),
        settings=lambda wildcards: equihash.task_settings(config, wildcards.task),
        seed=config["seed"],
    message:
        "Showing views of the task {wildcards.task}"
    script:
        "../scripts/show_views.py"


rule plot_views:
    """Draw a task's contact sheet: labels in rows, views in columns."""
    input:
        pictures=f"{equihash.TASK}views.h5",
    output:
        pdf=f"{equihash.TASK}views.pdf",
        png=report(
            f"{equihash.TASK}views.png",
            caption="../report/equihash_views.rst",
            category="equihash",
            labels={"figure": "views", "name": "{task}"},
        ),
    log:
        f"{equihash.TASK}plot_views.log",
    conda:
        "../../envs/figures.yaml"
    params:
        code=graph.digest_of("plot_views"),
    message:
        "Drawing views of the task {wildcards.task}"
    script:
        "../scripts/plot_views.py"


rule draw_labels:
    """Draw the labels of one shard of a database."""
    input:
        bank=lambda wildcards: equihash.database_bank(config, wildcards.database),
    output:
        labels=equihash.LABELS,
        provenance="results/equihash/databases/{database}/labels/{shard}-of-{shards}.json",
    log:
        "results/equihash/databases/{database}/labels/{shard}-of-{shards}.log",
    benchmark:
        "results/equihash/databases/{database}/labels/{shard}-of-{shards}.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=2000,
        runtime=lambda wildcards, attempt: equihash.label_minutes(config, wildcards.database, attempt),
    params:
        code=graph.digest_of("draw_labels"),
        labels=lambda wildcards: equihash.label_params(config, wildcards.database),
    message:
        "Drawing labels of the database {wildcards.database}, shard {wildcards.shard} of {wildcards.shards}"
    script:
        "../scripts/draw_labels.py"


rule draw_queries:
    """Draw positive and negative queries and pairs from the labels of a database."""
    input:
        shards=lambda wildcards: equihash.label_files(config, wildcards.database),
    output:
        queries=f"{equihash.DATABASE}queries.h5",
        provenance=f"{equihash.DATABASE}queries.json",
    log:
        f"{equihash.DATABASE}draw_queries.log",
    benchmark:
        f"{equihash.DATABASE}draw_queries.tsv"
    conda:
        "../../envs/analysis.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: equihash.query_mb(config, wildcards.database, attempt),
        runtime=lambda wildcards, attempt: equihash.label_minutes(config, wildcards.database, attempt),
    params:
        code=graph.digest_of("draw_queries"),
        queries=lambda wildcards: equihash.query_params(config, wildcards.database),
    message:
        "Drawing queries of the database {wildcards.database}"
    script:
        "../scripts/draw_queries.py"
