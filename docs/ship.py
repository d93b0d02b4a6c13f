"""Put a trained hash network among those that come with rehash, with its curves and the command that makes it again.

python docs/ship.py RESULTS RUN NAME

RESULTS/equihash/models/RUN, where RUN is TASK/MODEL/VARIANT/seed=SEED, is copied to workflow/resources/networks:
NAME.safetensors (the network), NAME.csv (its training up to there, evaluation by evaluation) and NAME.json (the
provenance of the training and of its bank, the command, the checksum of the network, and the losses of its first steps,
which a test repeats). VARIANT is default, or step=N for the network at a checkpoint.
"""

import json
import shutil
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "scripts"), str(ROOT / "tests")]
from rehash.store import file_digest, write_csv  # noqa: E402
from shipped import first_losses  # noqa: E402

FIRST = 5  # steps that the test repeats
KEPT = ROOT / "workflow" / "resources" / "networks"
MOST = 4_000_000  # bytes of a network
CONFIG = "config/networks.yaml"
COLUMNS = (
    "step split recall_at_0 recall_at_2 precision_at_0 entropy_worst_1 entropy_worst_3 distinct_codes pairs".split()
)

if __name__ == "__main__":
    results, run, name = sys.argv[1:]
    task, model, variant, seed = run.split("/")
    folder = Path(results) / "equihash" / "models" / task / model
    trained, source = folder / "default" / seed, folder / variant / seed / "network.safetensors"
    made = json.loads((trained / "network.json").read_text(encoding="utf-8"))
    steps = (
        int(variant.removeprefix("step=")) if variant != "default" else made["params"]["training"]["schedule"]["steps"]
    )
    (bank,) = [Path(results).parent / path for path in made["inputs"]]
    network = KEPT / f"{name}.safetensors"
    KEPT.mkdir(exist_ok=True)
    if (size := source.stat().st_size) > MOST:
        sys.exit(f"{source}: the network has {size:,} bytes; expected at most {MOST:,}")
    shutil.copy(source, network)
    write_csv(pd.read_csv(trained / "training.csv").query("step <= @steps")[COLUMNS], network.with_suffix(".csv"))
    about = {
        "command": f"snakemake --cores 2 results/equihash/models/{run}/network.safetensors --configfile {CONFIG}",
        "steps": steps,
        "sha256": file_digest(network),
        "first_losses": first_losses(bank, made["params"]["training"], task, FIRST),
        "training": made,
        "bank": json.loads(bank.with_suffix(".json").read_text(encoding="utf-8")),
    }
    network.with_suffix(".json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
