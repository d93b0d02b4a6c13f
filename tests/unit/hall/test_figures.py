"""From a registered figure to its files, its targets and its section of the report, by a wing made up for it."""

import base64
import errno
import io
import re
import sys
import types
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pytest
from jinja2 import UndefinedError
from matplotlib import pyplot as plt
from PIL import Image

from rehash.errors import InputError
from rehash.figures.drawing import draw_figure
from rehash.figures.missing import MARK, why_missing
from rehash.figures.registry import Figure, Wing, load
from rehash.report.pages import published_values, write_report
from rehash.report.sections import section
from rehash.resources import REPORT, resource, template
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
        headline=f"{RESULTS}:size_headline",
    ),
    "images": Figure(
        about="Draw images.",
        title="the images",
        stem="results/toy/{dataset}/{task}/images",
        caption="toy_images",
        draw=f"{RESULTS}:plot_images",
        page=f"{RESULTS}:images_page",
        published=f"{RESULTS}:images_published",
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


TOY = Wing(
    "toy",
    FIGURES,
    asked,
    lambda config, name, **wildcards: f"{config['words']} {name} {sorted(wildcards)}",
    main=("size", "unasked", "whole"),
    published=("published_equihash.csv",),
    networks=lambda config, name, **wildcards: ["a <net>"] if name == "images" else [],
)
CONFIG = {"datasets": ["mnist", "svhn"], "words": "Data of"}


@pytest.fixture
def results(monkeypatch, tmp_path):
    """The toy wing's functions, as its module would have them; they note with what they were called."""
    module = types.ModuleType(RESULTS)
    module.TITLE, module.SHORT, module.CITED, module.TEXT = "Toys", "Toy", "Toymaker (2021)", "What toys are."
    module.calls = []

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
    noted("size_headline", {"claimed": "Toys are small.", "found": "They are < 3.", "verdict": "It holds here"})
    noted("images_published", pd.DataFrame({"value": [1, 1, 2, 3], "status": ["inside", "outside", "odd", "not run"]}))
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
        "headline": f"{RESULTS}:size_headline",
        "published": "",
        "caption": "toy_size",
        "data": "Data of size ['dataset']",
        "kind": "dataset",
        "subject": "svhn",
        "page": "results/report/dataset-svhn.html",
        "rank": 0,
        "networks": [],
    }
    folder = "results/toy/mnist/turned"
    assert entries[2]["tables"] == [f"{folder}/images.h5", f"{folder}/words.csv", "results/toy/mnist/size.csv"]
    assert entries[2]["files"] == {"figure (PDF)": f"{folder}/images.pdf", "interactive": f"{folder}/images.html"}
    assert (entries[2]["kind"], entries[2]["page"]) == ("task", "results/report/task-turned.html"), "the narrower one"
    assert entries[2]["rank"] is None and entries[2]["networks"] == ["a <net>"]
    assert (entries[3]["kind"], entries[3]["page"]) == ("", "results/report/toy.html")
    assert entries[2]["provenance"] == "results/toy/mnist/made.json" and entries[2]["claims"] == ""


def test_the_report_knows_all_functions_that_it_may_call(results):
    functions = TOY.functions()
    of_figures = ("size_summary", "size_claims", "size_headline", "images_summary", "images_published")
    assert functions == [f"{RESULTS}:{name}" for name in (*of_figures, "TITLE", "SHORT", "CITED", "TEXT")]
    assert load(functions[-4]) == "Toys" and load(functions[1]) is results.size_claims


def test_a_name_that_is_not_there_is_an_error(results):
    with pytest.raises(AttributeError, match="plot_nothing"):
        load(f"{RESULTS}:plot_nothing")
    with pytest.raises(ModuleNotFoundError, match=r"rehash\.nothing"):
        load("rehash.nothing:plot")


def test_the_registries_of_all_wings_name_functions_that_exist():
    from rehash.comparison.registry import WING as COMPARISON
    from rehash.datasets.registry import WING as DATASETS
    from rehash.equihash.registry import WING as EQUIHASH
    from rehash.hash_encoders.registry import WING as HASH_ENCODERS
    from rehash.tgsh.registry import WING as TGSH

    for wing in (DATASETS, HASH_ENCODERS, TGSH, EQUIHASH, COMPARISON):
        assert wing.main and set(wing.main) <= set(wing.figures), "main figures are figures"
        assert wing.name == "datasets" or wing.figures[wing.main[0]].headline, "the first screen has a headline"
        assert all(resource(name).is_file() for name in wing.published)
        assert bool(wing.published) == any(figure.published for figure in wing.figures.values())
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
        Image.effect_noise((20, 10 + len(entry["name"])), 60).save((tmp_path / entry["stem"]).with_suffix(".png"))
        if "interactive" in entry["files"]:
            (tmp_path / entry["files"]["interactive"]).write_text("<p>an image</p>", encoding="utf-8")
        (tmp_path / f"{entry['caption']}.rst").write_text("Sizes, *each* of a toy.\n")
    return found


def test_a_section_has_what_its_figure_shows_and_claims(results, entries):
    found = section(entries[0], "toy_size.rst")
    assert found["anchor"] == "toy-mnist-size" and found["data"] == entries[0]["data"]
    assert (found["heading"], found["page"]) == ("Sizes on mnist", "report/dataset-mnist.html")
    assert found["headline"] == {"claimed": "Toys are small.", "found": "They are < 3.", "verdict": "It holds here"}
    assert found["claims"] == [{"verdict": "Holds", "text": "It is."}], "without those that cannot be made"
    assert "Sizes, <em>each</em> of a toy." in found["caption"]
    head, _, content = found["image"].partition(",")
    shown = Image.open(io.BytesIO(base64.b64decode(content)))
    assert head == "data:image/webp;base64" and found["png"] == "toy/mnist/size.png"
    assert shown.convert("L").tobytes() == Image.open("results/toy/mnist/size.png").tobytes(), "not a pixel differs"
    assert "<td>1 &lt; 2</td>" in found["table"]
    assert found["files"] == {
        "figure (PDF)": "toy/mnist/size.pdf",
        "table (CSV)": "toy/mnist/size.csv",
        "provenance (JSON)": "toy/mnist/size.json",
    }


def test_a_sections_numbers_are_of_the_csv_tables_in_their_order(results, entries):
    found = section(entries[1], "toy_images.rst")
    (name, given, settings), (other, *same) = results.calls
    assert (name, other) == ("images_summary", "images_published") and settings == {}
    assert all(map(pd.DataFrame.equals, given, same[0])) and found["headline"] is None and not found["own_headline"]
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


def report_of(entries: list, absent: tuple = (), **facts) -> dict[str, str]:
    """The report of the toy wing, by the project's own templates: the text of each page by its path."""
    captions = [f"{entry['caption']}.rst" for entry in entries]
    Path("results/report").mkdir(parents=True, exist_ok=True)
    templates = {"report": template(), "page": template("page.html.j2")}
    how = {"wings": {"toy": ["published_equihash.csv"]}, "absent": list(absent), "facts": {"seed": 1, **facts}}
    write_report(templates, "results/report.html", entries, captions, **how)
    pages = sorted(Path("results/report").glob("*.html"))
    return {path.relative_to("results").as_posix(): path.read_text() for path in (Path("results/report.html"), *pages)}


def test_the_first_page_says_what_was_claimed_and_found_and_links_to_the_rest(results, entries):
    pages = report_of(entries)
    first = pages["report.html"]
    assert list(pages) == ["report.html", *(f"report/{n}.html" for n in ("dataset-mnist", "task-turned", "toy"))]
    assert 'class="claim missing"' not in "".join(pages.values())
    card = first.split('<article class="card">')[1].split("</article>")[0]
    assert '<p class="verdict good">It holds here.</p>' in card and "Toymaker (2021)" in card
    assert "<dd>Toys are small.</dd>" in card and "<dd>They are &lt; 3.</dd>" in card
    main = re.findall(r'<article class="work">\n<h3><a href="([^"]+)">(.+)</a></h3>', first)
    assert main == [
        ("report/dataset-mnist.html#toy-mnist-size", "Sizes on mnist"),
        ("report/toy.html#toy-all-whole", "All"),
    ]
    assert '<a href="report/task-turned.html#toy-mnist-turned-images">The images</a>' in first
    assert '<a href="report/task-turned.html#toy-mnist-turned-images">a &lt;net&gt;</a>' in first, (
        "a network by its name"
    )
    for page, text in pages.items():
        for link in re.findall(r'href="([^"#]+)', text):
            made = ((Path("results") / page).parent / link).resolve()
            assert made.is_file() or made.suffix in (".pdf", ".json", ".h5"), (page, link)
        ids = re.findall(r' id="([^"]+)"', text)
        assert len(ids) == len(set(ids)) and {"main"} <= set(ids), "landmarks to jump to"
        assert set(re.findall(r'href="#([^"]+)"', text)) <= set(ids)
        assert text.count("<h1>") == text.count("<main") == 1 and "<nav" in text and "<footer>" in text
        assert not re.search(r"(src|href)=\"?https?:", text)


def test_published_values_are_counted_once_and_comparisons_each(results, entries):
    sections = [section(entry, f"{entry['caption']}.rst") for entry in entries]
    found = published_values(sections, ["published_equihash.csv"])
    places = found.pop("places")
    assert found == {
        "known": 20, "beside": 2, "not_run": 18, "compared": 3, "inside": 1, "outside": 1, "why": {"odd": 1},
    } and [one["name"] for one in places] == ["images"]  # fmt: skip
    assert published_values(sections, []) is None
    nothing = published_values(sections[:1], ["published_equihash.csv"])
    assert (nothing["beside"], nothing["not_run"], nothing["places"]) == (0, 20, [])
    first = report_of(entries)["report.html"]
    assert "1 of the 2 comparisons that can be judged are inside" in first and "1 not judged: odd" in first
    first = report_of(entries[:1])["report.html"]
    assert "No published value belongs to what this run is of" in first


def test_what_was_not_run_is_said(results, entries):
    first = report_of(entries, absent=["toy"])["report.html"]
    assert "<strong>Not run: Toys.</strong> The config's <code>wings</code> leave it out." in first
    first = report_of([])["report.html"]
    assert (
        "nothing to show" in first and "<strong>Not run: Toys.</strong> The config asks for no figure of it." in first
    )


def test_odd_names_are_escaped_and_their_links_lead_somewhere(results, entries, tmp_path):
    odd = [
        {**one, "subject": "a&b <é>", "of": "a&b <é> 50%", "page": "results/report/dataset-a&b é%.html"}
        for one in entries
    ]
    pages = report_of(odd, device="<cuda>")
    assert "<é>" not in "".join(pages.values()) and "&lt;cuda&gt;" in pages["report.html"]
    assert "<h1>Dataset a&amp;b &lt;é&gt;</h1>" in pages["report/dataset-a&b é%.html"]
    ids = set(re.findall(r' id="([^"]+)"', pages["report/dataset-a&b é%.html"]))
    link = re.search(r'<a href="(report/[^"#]+)#([^"]+)">Sizes', pages["report.html"])
    assert (tmp_path / "results" / unquote(link[1])).is_file() and unquote(link[2]) in {unescape(of) for of in ids}


def test_pictures_beyond_what_a_file_may_hold_stand_beside_it(results, entries, monkeypatch):
    size = len(section(entries[0], "toy_size.rst")["image"])
    monkeypatch.setattr("rehash.report.pages._MOST", size + 1)
    first = report_of(entries)["report.html"]
    assert first.count('<img src="data:') == 2 and first.count('<img src="toy/whole.png"') == 1, (
        "the card's, and one of two"
    )


def test_the_report_says_what_could_not_be_drawn_and_the_others_stand(results, entries):
    from PIL.PngImagePlugin import PngInfo

    about = PngInfo()
    about.add_text(MARK, "ValueError: two <classes>")
    Image.new("L", (2, 2)).save("results/toy/mnist/size.png", pnginfo=about)
    assert section(entries[0], "toy_size.rst")["missing"] == {"figure": "ValueError: two <classes>"}
    pages = report_of(entries)
    assert (
        "Of 3 figures, 1 could not be drawn or told in full:" in pages["report.html"]
        and 'href="report/dataset-mnist.html#toy-mnist-size">Sizes on mnist' in pages["report.html"]
    )
    assert "<strong>No figure.</strong> ValueError: two &lt;classes&gt;." in pages["report/dataset-mnist.html"]
    assert pages["report/dataset-mnist.html"].count("<strong>Holds.</strong>") == 1


def test_claims_or_numbers_that_fail_cost_only_themselves(results, entries, monkeypatch):
    monkeypatch.setattr(results, "size_claims", failing(KeyError("trained")))
    monkeypatch.setattr(results, "size_headline", failing(ValueError("no <widths>")))
    found = section(entries[0], "toy_size.rst")
    assert found["missing"] == {"boxes": "KeyError: 'trained'", "headline": "no <widths>"}
    assert found["claims"] == [] and found["headline"] is None and "<td>1 &lt; 2</td>" in found["table"]
    monkeypatch.setattr(results, "size_summary", failing(ZeroDivisionError("division by zero")))
    found = section(entries[0], "toy_size.rst")
    assert set(found["missing"]) == {"boxes", "headline", "table of numbers"} and found["table"] == ""
    pages = report_of(entries)
    assert "Of 3 figures, 2 could not" in pages["report.html"] and '<article class="card">' not in pages["report.html"]
    assert "<strong>No table of numbers.</strong> ZeroDivisionError" in pages["report/dataset-mnist.html"]
    monkeypatch.setattr(results, "size_summary", failing(InputError("size.csv: row 3 is not right")))
    with pytest.raises(InputError, match=r"size\.csv: row 3"):
        section(entries[0], "toy_size.rst")


def test_a_figure_without_a_headline_says_its_first_claim(results, entries):
    found = section({**entries[0], "headline": ""}, "toy_size.rst")
    assert found["headline"] == {"claimed": "", "found": "It is.", "verdict": "Holds"} and not found["own_headline"]


def test_an_image_that_is_none_is_named(results, entries):
    Path("results/toy/mnist/size.png").write_bytes(b"not a PNG")
    with pytest.raises(InputError, match=r"size\.png: not a readable image; make it again with: snakemake"):
        section(entries[0], "toy_size.rst")


def test_a_template_that_uses_what_is_not_there_is_an_error(results, entries, tmp_path):
    for name in REPORT:
        (tmp_path / name).write_text(template(name).read_text())
    (tmp_path / REPORT[0]).write_text("{{ works[0].titel }}")
    captions = [f"{entry['caption']}.rst" for entry in entries]
    Path("results/report").mkdir()
    how = {"wings": {"toy": []}, "absent": [], "facts": {}}
    templates = {"report": tmp_path / REPORT[0], "page": tmp_path / REPORT[1]}
    with pytest.raises(UndefinedError, match="has no attribute 'titel'"):
        write_report(templates, "results/report.html", entries, captions, **how)
    with pytest.raises(ValueError, match="shorter"):
        write_report(templates, "results/report.html", entries, captions[1:], **how)
    assert not (tmp_path / "results/report.html").exists()
