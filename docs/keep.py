"""Keep a full-scale study under docs/results: python docs/keep.py RESULTS DATASET STUDY NAME

Copies the study's table from a RESULTS folder to docs/results/NAME.csv, and puts the provenance of everything it was
made from into NAME.json.
"""

import json
import shutil
import sys
from pathlib import Path

KEPT = Path(__file__).parent / "results"


def provenance(results: Path, dataset: str, study: str) -> dict:
    """Path -> content of the JSON files of a study, its cohorts and its dataset."""
    folder = results / "hash_encoders" / dataset
    paths = [results / "datasets" / f"{dataset}.json", folder / f"{study}.json"]
    paths += sorted((folder / "networks" / study).rglob("*.json"))
    return {str(path.relative_to(results)): json.loads(path.read_text()) for path in paths}


if __name__ == "__main__":
    results, dataset, study, name = Path(sys.argv[1]), *sys.argv[2:]
    shutil.copy(results / "hash_encoders" / dataset / f"{study}.csv", KEPT / f"{name}.csv")
    text = json.dumps(provenance(results, dataset, study), indent=1, sort_keys=True)
    (KEPT / f"{name}.json").write_text(text + "\n")
