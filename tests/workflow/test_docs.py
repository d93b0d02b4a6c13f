"""The documentation says what is so."""

import re
import sys

import pytest

from graphs import ROOT, snakemake

sys.path.insert(0, str(ROOT / "docs"))
import generate

PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "config").glob("*.md")]


def test_generated_tables_are_up_to_date():
    for path, text in generate.pages().items():
        assert path.read_text() == text, f"{path.name}: run `make docs`"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_commands_of_the_readme_plan(tmp_path):
    """Every snakemake command of the README's table, as a dry run in the configuration it names."""
    lines = re.findall(r"\| `snakemake ([^`]+)` ", (ROOT / "README.md").read_text())
    assert len(lines) >= 7
    for line in lines:
        if "mine.yaml" in line or "--sdm" in line:
            continue  # needs a file of the reader's, or conda
        words, _, overlay = line.partition("--configfile")
        configs = [ROOT / "config" / "config.yaml", *([ROOT / overlay.strip()] if overlay else [])]
        output = snakemake(tmp_path, "-n", *words.replace("-n", "").split(), configs=configs)
        assert re.search("train_mlps|train_flynet|train_hash|draw_labels", output)
    made = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "README.md").read_text()))
    assert made <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))
