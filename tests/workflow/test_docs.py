"""The documentation says what is so."""

import re
import sys
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest

from graphs import ROOT, snakemake

sys.path.insert(0, str(ROOT / "docs"))
import generate

PAGES = [page for folder in (".", "docs", "config", "profiles", "workflow/*") for page in ROOT.glob(f"{folder}/*.md")]


def test_generated_tables_are_up_to_date():
    for path, text in generate.pages().items():
        assert path.read_text() == text, f"{path.name}: run `make docs`"


def test_every_kept_table_is_read_by_make_docs(monkeypatch):
    """A committed table gets into the documentation by `make docs`, whose tables the first test keeps up to date."""
    read, real = set(), pd.read_csv
    monkeypatch.setattr(pd, "read_csv", lambda path, **kwargs: read.add(Path(path)) or real(path, **kwargs))
    generate.pages()
    kept = set((ROOT / "docs" / "results").glob("*.csv"))
    assert {path.stem for path in kept - read} == {"equihash_mnist_losses", "tgsh_rotation_training"}, "quoted nowhere"


def test_coverage_says_yes_part_or_no_and_what_is_missing():
    sections = (ROOT / "docs" / "coverage.md").read_text().split("\n## ")[1:]
    rows = [line for section in sections for line in section.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    told = [row for row in cells if row[1] not in ("here", "---")]
    assert len(told) > 300
    for row in told:
        what, here, _, missing = row
        assert here in ("yes", "part", "no", "neither") and (here == "yes") == (missing == ""), what


def anchors(page: Path) -> set[str]:
    """Of its headings, as they are made on the web."""
    headings = re.findall(r"^#+ (.*)", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text()):
        if not target.startswith("https://"):
            found = page.parent / target if target else page
            assert found.exists(), target
            assert not anchor or anchor in anchors(found), f"{target}#{anchor}"


def test_commands_of_the_readme_plan(tmp_path):
    """Every snakemake command of the README's table, as a dry run; those with the same options in one."""
    lines = re.findall(r"\| `snakemake ([^`]+)` ", (ROOT / "README.md").read_text())
    assert len(lines) >= 20
    together = defaultdict(list)
    for line in lines:
        if "mine.yaml" in line or "--sdm" in line:
            continue  # needs a file of the reader's, or conda
        targets, options = re.match(r"((?:(?!-)\S+ ?)*)(.*)", re.sub("--cores all|-n", "", line).strip()).groups()
        options, _, overlay = options.strip().partition("--configfile ")
        together[options.strip(), overlay] += targets.split()
    assert len(together) <= 8
    for (options, overlay), targets in together.items():
        words = (*targets, "-n", "--cores", "all", *options.split())
        output = snakemake(tmp_path, *words, configs=[ROOT / overlay] if overlay else [])
        assert re.search("train_mlps|train_flynet|train_hash|describe_labels", output)
        for target in targets:
            assert re.search(rf"(output files: .*|localrule |rule ){re.escape(target)}\b", output), target
    made = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "README.md").read_text()))
    assert made <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
