"""Shared by all rules: the checked config, its functions as functions of jobs, and the constraints of wildcards."""

import sys
from functools import partial
from pathlib import Path

# The library lies beside the scripts, which find it there; the rules need it on the path.
sys.path.insert(0, str(Path(workflow.current_basedir) / ".." / "scripts"))

from rehash import graph
from rehash.config import validated
from rehash.equihash import plan as equihash
from rehash.equihash import sizes
from rehash.equihash.registry import WING as EQUIHASH
from rehash.hash_encoders import plan as encoders
from rehash.hash_encoders.registry import WING as HASH_ENCODERS
from rehash.tgsh import plan as tgsh
from rehash.tgsh.registry import WING as TGSH

config = validated(config)
wings = [HASH_ENCODERS, TGSH, EQUIHASH]

of = partial(graph.bound, config)  # makes a function of the config one of a job's wildcards, attempt and input
time_of = partial(graph.bound_minutes, config, workflow.get_rule)  # the same for a run time, which has a limit
digest, log_of, benchmark_of = graph.digest_of, graph.log_of, graph.benchmark_of
gpus = graph.gpus(config["device"], graph.machine_has_gpu())
compute = {"device": config["device"], "threads": config["threads"]}
saving = graph.saving(config)


wildcard_constraints:
    dataset=r"\w+",
    protocol=r"\w+",
    study="|".join(encoders.COLLECTED),
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
    file=r"[^/]+",
