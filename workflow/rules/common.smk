import json
import sys
from pathlib import Path

# The library lies beside the scripts, which find it by themselves; here it has to be put on the path.
sys.path.insert(0, str(Path(workflow.current_basedir) / ".." / "scripts"))

from rehash import graph
from rehash.config import validated
from rehash.equihash import evaluations, models, sizing
from rehash.equihash import plan as equihash
from rehash.hash_encoders import plan
from rehash.tgsh import plan as tgsh

config = validated(config)
models.check_models(config)
gpus = graph.gpus(config["device"], graph.machine_has_gpu())


wildcard_constraints:
    dataset=r"\w+",
    protocol=r"\w+",
    study="|".join(plan.PLOTTED),
    depth=r"\d+",
    layer_width=r"\d+",
    benchmark=r"\w+",
    bank=r"\w+",
    perlin=r"\w+",
    task=r"\w+",
    database=r"\w+",
    model=r"\w+",
    variant=r"[^/]+",
    seed=r"\d+",
    family=r"\w+",
    shard=r"\d+",
    shards=r"\d+",
    partition=r"\d+",
    partitions=r"\d+",
    comparison="|".join(evaluations.COMPARISONS),
    figure="|".join(tgsh.TABLES),
    file=r"[^/]+",
