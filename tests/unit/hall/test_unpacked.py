"""Where the library is, for rules that Snakemake takes from a folder or from a repository."""

import subprocess
from pathlib import Path

import pytest
from snakemake.sourcecache import GenericSourceFile, GithubFile, LocalGitFile, LocalSourceFile

from graphs import ROOT
from rehash import unpacked


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A repository on a host of ours that stands for GitHub: a function that commits a library of this text."""
    work = tmp_path / "host" / "owner" / "tools"

    def git(*words: str) -> None:
        me = ("-c", "user.name=me", "-c", "user.email=me@localhost")
        subprocess.run(["git", "-C", str(work), *me, *words], check=True, capture_output=True)

    def commit(text: str, *tag: str) -> None:
        for top in (work, work / "hashing"):
            for name in (
                "workflow/scripts/rehash/about.py",
                "workflow/rules/common.smk",
                "config/config.yaml",
                "more.txt",
            ):
                (top / name).parent.mkdir(parents=True, exist_ok=True)
                (top / name).write_text(text)
        git("add", "--all")
        git("commit", "--message", text)
        if tag:
            git("tag", *tag)

    work.mkdir(parents=True)
    git("init", "--initial-branch", "main")
    settings = {"COUNT": "1", "KEY_0": f"url.file://{tmp_path}/host/.insteadOf", "VALUE_0": "https://github.com/"}
    for name, value in settings.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    monkeypatch.setattr(GithubFile, "_hosted_repos", {})
    commit("first", "v1")
    return commit


def rules(tmp_path: Path, path: str = "workflow/rules", **at: str) -> GithubFile:
    """The folder of the rules, as Snakemake has it once it has read a file there."""
    found = GithubFile("owner/tools", path, **at, cache_path=tmp_path / "clones")
    found.join("common.smk").open()
    return found


def test_beside_the_rules_of_a_folder():
    folder = str(ROOT / "workflow" / "rules")
    assert unpacked.library(LocalSourceFile(folder), "nowhere") == f"{folder}/../scripts"


def test_the_tree_of_a_tag_is_unpacked_once(tmp_path, host):
    """Only what the library reads of it, with the commit's name; also of a workflow in a folder of a repository."""
    host("second")
    cache = tmp_path / "cache"
    found = Path(unpacked.library(rules(tmp_path, tag="v1"), cache))
    assert (found / "rehash" / "about.py").read_text() == "first"
    top = found.parents[1]
    assert sorted(path.name for path in top.iterdir()) == ["COMMIT", "config", "workflow"]
    assert (top / "COMMIT").read_text() == top.name and [*(cache / "rehash").iterdir()] == [top]
    (found / "rehash" / "about.py").write_text("as it was unpacked")
    assert Path(unpacked.library(rules(tmp_path, tag="v1"), cache)) == found
    assert (found / "rehash" / "about.py").read_text() == "as it was unpacked"
    below = Path(unpacked.library(rules(tmp_path, "hashing/workflow/rules", tag="v1"), tmp_path / "other"))
    assert below.parts[-3:] == ("hashing", "workflow", "scripts") and (below / "rehash" / "about.py").exists()


def test_a_branch_that_went_on_has_another_library(tmp_path, host):
    found = []
    for text in ("second", "third"):
        host(text)
        GithubFile._hosted_repos.clear()  # as in another run of Snakemake
        found.append(Path(unpacked.library(rules(tmp_path, branch="main"), tmp_path / "cache")) / "rehash" / "about.py")
    assert [path.read_text() for path in found] == ["second", "third"]


def test_a_repository_on_this_machine(tmp_path, host):
    local = LocalGitFile(str(tmp_path / "host" / "owner" / "tools"), "workflow/rules", tag="v1")
    found = unpacked.library(local, tmp_path / "cache")
    assert Path(found, "rehash", "about.py").read_text(encoding="utf-8") == "first"


def test_another_process_may_be_faster(tmp_path, host, monkeypatch):
    def late(made: str, tree: Path) -> None:
        rename(made, tree)
        raise FileExistsError(tree)

    rename = unpacked.os.rename
    place = rules(tmp_path, tag="v1")
    monkeypatch.setattr(unpacked.os, "rename", late)
    found = unpacked.library(place, tmp_path / "cache")
    assert Path(found, "rehash", "about.py").read_text(encoding="utf-8") == "first"


def test_single_files_are_not_enough():
    """From a web server Snakemake reads file by file, and knows none of the library's."""
    with pytest.raises(ValueError, match=r"from https://host/workflow/rules .* say snakefile: github\("):
        unpacked.library(GenericSourceFile("https://host/workflow/rules"), "nowhere")
