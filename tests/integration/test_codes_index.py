"""A source of codes in the place of a hash network, through the workflow: from its opener to the comparison's tables."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from graphs import snakemake


@pytest.mark.long
def test_an_index_of_neural_codes_from_the_digits_to_the_tables(tmp_path):
    single = {"kind": "noisy", "bank": "digits5k", "grid": [1, 1], "picture": [28, 28]}
    database = {"task": "single", "items": 600, "multiplicity": 2, "positives": 100, "negatives": 100, "pairs": 50}
    models = {"neural": {"codes": {"source": "neural", "dataset": "mnist5k"}, "bits": 16}}
    equihash = {"tasks": {"single": single}, "databases": {"one": database}, "models": {"single": models}}
    equihash |= {"build": {"tasks": [], "databases": ["one"], "models": ["single"]}, "distances": {"triplets": 50}}
    mine = tmp_path / "mine.yaml"
    quick = {"protocols": {"scripts": {"epochs": 4}}, "capacity": {"mnist5k": {"repeats": 1}}}
    mine.write_text(yaml.safe_dump({"equihash": equihash, "hash_encoders": quick}))
    folder = "results/equihash"
    targets = [f"{folder}/databases/one/retrieval.csv", f"{folder}/tasks/single/distances.pdf"]
    snakemake(tmp_path / "run", "--cores", 1, *targets, configs=[mine])
    found = tmp_path / "run" / folder
    retrieval = pd.read_csv(found / "databases" / "one" / "retrieval.csv")
    assert set(zip(retrieval.model, retrieval.variant, retrieval.seed)) == {("neural", "codes", 0)}
    recall = retrieval[retrieval.metric == "recall"].value.iloc[0]
    assert 0 < recall < 1
    probes = pd.read_csv(found / "databases" / "one" / "probes.csv")
    recalls = probes[probes.metric == "recall"].sort_values("probes").value.to_numpy()
    assert (np.diff(recalls) >= 0).all() and recalls[-1] > recalls[0]
    distances = pd.read_csv(found / "tasks" / "single" / "distances.csv")
    assert set(distances.variant) == {"codes"}, "codes have no untrained twin"
    run = found / "models" / "single" / "neural" / "codes" / "seed=0"
    record = json.loads((run / "one" / "queries.json").read_text())
    networks = "results/hash_encoders/mnist5k/networks/capacity/scripts/depth=1/layer_width=16/networks_1.safetensors"
    assert {"results/datasets/mnist5k.h5", networks} <= set(record["inputs"])
    assert record["params"]["codes"]["settings"] == {"state": "trained", "layer": None}
    plan = snakemake(tmp_path / "run", "-n", *targets, configs=[mine])
    assert "Nothing to be done" in plan
