r"""Checks the library on a GPU: equal results and speed; needs neither Snakemake nor a network, and takes 8 minutes.

    python tests/gpu --mnist FOLDER --photos FOLDER --out FOLDER
    python tests/gpu train --minutes 9 --mnist FOLDER --out FOLDER
    python tests/gpu --device cpu --small

The first call runs all checks, most telling first, each in a process of its own under its own time limit. FOLDER gets
`gpu.jsonl`, a line a result as soon as it is known, `gpu.json`, the same by check, and the tables of the studies that
were finished. The exit status is 0 if all checks passed. `--only` names some of the checks, and `--minutes` gives them
more time.

`train` trains ShannonHamming and HashNet on mosaics of MNIST by the published step, each for half of the minutes. It
writes their weights, `training.csv`, `losses.csv` and their states; called again with the same folder of results, or
with the states (hidden files) copied into a new one, it goes on from them, on the same kind of GPU.

The last line does all in miniature on the CPU in a minute, to show that the checks themselves work.

MNIST is a folder of its four idx files, photos one of images of 180 x 180 pixels; without them the checks take images
that packages embed, or random ones, and say so. A machine with torch, torchvision, numpy, scipy, pandas, h5py,
safetensors, Pillow, PyYAML, threadpoolctl and tqdm, but without a network, needs a few wheels more, 90 MB in all:

    python -m pip download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 -d wheels faiss-cpu==1.15.1 \
        jsonschema==4.26.0 jsonschema-specifications referencing rpds-py attrs simpleeval==1.0.8 mlxtend==0.25.0 \
        numba==0.68.1 llvmlite==0.50.0
    python -m pip install --no-index --no-deps --target packages wheels/*.whl  # there
    PYTHONPATH=packages python tests/gpu ...
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(Path(__file__).parent), str(ROOT / "tests"), str(ROOT / "workflow" / "scripts")]

from environment import NEEDED  # noqa: E402
from runner import Options, Task, merged, run  # noqa: E402

CHECKS = [
    Task("graphs", "mlps:graphs", 60),
    Task("networks", "hashing:networks", 60),
    Task("views", "hashing:views", 40),
    Task("capacity", "mlps:capacity", 220),
    Task("encoding", "hashing:encoding", 80),
    Task("blocks", "hashing:blocks", 80),
    Task("entropies", "hashing:entropies", 40),
    Task("shards", "hashing:shards", 60),
    Task("flynet", "flynet:flynet", 60),
    Task("convolutions", "convolutions:convolutions", 60),
    Task("studies", "mlps:studies", 3600),
]
MODELS = ("shannon_hamming", "hash_net")


def parsed() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser("python tests/gpu", description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=["check", "train"], default="check")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "gpu", help="folder of the results")
    parser.add_argument("--mnist", type=Path, help="folder with MNIST's four idx files, packed or not")
    parser.add_argument("--photos", type=Path, help="folder of photos")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--small", action="store_true", help="do everything in miniature")
    parser.add_argument("--minutes", type=float, default=8, help="the most that all takes")
    parser.add_argument("--only", nargs="+", choices=[task.check for task in CHECKS], help="checks to run")
    parser.add_argument("--jobs", type=int, help="processes that share the device in a study (3 on a GPU)")
    return parser.parse_args()


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    asked = parsed()
    if missing := [package for module, package in NEEDED.items() if not find_spec(module)]:
        print(f"missing packages: {', '.join(missing)}; tests/gpu/__main__.py says how to bring them", file=sys.stderr)
        return 2
    for folder in (asked.mnist, asked.photos):
        if folder and not folder.is_dir():
            print(f"{folder}: not a folder", file=sys.stderr)
            return 2
    end, name = time.monotonic() + 60 * asked.minutes, "train" if asked.what == "train" else "gpu"
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / f"{name}.jsonl").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        options = Options(
            out=asked.out.resolve(),
            scratch=Path(scratch),
            device=asked.device,
            small=asked.small,
            mnist=asked.mnist and asked.mnist.resolve(),
            photos=asked.photos and asked.photos.resolve(),
            threads=1 if asked.small else min(4, os.cpu_count() or 1),
            jobs=asked.jobs or (3 if asked.device == "cuda" else 1),
            name=name,
        )
        run([Task("environment", "environment:environment", 60)], options, 60)
        seconds, tasks = end - time.monotonic(), CHECKS
        if asked.what == "train":
            tasks = [Task(f"train_{m}", "hashing:train", seconds / 2, arguments={"model": m}) for m in MODELS]
        elif asked.only:
            tasks = [replace(task, limit=seconds) for task in CHECKS if task.check in asked.only]
        if options.told()[-1]["status"] == "passed":
            run(tasks, options, seconds)
        lines = options.told()
    from rehash.store import write_json

    write_json(merged(lines), options.out / f"{name}.json")
    return int(any(line["status"] != "passed" for line in lines if "part" not in line))


if __name__ == "__main__":
    sys.exit(main())
