"""Shared by all rules: the checked config, its functions as functions of jobs, and the constraints of wildcards."""

import os
import runpy
import sys
from functools import partial

# The library lies beside the scripts, which find it there; the rules need it on the path. A file that needs nothing of
# it says where that is: in this tree, or in one that is unpacked from a repository.
beside = runpy.run_path(workflow.source_path("../scripts/rehash/unpacked.py"))["library"]
library = beside(workflow.current_basedir, workflow.sourcecache.cache_path)
sys.path.insert(0, library)

from rehash import graph
from rehash.comparison import plan as comparison
from rehash.comparison import sizes as comparison_sizes
from rehash.comparison.registry import WING as COMPARISON
from rehash.config import check_files, over_defaults, validated
from rehash.datasets import sizes as dataset_sizes
from rehash.datasets.registry import WING as DATASETS
from rehash.environment import settle
from rehash.equihash import asked as asked_for
from rehash.equihash import plan as equihash
from rehash.equihash import sizes
from rehash.equihash.registry import WING as EQUIHASH
from rehash.figures.registry import pages
from rehash.hash_encoders import plan as encoders
from rehash.hash_encoders import sizes as encoder_sizes
from rehash.hash_encoders.registry import WING as HASH_ENCODERS
from rehash.tgsh import plan as tgsh
from rehash.tgsh.registry import WING as TGSH

settle(os.environ, library)
check_files(workflow.configfiles)
config = validated(over_defaults(config))
# The folder that the user stands in, which Snakemake leaves for --directory; jobs that are started there hear of it.
stands = os.environ.setdefault("REHASH_STANDS", os.environ.get("PWD", os.getcwd()))
wings = [DATASETS, HASH_ENCODERS, TGSH, EQUIHASH, COMPARISON]  # in the order of the report
asked = [wing for wing in wings if wing.name in ("datasets", *config["wings"])]

of = partial(graph.bound, config)  # makes a function of the config one of a job's wildcards, attempt and input
time_of = partial(graph.bound_minutes, config, workflow.get_rule)  # the same for a run time, which has a limit
digest, log_of, benchmark_of = graph.digest_of, graph.log_of, graph.benchmark_of
gpus = graph.gpus(config["device"], graph.machine_has_gpu())
compute = {"device": config["device"], "threads": config["threads"]}
saving = graph.saving(config)
# A job's own process takes the digest of data that Snakemake saw when it planned the job, and does not look again.
looking = workflow.is_main_process


wildcard_constraints:
    dataset=r"\w+",
    protocol=r"\w+",
    study="|".join(encoders.COLLECTED),
    depth=r"\d+",
    layer_width=r"\d+",
    state="|".join(encoders.STATES),
    repeat=r"\d+",
    repeats=r"[1-9]\d*",
    benchmark=r"\w+(-\w+)?",
    network=r"(-\w+)?",
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
    source=r"\w+",
    file=r"[^/]+",
