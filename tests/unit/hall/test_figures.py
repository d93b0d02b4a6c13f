"""From a registered figure to its files, its targets and its section of the report, by a wing made up for it."""

import base64
import errno
import sys
import types
from pathlib import Path

import pandas as pd
import pytest
from jinja2 import UndefinedError
from matplotlib import pyplot as plt
from PIL import Image

from rehash.digest import SCRIPTS
from rehash.errors import InputError
from rehash.figures.drawing import draw_figure
from rehash.figures.missing import MARK, why_missing
from rehash.figures.registry import Figure, Wing, load
from rehash.report import section, write_report
from rehash.store import write_csv

RESULTS = "rehash.toy.results"
FIGURES = {
    "size": Figure(
        about="Draw sizes.",
        title="sizes",
        stem="results/toy/{dataset}/size",
        caption="toy_size",
        draw=f"{RESULTS}:plot_size",
        summary=f"{RESULTS}:size_summary",
        claims=f"{RESULTS}:size_claims",
    ),
    "images": Figure(
        about="Draw images.",
        title="the images",
        stem="results/toy/{dataset}/{task}/images",
        caption="toy_images",
        draw=f"{RESULTS}:plot_images",
        page=f"{RESULTS}:images_page",
        summary=f"{RESULTS}:images_summary",
        tables=("results/toy/{dataset}/{task}/images.h5", "results/toy/{dataset}/{task}/words.csv"),
        evidence=("results/toy/{dataset}/size.csv",),
        provenance="results/toy/{dataset}/made.json",
        group="large",
    ),
    "whole": Figure(
        "Draw all.", "all", "results/toy/whole", "toy_whole", f"{RESULTS}:plot_size", f"{RESULTS}:size_summary"
    ),
    "unasked": Figure("Draw none.", "none", "results/toy/none", "toy_none", f"{RESULTS}:x", f"{RESULTS}:size_summary"),
}


def asked(config: dict) -> list[tuple[str, dict[str, str]]]:
    found = [("size", {"dataset": dataset}) for dataset in config["datasets"]]
    return [*found, ("images", {"dataset": "mnist", "task": "turned"}), ("whole", {})]


TOY = Wing("toy", FIGURES, asked, lambda config, name, **wildcards: f"{config['words']} {name} {sorted(wildcards)}")
CONFIG = {"datasets": ["mnist", "svhn"], "words": "Data of"}


@pytest.fixture
def results(monkeypatch, tmp_path):
    """The toy wing's functions, as its module would have them; they note with what they were called."""
    module = types.ModuleType(RESULTS)
    module.TITLE, module.TEXT, module.calls = "Toys", "What toys are.", []

    def noted(name, answer):
        def function(*given, **settings):
            module.calls.append((name, given, settings))
            return answer() if callable(answer) else answer

        setattr(module, name, function)

    noted("plot_size", plt.figure)
    noted("plot_images", plt.figure)
    noted("images_page", "<p>é</p>")
    noted("size_summary", pd.DataFrame({"size": ["1 < 2"]}))
    noted("images_summary", pd.DataFrame({"n": ["3"]}))
    noted("size_claims", [{"verdict": "Holds", "text": "It is."}, None])
    monkeypatch.setitem(sys.modules, "rehash.toy", types.ModuleType("rehash.toy"))
    monkeypatch.setitem(sys.modules, RESULTS, module)
    monkeypatch.chdir(tmp_path)
    return module


def test_a_figure_says_what_its_rule_needs():
    size, images, whole = (FIGURES[name] for name in ("size", "images", "whole"))
    assert size.drawn_from == ("results/toy/{dataset}/size.csv",) and images.drawn_from == images.tables
    assert (size.wildcards, images.wildcards, whole.wildcards) == (["dataset"], ["dataset", "task"], [])
    assert images.message == "Drawing the images: {wildcards.dataset}, {wildcards.task}"
    assert whole.message == "Drawing all"
    assert size.endings == (".pdf", ".png") and images.endings == (".pdf", ".png", ".html")
    assert size.settings() == {} and (size.group, images.group) == ("figure", "large")


def test_targets_are_every_table_and_file_of_what_is_asked_for_once_each():
    assert TOY.targets(CONFIG) == [
        *(f"results/toy/mnist/size.{ending}" for ending in ("csv", "pdf", "png")),
        *(f"results/toy/svhn/size.{ending}" for ending in ("csv", "pdf", "png")),
        "results/toy/mnist/turned/images.h5",
        "results/toy/mnist/turned/words.csv",
        *(f"results/toy/mnist/turned/images.{ending}" for ending in ("pdf", "png", "html")),
        *(f"results/toy/whole.{ending}" for ending in ("csv", "pdf", "png")),
    ]


def test_entries_are_in_the_reports_order_and_whole():
    entries = TOY.entries(CONFIG)
    assert [(entry["name"], entry["of"]) for entry in entries] == [
        ("size", "mnist"), ("size", "svhn"), ("images", "mnist turned"), ("whole", "all"),
    ]  # fmt: skip
    assert entries[1] == {
        "wing": "toy",
        "name": "size",
        "of": "svhn",
        "title": "sizes",
        "stem": "results/toy/svhn/size",
        "tables": ["results/toy/svhn/size.csv"],
        "provenance": "results/toy/svhn/size.json",
        "files": {"figure (PDF)": "results/toy/svhn/size.pdf"},
        "summary": f"{RESULTS}:size_summary",
        "claims": f"{RESULTS}:size_claims",
        "caption": "toy_size",
        "data": "Data of size ['dataset']",
    }
    folder = "results/toy/mnist/turned"
    assert entries[2]["tables"] == [f"{folder}/images.h5", f"{folder}/words.csv", "results/toy/mnist/size.csv"]
    assert entries[2]["files"] == {"figure (PDF)": f"{folder}/images.pdf", "interactive": f"{folder}/images.html"}
    assert entries[2]["provenance"] == "results/toy/mnist/made.json" and entries[2]["claims"] == ""


def test_the_report_knows_all_functions_that_it_may_call(results):
    functions = TOY.functions()
    assert functions == [
        f"{RESULTS}:{name}" for name in ("size_summary", "size_claims", "images_summary", "TITLE", "TEXT")
    ]
    assert load(functions[-2]) == "Toys" and load(functions[1]) is results.size_claims


def test_a_name_that_is_not_there_is_an_error(results):
    with pytest.raises(AttributeError, match="plot_nothing"):
        load(f"{RESULTS}:plot_nothing")
    with pytest.raises(ModuleNotFoundError, match=r"rehash\.nothing"):
        load("rehash.nothing:plot")


def test_the_registries_of_all_wings_name_functions_that_exist():
    from rehash.equihash.registry import WING as EQUIHASH
    from rehash.hash_encoders.registry import WING as HASH_ENCODERS
    from rehash.tgsh.registry import WING as TGSH

    for wing in (HASH_ENCODERS, TGSH, EQUIHASH):
        for figure in wing.figures.values():
            assert callable(load(figure.draw)) and (not figure.page or callable(load(figure.page))), figure.title
        for name in wing.functions():
            assert callable(load(name)) or isinstance(load(name), str), name


# ---------------------------------------------------------------------------------------------------------------------
# The job that draws


def test_a_figure_is_drawn_from_tables_and_from_paths_of_what_is_none(results, tmp_path):
    table = pd.DataFrame({"x": [1, 2]})
    write_csv(table, tmp_path / "t.csv")
    outputs = {ending: tmp_path / f"f.{ending}" for ending in ("pdf", "png", "html")}
    figure = FIGURES["images"]
    draw_figure(["images.h5", "t.csv"], outputs, draw=figure.draw, page=figure.page, settings={"top": 3})
    assert [name for name, _, _ in results.calls] == ["plot_images", "images_page"]
    for _, (path, drawn), settings in results.calls:
        assert path == "images.h5" and drawn.equals(table) and settings == {"top": 3}
    assert outputs["pdf"].read_bytes()[:4] == b"%PDF" and outputs["png"].read_bytes()[1:4] == b"PNG"
    assert outputs["html"].read_text(encoding="utf-8") == "<p>é</p>" and not plt.get_fignums()
    for path in outputs.values():
        path.unlink()
    draw_figure(["t.csv"], outputs, draw=figure.draw, page="", settings={})
    assert not outputs["html"].exists() and outputs["png"].exists()
    (tmp_path / "t.csv").write_text("")
    with pytest.raises(InputError, match=r"t\.csv: not a readable CSV"):
        draw_figure(["t.csv"], outputs, draw=figure.draw, page="", settings={})


# ---------------------------------------------------------------------------------------------------------------------
# Figures that cannot be drawn


def failing(error: Exception):
    def fail(*_, **__):
        plt.figure()
        raise error

    return fail


def drawn(folder: Path, page: str = "") -> dict[str, Path]:
    """Draw the toy figure; its files."""
    write_csv(pd.DataFrame({"x": [1, 2]}), folder / "t.csv")
    outputs = {ending: folder / f"f.{ending}" for ending in ("pdf", "png", *(["html"] if page else []))}
    draw_figure(["t.csv"], outputs, draw=f"{RESULTS}:plot_images", page=page, settings={})
    return outputs


def test_a_figure_that_cannot_be_drawn_has_a_placeholder_that_says_why(results, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(results, "plot_images", failing(ValueError("no <two>\nclasses for $5 é")))
    outputs = drawn(tmp_path, page=f"{RESULTS}:images_page")
    why = "no <two> classes for $5 é"
    assert why_missing(outputs["png"]) == why and outputs["pdf"].read_bytes()[:4] == b"%PDF"
    assert why_missing(outputs["html"]) == "" and outputs["html"].read_text(encoding="utf-8") == "<p>é</p>"
    assert "Traceback" in caplog.text and f"{tmp_path}/f: could not be made" in caplog.text
    first = outputs["png"].read_bytes()
    assert drawn(tmp_path)["png"].read_bytes() == first, "the same each time"


def test_a_figure_that_fails_only_when_it_is_written_has_one_too(results, tmp_path, monkeypatch):
    def unwritable():
        figure = plt.figure()
        figure.text(0, 0, r"$\nonsense{$")  # matplotlib reads formulas when it draws
        return figure

    monkeypatch.setattr(results, "plot_images", lambda *_, **__: unwritable())
    assert "Unknown symbol" in why_missing(drawn(tmp_path)["png"])


def test_a_page_that_cannot_be_made_costs_only_the_page(results, tmp_path, monkeypatch):
    monkeypatch.setattr(results, "images_page", failing(KeyError("x <y>")))
    outputs = drawn(tmp_path, page=f"{RESULTS}:images_page")
    assert why_missing(outputs["png"]) == "" and why_missing(outputs["html"]) == "KeyError: 'x <y>'"
    assert "this figure could not be drawn (KeyError: &#x27;x &lt;y&gt;&#x27;)" in outputs["html"].read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize(
    "error",
    [InputError("t.csv: an accuracy is missing"), OSError(errno.ENOSPC, "full"), MemoryError(), ImportError("x")],
)
def test_what_is_not_the_figures_fault_still_stops_it(results, tmp_path, monkeypatch, error):
    monkeypatch.setattr(results, "plot_images", failing(error))
    with pytest.raises(type(error)):
        drawn(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


# ---------------------------------------------------------------------------------------------------------------------
# The report


@pytest.fixture
def entries(results, tmp_path):
    """Entries of the toy wing whose tables, images and captions exist."""
    found = TOY.entries({**CONFIG, "datasets": ["mnist"]})
    for entry in found:
        for path in entry["tables"]:
            if path.endswith(".csv"):
                write_csv(pd.DataFrame({"of": [path]}), tmp_path / path)
        Image.new("L", (2, len(entry["name"]))).save((tmp_path / entry["stem"]).with_suffix(".png"))
        if "interactive" in entry["files"]:
            (tmp_path / entry["files"]["interactive"]).write_text("<p>an image</p>", encoding="utf-8")
        (tmp_path / f"{entry['caption']}.rst").write_text("Sizes, *each* of a toy.\n")
    return found


def test_a_section_has_what_its_figure_shows_and_claims(results, entries):
    found = section(entries[0], "toy_size.rst")
    assert found["anchor"] == "toy-mnist-size" and found["data"] == entries[0]["data"]
    assert (found["wing_title"], found["wing_text"]) == ("Toys", "What toys are.")
    assert found["claims"] == [{"verdict": "Holds", "text": "It is."}], "without those that cannot be made"
    assert "Sizes, <em>each</em> of a toy." in found["caption"]
    assert (
        found["image"]
        == "data:image/png;base64," + base64.b64encode(Path("results/toy/mnist/size.png").read_bytes()).decode()
    )
    assert "<td>1 &lt; 2</td>" in found["table"]
    assert found["files"] == {
        "figure (PDF)": "toy/mnist/size.pdf",
        "table (CSV)": "toy/mnist/size.csv",
        "provenance (JSON)": "toy/mnist/size.json",
    }


def test_a_sections_numbers_are_of_the_csv_tables_in_their_order(results, entries):
    found = section(entries[1], "toy_images.rst")
    ((name, given, settings),) = results.calls
    assert name == "images_summary" and settings == {}
    assert [table.of[0] for table in given] == ["results/toy/mnist/turned/words.csv", "results/toy/mnist/size.csv"]
    assert found["claims"] == [] and found["anchor"] == "toy-mnist-turned-images"
    assert found["files"] == {
        "figure (PDF)": "toy/mnist/turned/images.pdf",
        "interactive": "toy/mnist/turned/images.html",
        "images (HDF5)": "toy/mnist/turned/images.h5",
        "words, table (CSV)": "toy/mnist/turned/words.csv",
        "size, table (CSV)": "toy/mnist/size.csv",
        "provenance (JSON)": "toy/mnist/made.json",
    }


def test_empty_tables_claim_nothing(results, entries, tmp_path):
    (tmp_path / entries[0]["tables"][0]).write_text("of\n")
    assert section(entries[0], "toy_size.rst")["claims"] == []
    assert [name for name, _, _ in results.calls] == ["size_summary"]


def test_a_table_that_cannot_be_read_is_named(entries, tmp_path):
    (tmp_path / entries[0]["tables"][0]).write_text("")
    with pytest.raises(InputError, match=r"results/toy/mnist/size\.csv: not a readable CSV"):
        section(entries[0], "toy_size.rst")


TEMPLATE = SCRIPTS.parent / "report" / "report.html.j2"


def page_of(entries: list) -> str:
    """The report of the toy wing, with the project's own template."""
    captions = [f"{entry['caption']}.rst" for entry in entries]
    write_report(TEMPLATE, "report.html", entries, captions, {"seed": 1})
    return Path("report.html").read_text(encoding="utf-8")


def test_a_whole_report_says_nothing_of_missing_figures(results, entries):
    assert 'class="claim missing"' not in page_of(entries)


def test_the_report_says_what_could_not_be_drawn_and_the_others_stand(results, entries):
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text(MARK, "ValueError: two <classes>")
    Image.new("L", (2, 2)).save("results/toy/mnist/size.png", pnginfo=about)
    assert section(entries[0], "toy_size.rst")["missing"] == {"figure": "ValueError: two <classes>"}
    page = page_of(entries)
    assert (
        "Of 3 figures, 1 could not be drawn or told in full:" in page
        and 'href="#toy-mnist-size">sizes on mnist' in page
    )
    assert "<strong>No figure.</strong> ValueError: two &lt;classes&gt;." in page
    assert page.count("<figure>") == 3 and page.count("<strong>Holds.</strong>") == 1


def test_claims_or_numbers_that_fail_cost_only_themselves(results, entries, monkeypatch):
    monkeypatch.setattr(results, "size_claims", failing(KeyError("trained")))
    found = section(entries[0], "toy_size.rst")
    assert found["missing"] == {"boxes": "KeyError: 'trained'"} and found["claims"] == []
    assert "<td>1 &lt; 2</td>" in found["table"]
    monkeypatch.setattr(results, "size_summary", failing(ZeroDivisionError("division by zero")))
    found = section(entries[0], "toy_size.rst")
    assert set(found["missing"]) == {"boxes", "table of numbers"} and found["table"] == ""
    page = page_of(entries)
    assert "Of 3 figures, 2 could not" in page and "<strong>No table of numbers.</strong> ZeroDivisionError" in page
    monkeypatch.setattr(results, "size_summary", failing(InputError("size.csv: row 3 is not right")))
    with pytest.raises(InputError, match=r"size\.csv: row 3"):
        section(entries[0], "toy_size.rst")


def test_an_image_that_is_none_is_named(results, entries):
    Path("results/toy/mnist/size.png").write_bytes(b"not a PNG")
    with pytest.raises(InputError, match=r"size\.png: not a readable image; make it again with: snakemake"):
        section(entries[0], "toy_size.rst")


def test_the_report_fills_its_template_in_order(entries, tmp_path):
    template = "{% for section in sections %}{{ section.anchor }} {% endfor %}{{ facts.seed }}{{ section_title }}"
    (tmp_path / "t.j2").write_text(template.removesuffix("{{ section_title }}"))
    captions = [f"{entry['caption']}.rst" for entry in entries]
    write_report("t.j2", "report.html", entries, captions, {"seed": "<1>"})
    assert (tmp_path / "report.html").read_text() == "toy-mnist-size toy-mnist-turned-images toy-all-whole &lt;1&gt;"
    with pytest.raises(ValueError, match="shorter"):
        write_report("t.j2", "other.html", entries, captions[1:], {"seed": 1})
    (tmp_path / "t.j2").write_text(template)
    with pytest.raises(UndefinedError, match="'section_title' is undefined"):
        write_report("t.j2", "other.html", entries, captions, {"seed": 1})
    assert not (tmp_path / "other.html").exists()
