"""Where the library is: beside the rules, also where Snakemake takes these from a git repository.

Of a module that it takes from a repository, Snakemake copies the files that it knows of, one by one: rules, scripts,
captions and environments. The library is none of them. So the rules run this file, which imports nothing of the
package, before anything of it can be imported.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

_TREE = ("config", "workflow")  # what the library reads lies in these folders, and the library itself
COMMIT = "COMMIT"  # the name of a file, at the top of an unpacked tree, that says of which commit it is


def library(rules: Any, cache: str | Path) -> str:
    """Return the folder that has the package rehash, beside the folder of the rules.

    Of a repository, the tree of the commit that Snakemake reads from is unpacked into a folder of the commit's name,
    once; it appears whole or not at all.

    Args:
        rules: the folder of the rules as Snakemake has it (a `snakemake.sourcecache.SourceFile`): a folder, or a place
            in a repository, of which Snakemake has a clone.
        cache: the folder in which trees are unpacked.

    Raises:
        ValueError: the rules come from another place, from which single files can be had and nothing else.
    """
    if hasattr(rules, "hosted_repo"):  # github(...), gitlab(...)
        repository = rules.hosted_repo.repo_clone
    elif hasattr(rules, "repo_path"):  # a repository on this machine
        repository = rules.repo_path
    elif rules.is_local:
        return str(Path(rules) / ".." / "scripts")
    else:
        raise ValueError(
            f"rehash: from {rules} Snakemake takes one file at a time, and the rules need the library beside them; say "
            'snakefile: github("owner/rehash", path="Snakefile", tag="v1.0.0") (or gitlab), or the path of a clone'
        )
    top = PurePosixPath(rules.path).parent.parent
    commit = _git(repository, "rev-parse", f"{rules.ref}^{{commit}}").strip()
    return str(_unpacked(repository, commit, top, Path(cache) / "rehash") / top / "workflow" / "scripts")


def _git(repository: str | Path, *words: str) -> str:
    return subprocess.run(
        ["git", "-C", str(repository), *words], check=True, stdout=subprocess.PIPE, encoding="utf-8"
    ).stdout


def _unpacked(repository: str | Path, commit: str, top: PurePosixPath, folder: Path) -> Path:
    """Return the folder of a commit's tree, as far as it is below `top`; unpack it if it is not there."""
    tree = folder / commit
    if tree.is_dir():
        return tree
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        packed, made = Path(temporary) / "tree.tar", Path(temporary) / "tree"
        _git(repository, "archive", f"--output={packed}", commit, *(str(top / part) for part in _TREE))
        with tarfile.open(packed) as file:
            file.extractall(made, filter="data")
        (made / top / COMMIT).write_text(commit, encoding="utf-8")
        try:
            os.rename(made, tree)
        except OSError:  # another process has been faster
            if not tree.is_dir():
                raise
    return tree
