"""The documentation says what is so."""

import copy
import re
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from snakemake.utils import update_config

from graphs import DEFAULT, ROOT, merged, snakemake
from rehash.config import validated

sys.path.insert(0, str(ROOT / "docs"))
import generate

DEFAULTS = merged(DEFAULT)
PAGES = [page for folder in (".", "docs", "config", "profiles", "workflow/*") for page in ROOT.glob(f"{folder}/*.md")]


@pytest.fixture(scope="module")
def made() -> tuple[dict[Path, str], set[Path]]:
    """The pages as they have to be, and the tables that they were made from."""
    read, real = set(), pd.read_csv
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pd, "read_csv", lambda path, **kwargs: read.add(Path(path)) or real(path, **kwargs))
        return generate.pages(), read


def test_generated_tables_are_up_to_date(made):
    for path, text in made[0].items():
        assert path.read_text() == text, f"{path.name}: run `make docs`"


def test_every_kept_table_is_read_by_make_docs(made):
    """A committed table gets into the documentation by `make docs`, whose tables the first test keeps up to date."""
    kept = set((ROOT / "docs" / "results").glob("*.csv"))
    unread = {path.stem for path in kept - made[1]}
    assert unread == {"equihash_mnist_losses", "tgsh_rotation_training"}, "quoted nowhere"


def test_coverage_says_yes_part_or_no_and_what_is_missing():
    text = (ROOT / "docs" / "coverage.md").read_text(encoding="utf-8").split("\n## ", 1)[1]
    items = [" ".join(item.split()) for item in re.split(r"^- ", text, flags=re.M)[1:]]
    assert len(items) > 300
    for item in items:
        here, what = item.split(": ", 1)
        missing = re.findall(r"\*Missing:\* \S", what)
        assert here in ("yes", "part", "no", "neither") and (here == "yes") == (not missing), item


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_have_at_most_120_characters(page):
    lines = page.read_text(encoding="utf-8").splitlines()
    assert not [f"line {number}: {line}" for number, line in enumerate(lines, 1) if len(line) > 120]
    assert page != ROOT / "README.md" or len(lines) <= 150


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


def test_tables_fit_the_page_without_loss():
    """A table that is too wide is dealt to several by columns, or becomes a list; each cell is there, with its row."""
    wide = pd.DataFrame(
        {"name": ["a", "b", "c"], **{f"column {i}": [f"{i} {row} {'x' * 20}" for row in "abc"] for i in range(7)}}
    )
    long = pd.DataFrame({"name": ["a", "a", "b"], "text": ["y" * 100, "z " * 80, "w"], "number": [1, 2, 3]})
    for table, tables in ((wide, 2), (long, 0)):
        text = generate.markdown(table)
        assert max(map(len, text.splitlines())) <= 120
        assert text.count("| name |") == tables
        flat = " ".join(text.split())
        assert all(" ".join(cell.split()) in flat for cell in table.astype(str).to_numpy().ravel())
    assert generate.markdown(long).count("**a**") == 1 and "  - y" in generate.markdown(long)


# The commands of the README's table and of the cookbook, whose files and blocks of YAML the test lays out.

COOKBOOK = (ROOT / "docs" / "cookbook.md").read_text(encoding="utf-8")
TASKS = {
    int(number): section for number, section in re.findall(r"^## (\d+)\. (.*?)(?=^## )", COOKBOOK, flags=re.M | re.S)
}


def blocks(text: str, language: str) -> str:
    """All fenced blocks of a language, one after the other."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.M | re.S)
    return "\n".join(block for name, block in found if name == language)


def commands(text: str) -> list[str]:
    """Those in blocks and in rows of a table, without the word snakemake."""
    lines = blocks(text, "").replace("\\\n", " ").splitlines()
    return [
        re.sub(r"\s+#.*", "", line).removeprefix("snakemake ") for line in lines if line.startswith("snakemake ")
    ] + (re.findall(r"\| `snakemake ([^`]+)` ", text))


def test_the_cookbook_has_twenty_tasks_and_the_readme_ten_requests():
    assert list(TASKS) == list(range(1, 21)) and all(commands(section) for section in TASKS.values())
    assert len(re.findall(r"\| `snakemake ", (ROOT / "README.md").read_text(encoding="utf-8"))) == 10
    for number, section in TASKS.items():
        assert ("--configfile mine.yaml" in section) == bool(blocks(section, "yaml")), number


@pytest.mark.parametrize("number", [number for number, section in TASKS.items() if blocks(section, "yaml")])
def test_a_block_of_the_cookbook_is_valid_alone(number):
    config = copy.deepcopy(DEFAULTS)
    update_config(config, yaml.safe_load(blocks(TASKS[number], "yaml")))
    validated(config)


def test_documented_commands_plan(tmp_path):
    """Every command as a dry run, those with the same shipped config in one; all blocks of the cookbook in another."""
    folder(tmp_path)
    pages = ("README.md", "docs/walkthrough.md", "docs/cookbook.md")
    together = defaultdict(lambda: (set(), []))
    for command in (found for page in pages for found in commands((ROOT / page).read_text(encoding="utf-8"))):
        words, _, overlay = command.partition(" --configfile ")
        if re.search(r"--sdm|--list-rules|rehash/Snakefile|^-n$", words):
            continue  # needs conda or another folder, or asks for nothing
        words = re.sub(r"--cores all|--force\b|--forcerun \S+|--workflow-profile \S+", "", words)
        targets, options = words.partition(" --config ")[::2]
        together[overlay][0].update(targets.split())
        together[overlay][1].extend(["--config", options] if options else [])
    shipped = {overlay for overlay in together if overlay.startswith("config/")}
    assert set(together) - shipped == {"", "mine.yaml"} and len(shipped) == 3 and len(together[""][0]) > 20
    own = {tmp_path / f"{number}.yaml": blocks(section, "yaml") for number, section in TASKS.items()}
    for path, block in own.items():
        path.write_text(block or "{}", encoding="utf-8")
    for overlay, (targets, options) in together.items():
        configs = {"": [], "mine.yaml": [*own]}.get(overlay, [ROOT / overlay])
        output = snakemake(tmp_path, *sorted(targets), "-n", "--cores", "all", *options, configs=configs)
        # A target that no rule makes, or whose job cannot be planned, is an error of Snakemake's.
        assert re.search("train_mlps|train_flynet|train_hash|generate_fingerprints", output)


def folder(path: Path) -> None:
    """Lay out the files that the cookbook's blocks name."""
    (path / "net.py").write_text(blocks(TASKS[9], "python"), encoding="utf-8")
    rng = np.random.default_rng(0)
    for name in ("pictures/cat/1.png", "pictures/dog/1.png", "photos/1.png"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (40, 40), np.uint8)).save(path / name)
    rows = "\n".join(f"{i},{i % 7},{'ab'[i % 2]}" for i in range(40))
    (path / "penguins.csv").write_text(f"rowid,length,species\n{rows}\n", encoding="utf-8")
    np.savez(path / "embeddings.npz", x=rng.random((2000, 5)), y=np.arange(2000) % 2)
    bits, labels = rng.integers(0, 2, (5000, 16), np.uint8), np.arange(5000) % 10
    codes = {"query_codes": bits[:1000], "gallery_codes": bits[1000:]}
    np.savez(path / "codes.npz", **codes, query_labels=labels[:1000], gallery_labels=labels[1000:])


def test_make_commands_are_there():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    made = set(re.findall(r"(?:`|^)make ([a-z-]+)", text, flags=re.M)) - {"sure"}
    assert made and made <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.M))


def test_every_published_value_has_a_line():
    """And says what it came to, or that it was not run; each value as it was published."""
    table = pd.read_csv(ROOT / "docs" / "comparisons.csv")
    values = pd.read_csv(ROOT / "workflow" / "resources" / "published_hash_encoders.csv")
    theirs = table[table["work"] == "He et al. 2021"]
    once = theirs.assign(of=theirs.value_of.str.replace(r"kmeans_\w+", "kmeans", regex=True)).drop_duplicates(
        ["panel", "of"]
    )
    assert len(once) == len(values) and once.published.sum() == pytest.approx(values.value.sum())
    ran = table[table.verdict != "not run"]
    assert (ran.difference - (ran.ours - ran.published)).abs().max() < 1e-5 and ran.n.notna().all()
    judged = ran[ran.verdict.isin(["inside", "outside"])]
    spread = judged.sd * judged["work"].map({"He et al. 2021": 1, "Hong & Pavlic 2023": 2}) + judged.error.fillna(0)
    assert ((judged.difference.abs() <= spread + 1e-5) == (judged.verdict == "inside")).all()
    assert table[table.verdict == "not run"].ours.isna().all()


def test_a_kept_study_takes_the_place_of_the_same_networks_and_of_no_others(tmp_path):
    import keep

    def rows(*cohorts: tuple[str, int, int]) -> pd.DataFrame:
        return pd.DataFrame(
            [[p, 1, width, n, 0.1] for p, width, n in cohorts], columns="protocol depth layer_width repeat knn".split()
        )

    path = tmp_path / "mnist_capacity.csv"
    assert len(keep.beside_earlier(rows(("figures", 3, 0)), path)) == 1
    rows(("figures", 3, 0), ("figures", 3, 1), ("figures", 7, 0), ("scripts", 3, 0)).to_csv(path, index=False)
    kept = keep.beside_earlier(rows(("figures", 3, 5), ("figures", 5, 6)), path)
    found = kept[["protocol", "layer_width", "repeat"]].to_numpy().tolist()
    assert found == [["figures", 3, 5], ["figures", 5, 6], ["figures", 7, 0], ["scripts", 3, 0]]


def test_reproduce_fails_where_a_page_says_something_else(monkeypatch, capsys):
    import reproduce

    page = ROOT / "README.md"
    monkeypatch.setattr(generate, "pages", lambda: {page: page.read_text()})
    reproduce.main()
    assert "He et al. 2021" in capsys.readouterr().out
    monkeypatch.setattr(generate, "pages", lambda: {page: "another number"})
    with pytest.raises(SystemExit, match=r"README\.md: not what the committed results say"):
        reproduce.main()
    with pytest.raises(SystemExit, match="no such folder"):
        reproduce.main("nowhere")
