"""Running the real graph from tests."""

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).resolve().parents[1]
DEFAULT, PAPER = ROOT / "config" / "config.yaml", ROOT / "config" / "paper.yaml"
SMALL = ROOT / "tests" / "config.yaml"  # laid over the default, which the workflow finds by itself
CONFIGS = [DEFAULT, SMALL]
_SMK = {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOT / "workflow" / "rules").glob("*.smk"))}
# Name -> text. The rules of figures, which a loop makes, stand as the one that they are to their script.
RULES = {"draw_figure": _SMK.pop("figures")}
RULES |= re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", "\n".join(_SMK.values()), flags=re.M | re.S)
GPU_RULES = {rule for rule, body in RULES.items() if "gpu=gpus," in body}


def imports_of(path: Path, at_once: bool = False) -> set[str]:
    """The modules and names that a file imports, those within functions included; or those `at_once`, with the file."""
    found, module = set(), ast.parse(path.read_text(encoding="utf-8"))
    for node in module.body if at_once else ast.walk(module):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def merged(*paths: Path) -> dict:
    """Configs, each laid over those before it."""
    config = {}
    for path in paths:
        update_config(config, yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader))
    return config


def command(
    directory: Path, *words: object, root: Path = ROOT, snakefile: str = "Snakefile", configs: Sequence[Path] = (SMALL,)
) -> list[str]:
    """`snakemake` on the project at `root`, working in `directory`, with configs laid over the default."""
    return [
        *(sys.executable, "-m", "snakemake", "--snakefile", str(root / snakefile), "--directory", str(directory)),
        *map(str, words),
        *(("--configfile", *map(str, configs)) if configs else ()),
    ]


def snakemake(
    directory: Path, *words: object, check: bool = True, timeout: float = 2400, env: dict | None = None, **kwargs
) -> str:
    """Run it; standard output and error as one text. Raises AssertionError with that text if it fails."""
    done = subprocess.run(
        command(directory, *words, **kwargs),
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=timeout,
    )
    assert not check or done.returncode == 0, done.stdout
    assert check or done.returncode != 0, f"expected a failure:\n{done.stdout}"
    return done.stdout


def killed(directory: Path, *words: object, after) -> bool:
    """Start it and kill -9 the whole process group once `after()` is true; whether that came before its end."""
    process = subprocess.Popen(
        command(directory, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while process.poll() is None:
            if after():
                return True
        return False
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)


def tables(directory: Path) -> dict[str, bytes]:
    """Every table below results, by its path."""
    results = directory / "results"
    return {str(path.relative_to(results)): path.read_bytes() for path in sorted(results.rglob("*.csv"))}
